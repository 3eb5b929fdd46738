"""Shared signals in a browser: both themes, two widths, and a receiver registered without JavaScript."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import Group
from django.utils import timezone
from joserfc.jwk import ECKey
from playwright.sync_api import Page, expect

from evidence.models import Connection, Source
from identities.acting import COMMAND
from identities.models import Identity, SignalEvent, SignalReceiver, SignalSet, SignalStream, User
from identities.signals import streams
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "a-receiver-with-a-name-that-nobody-would-type-twice"


@pytest.fixture
def keyed(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    said = {"signals": [{"key": f"file:{tmp_path}/key.pem"}]}
    (tmp_path / "enforcers.yaml").write_text(yaml.safe_dump(said))
    settings.ENFORCERS = str(tmp_path / "enforcers.yaml")


def administrator() -> User:
    row = User.objects.get(username="ines")
    row.groups.add(Group.objects.get_or_create(name="administrator")[0])
    return row


def streamed() -> SignalStream:
    """A receiver whose stream does not get through, and a source of signals."""
    now = timezone.now()
    receiver = streams.register(
        name=LONG, user=User.objects.create(username="gateway"), audience=f"https://{LONG}.example.com",
        default_subjects="ALL", named_by="aliases", by=COMMAND, now=now,
    )  # fmt: skip
    row = SignalStream.objects.create(
        receiver=receiver, delivery="push", endpoint=f"https://{LONG}.example.com/in", failures=4,
        failed_why=f"{LONG}.example.com answered 503.", who_must_act="whoever runs the receiver",
        description="sessions of the gateway", created_at=now, changed_at=now,
        not_before=now.replace(year=now.year + 1), verified_at=now,
    )  # fmt: skip
    for number, state in enumerate(("waiting", "refused")):
        event = SignalEvent.objects.create(
            cause=str(number), kind="session-revoked", identity=Identity.objects.order_by("number")[0],
            happened_at=now, made_at=now,
        )  # fmt: skip
        SignalSet.objects.create(
            stream=row, event=event, jti=str(number), state=state, err="invalid_request",
            said="no such subject " + "x" * 200, settled_at=now,
        )  # fmt: skip
    source = Source.objects.create(name="idp", format="signals", created_at=now, created_by="x")
    Connection.objects.create(
        source=source,
        connector="signals",
        settings={"issuer": f"https://{LONG}.example.com/tenant"},
    )
    return row


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_pages_of_signals_are_clean(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, keyed: None, *, dark: bool,
    phone: bool,
) -> None:  # fmt: skip
    row = streamed()
    page = open_as(administrator(), dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    for address in ("/signals/", row.url, "/signals/receivers/new/"):
        page.goto(address)
        wide = page.evaluate(OVERFLOW)
        picture(page, f"{address.strip('/').replace('/', '-')[:20]}-{dark}-{phone}")
        said = axe(page) + ([f"{wide} px too wide"] if wide > 0 else [])
        if said:
            found[address] = said
    assert found == {}


def test_a_receiver_is_registered_and_its_stream_paused_in_plain_forms(
    open_as: Open, planted: Planted, keyed: None
) -> None:
    User.objects.create(username="edge")
    page = open_as(administrator(), javascript=False)
    page.goto("/signals/")
    page.get_by_role("link", name="Register a receiver").click()
    page.get_by_label("Name", exact=True).fill("edge gateway")
    page.get_by_label("Login").fill("edge")
    page.get_by_label("Audience").fill("https://edge.example.com")
    page.get_by_role("button", name="Register it").click()
    expect(page.get_by_text("edge gateway may receive signals: give it a token.")).to_be_visible()
    now = timezone.now()
    row = SignalStream.objects.create(
        receiver=SignalReceiver.objects.get(), delivery="poll", created_at=now, changed_at=now,
        not_before=now,
    )  # fmt: skip
    page.goto("/signals/")
    page.get_by_role("link", name="edge gateway").click()
    page.get_by_role("button", name="Test it").click()
    page.get_by_text("Pause it…").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Why? The ledger keeps it").first.fill("a move")
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_text("The stream of edge gateway is paused.")).to_be_visible()
    row.refresh_from_db()
    assert (row.status, row.sets.count()) == ("paused", 2)
