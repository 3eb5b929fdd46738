"""From a request on a phone to a person's own AWS SDK, and to its refusal after the end."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import CredentialRetrievalError
from django.db.models import QuerySet
from django.utils import timezone
from playwright.sync_api import Page, expect

from config.demo.aws import Demo
from identities.actions import grants
from identities.actions.grants import elsewhere
from identities.models import Grant, GrantSession, GrantSignIn
from reviews.models import Case
from tests.awslab.fixtures import lab
from tests.awslab.lab import Lab, Person
from tests.awslab.profiles import Listing, lists, sdk
from tests.awslab.server import running
from tests.browser.conftest import Open
from tests.browser.signing import confirm
from tests.browser.test_break_glass import asked_on_a_phone, clean, there
from tests.identities.revoking import pointed_at_the_account
from tests.reviews.break_glass.conftest import MINUTE, Company, put_in_force

__all__ = ["lab", "pointed_at_the_account", "sdk", "there"]
pytestmark = pytest.mark.django_db(transaction=True)
BUCKET = "arn:aws:s3:::invoices"


@pytest.fixture
def aws_account() -> Iterator[Demo]:
    """One of its own: its clock passes the end here, and that of the others does not."""
    with running() as demo:
        yield demo


@pytest.fixture
def offered(lab: Lab, there: Company) -> Company:
    """What can be asked for is given at this account, to sessions of a role that may do nothing."""
    demo = lab.demo
    administrator = Person("administrator", demo.clients().caller()[1], demo.administrator)
    role = lab.role({"Action": "s3:PutObject", "Resource": "*"}, trusts=administrator)
    lab.admin.client("s3").create_bucket(Bucket="invoices")
    target = {"system": "aws", "account": demo.account, "kind": "role_sessions", "name": role}
    put_in_force("contain-agent", there.rita, there.root, words="Contain an agent", target=target,
                 actions=["s3:ListBucket"], resources=[BUCKET])  # fmt: skip
    return there


def worked() -> None:
    while grants.grant_next(now=timezone.now()):
        pass


def waited_for(rows: QuerySet[GrantSignIn]) -> GrantSignIn:
    """The first of these, which another process is about to make."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = rows.first()
        if found is not None:
            return found
        time.sleep(0.05)
    raise AssertionError("nothing came in half a minute")


def test_a_real_client_uses_what_was_asked_for_on_a_phone_and_is_refused_after_its_end(
    open_as: Open,
    axe: Callable[[Page], list[str]],
    offered: Company,
    lab: Lab,
    sdk: Callable[..., Any],
) -> None:
    found: dict[str, list[str]] = {}
    dana = open_as(offered.dana, phone=True, dark=True)
    assert asked_on_a_phone(dana) <= 3
    expect(dana.get_by_text("Told: Paul, Pia, Sara, Sven")).to_be_visible()
    case = Case.objects.get(door="break_glass")
    for who in (offered.pia, offered.sven):
        page = open_as(who, javascript=False)
        page.goto(f"/break-glass/{case.key}/")
        if who == offered.pia:
            # Less than was asked for: the SDK's token outlives it, and may do nothing by then.
            page.get_by_text("Give less").click()
            page.get_by_label("Minutes").fill("10")
        page.get_by_role("button", name="Approve").click()
        confirm(page)
    worked()
    row = Grant.objects.get()
    assert row.state == "usable"
    # Her own SDK begins; she signs in for it on the phone, by the code that it shows there.
    listing = Listing(lambda: sdk(row.key, lab.demo.endpoint))
    asked = waited_for(GrantSignIn.objects.filter(asked_for=row.key))
    dana.goto("/device/")
    dana.get_by_label("The code that your client shows").fill(elsewhere.shown(asked.code).lower())
    dana.get_by_role("button", name="Go on").click()
    expect(dana.get_by_text(socket.gethostname(), exact=True)).to_be_visible()
    clean(dana, axe, "device-phone-dark", found)
    dana.get_by_role("button", name="It is mine").click()
    confirm(dana)
    expect(dana.get_by_text(f"Your client takes credentials of {row.key} now")).to_be_visible()
    assert listing.answer() == "listed"
    # The next process of hers asks nobody: the first left one behind that holds the sign-in.
    client = sdk(row.key, lab.demo.endpoint)
    assert lists(client) == "listed"
    assert GrantSignIn.objects.count() == 1
    assert GrantSession.objects.filter(grant=row).count() >= 2

    dana.goto(f"/grants/{row.key}/")
    expect(dana.get_by_text(f"countersign_credentials.py {row.key}")).to_be_visible()
    expect(dana.get_by_text(f"{row.key}.dana").first).to_be_visible()
    clean(dana, axe, "grant-phone-dark", found)
    light = open_as(offered.rita)
    for address, name in ((f"/grants/{row.key}/", "grant"), (f"/break-glass/{case.key}/", "case")):
        light.goto(address)
        clean(light, axe, f"{name}-light", found)

    # The account's clock passes the end: AWS itself refuses, nobody has taken anything away.
    lab.demo.proxy.pass_time(11 * MINUTE)
    assert lists(client) == "AccessDenied"
    dana.goto(f"/break-glass/{case.key}/")
    clean(dana, axe, "case-phone-dark", found)
    dana.get_by_role("button", name="Give back").click()
    expect(dana.get_by_text("Given back: it ends now.")).to_be_visible()
    # And Countersign hands out no more, to a client that begins anew.
    with pytest.raises(CredentialRetrievalError, match=f"{row.key}"):
        lists(sdk(row.key, lab.demo.endpoint))
    assert found == {name: [] for name in found}
