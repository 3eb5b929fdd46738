"""What a stopped credential issued and made, in a browser: beforehand, on its own page, and what is left."""

from uuid import uuid4

import pytest
from django.utils import timezone

from evidence.models import Actor, Issuance
from identities.actions import revocations
from identities.models import Credential, Identity, Making
from tests.browser.conftest import LOOKS, Open, faults, picture
from tests.planted import Planted
from tests.reviews.conftest import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def thieved(key: Credential) -> None:
    """A user, a policy and a key that were made with this one."""
    now = timezone.now()

    def name(value: str, kind: str = "arn") -> Actor:
        return Actor.objects.create(
            key=uuid4(), realm="aws:111122223333", kind=kind, value=value, created_at=now
        )

    for number, (what, kind) in enumerate((("user/mallory", "user"), ("policy/all", "policy"))):
        Making.objects.create(
            at=now, event_id=number, actor=name(f"arn:aws:iam::111122223333:{what}"),
            by_credential=key.actor, kind=kind, thing=what, removed=False, deposit_id=1,
        )  # fmt: skip
    minted = Credential.objects.create(
        actor=name("AKIAMINTED0000000002", "access_key"), kind="access_key", standing=True,
        issued_at=now, state_at=now,
    )  # fmt: skip
    Issuance.objects.create(
        at=now, event_id=9, credential=minted.actor, by_credential=key.actor, standing=True,
        deposit_id=1,
    )  # fmt: skip


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_pages_name_what_goes_along_and_what_is_left(
    open_as: Open, planted: Planted, *, dark: bool, phone: bool
) -> None:
    rex = make_user("rex", "responder")
    agent = Identity.objects.select_related("service").get(name="report-agent")
    # The other key of report-agent issued this one, and more would go along with it.
    key = agent.credentials.get(actor__value=planted.keys.minted, state="active")
    thieved(key)
    page = open_as(rex, dark=dark, phone=phone)
    page.goto(f"/credentials/{key.key}/")
    said = page.get_by_text(
        "It issued or made 1 user, 1 policy, 1 credential that may work and go with it"
    )
    assert said.count() == 1
    picture(page, f"made-along-credential-{dark}-{phone}")
    found = faults(page, dark=dark)
    ask = revocations.Ask(agent, "hold", "it was stolen", key)
    (made,) = revocations.request_all([ask], by=rex, now=timezone.now())
    page.goto(f"/revocations/{made.rows[0].key}/")
    assert page.get_by_text("not stopped: remove it by hand").count() == 1
    picture(page, f"made-along-revocation-{dark}-{phone}")
    found += faults(page, dark=dark)
    left = next(row for row in made.along if row.state == "failed")
    page.goto(f"/revocations/{left.key}/")
    picture(page, f"made-along-left-{dark}-{phone}")
    assert found + faults(page, dark=dark) == []
