"""What pages and the API show of lists: the source's, the inventory's, and unclaimed actors."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.formats.record import ActorName
from evidence.models import LedgerEntry, Source
from identities.acting import COMMAND
from identities.actions.bindings import bind, unclaimed
from identities.inventory import reading
from identities.inventory.contract import Forbidden, Hint
from identities.models import Credential, Identity, InventoryPlan, InventoryRead, User
from tests.identities.conftest import NOW
from tests.identities.inventory.conftest import HOUR, Clock
from tests.identities.inventory.shelf import Shelf, allow, bot, key, shelf, source
from tests.reviews.test_api import token
from tests.signed_in import by_hand, sure

__all__ = ["shelf", "source"]

pytestmark = pytest.mark.django_db

Read = Callable[..., InventoryRead]
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}</script>"
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;{{7*7}}"


@pytest.fixture
def signed_in(user: Callable[..., User]) -> Callable[..., Client]:
    def make(*groups: str) -> Client:
        client = Client()
        client.force_login(
            user("ines", *groups), backend="django.contrib.auth.backends.ModelBackend"
        )
        return sure(client)

    return make


@pytest.fixture
def filled(shelf: Shelf, source: Source, read: Read) -> Source:
    shelf.bots = [
        bot(1, title="Nightly run", created_at=NOW - timedelta(days=300), rights=allow("run"),
            hints=(Hint("owner", "ops@example.org", "tag Owner"), Hint("cmdb", "CI7", "tag cmdb"))),
        bot(2, title=HOSTILE, status="held", hints=(Hint("team", HOSTILE, HOSTILE),)),
    ]  # fmt: skip
    shelf.keys = [
        key("AKIAMADEUP0000001", holder=bot(1).name, last_used_at=NOW - 2 * HOUR,
            created_at=NOW - timedelta(days=200), expires_at=NOW + timedelta(days=9)),
        key("lonely", holder=ActorName("shelf:1", "user", "ana")),
    ]  # fmt: skip
    read(source)
    return source


def test_inventory_page_says_how_many_and_how_old(
    filled: Source, shelf: Shelf, read: Read, signed_in: Callable[..., Client]
) -> None:
    shelf.bots = [*shelf.bots[1:], *(bot(n) for n in range(10, 13))]
    read(filled)
    page = signed_in("reviewer").get(f"/sources/{filled.name}/inventory/").content.decode()
    assert "4 identities and 2 credentials, 3 new, 0 changed, 1 gone, read" in page
    assert "as Shelf lists it, every 21,600 s" in page
    assert ESCAPED in page
    assert HOSTILE not in page
    assert "key-…0001" in page


def test_part_of_the_sources_page_is_the_summary_alone(
    filled: Source, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("reviewer")
    source_page = client.get(f"/sources/{filled.name}/").content.decode()
    assert f'hx-get="/sources/{filled.name}/inventory/"' in source_page
    part = client.get(
        f"/sources/{filled.name}/inventory/",
        headers={"HX-Request": "true", "HX-Part": "inventory"},
    ).content.decode()
    assert part.startswith('<section class="cs-card" id="inventory"')
    assert "2 identities and 2 credentials" in part
    rows = client.get(
        f"/sources/{filled.name}/inventory/?q=nightly", headers={"HX-Request": "true"}
    ).content.decode()
    assert rows.startswith('<div id="inventory_rows">')
    assert "Nightly run" in rows
    assert "lonely" not in rows


def test_refused_list_is_shown_with_what_to_do(
    filled: Source, shelf: Shelf, read: Read, signed_in: Callable[..., Client]
) -> None:
    shelf.fail["bots", 0] = Forbidden("the shelf answered 403", "Give it list bots.")
    read(filled)
    page = signed_in("reviewer").get(f"/sources/{filled.name}/inventory/").content.decode()
    assert "Not read in full: bots. What was listed there before still stands" in page
    assert "the shelf answered 403 Give it list bots." in page


def test_source_that_was_never_read_says_so(
    source: Source, signed_in: Callable[..., Client]
) -> None:
    page = signed_in("reviewer").get(f"/sources/{source.name}/inventory/").content.decode()
    assert "Its lists have not been read yet." in page


def test_source_without_lists_says_so(
    connect: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    connect("phoenix", name="traces")
    page = signed_in("reviewer").get("/sources/traces/inventory/").content.decode()
    assert "has no lists that Countersign reads" in page


def test_rows_are_for_who_sees_everything(filled: Source, signed_in: Callable[..., Client]) -> None:
    page = signed_in("owner").get(f"/sources/{filled.name}/inventory/").content.decode()
    assert "Who is listed is shown to reviewers, responders and auditors." in page
    assert "Nightly run" not in page


def test_administrator_reads_now_and_pauses(
    filled: Source, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("administrator")
    path = f"/sources/{filled.name}/inventory/"
    asked = client.post(f"{path}read/")
    assert (asked.status_code, asked["Location"]) == (302, path)
    assert InventoryRead.objects.filter(state="waiting").count() == 1
    assert "reading" in client.get(path).content.decode()
    client.post(f"{path}pause/", {"paused": "1"})
    assert InventoryPlan.objects.get().paused is True
    client.post(f"{path}pause/", {"paused": "0"})
    assert InventoryPlan.objects.get().paused is False
    assert list(
        LedgerEntry.objects.filter(act="inventory.planned")
        .order_by("pk")
        .values_list("words", flat=True)
    ) == [
        "the lists of lists are not read by themselves",
        "the lists of lists are read every 21600 s",
    ]


def test_scripts_read_now_and_a_person_pauses(filled: Source, user: Callable[..., User]) -> None:
    ada = user("ada", "administrator")
    path, headers = f"/api/sources/{filled.name}/", by_hand(ada)
    by_token = token(ada, "act")
    asked = Client().post(f"{path}inventory/read/", "{}", "application/json", headers=by_token)
    assert (asked.status_code, asked.json()["system"]) == (202, "shelf")
    assert InventoryRead.objects.filter(state="waiting").count() == 1
    for paused in (True, False):
        said = json.dumps({"lists_paused": paused})
        done = Client().patch(path, said, "application/json", headers=headers)
        assert (done.status_code, InventoryPlan.objects.get().paused) == (200, paused)
    assert LedgerEntry.objects.filter(act="inventory.planned").count() == 2


@pytest.mark.parametrize("step", ["read", "pause"])
def test_nobody_else_does(filled: Source, signed_in: Callable[..., Client], step: str) -> None:
    answer = signed_in("reviewer").post(f"/sources/{filled.name}/inventory/{step}/")
    assert answer.status_code == 403
    assert not InventoryRead.objects.filter(state="waiting").exists()


def test_questions_of_the_page_do_not_grow(
    filled: Source, shelf: Shelf, read: Read, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("reviewer")
    counted = []
    for many in (1, 30):
        shelf.bots += [bot(f"{many}-{n}", rights=allow("run")) for n in range(many)]
        shelf.keys += [key(f"{many}-{n}") for n in range(many)]
        read(filled)
        for path in (f"/sources/{filled.name}/inventory/", "/unclaimed/"):
            cache.clear()  # the counts of the menu are remembered for a while
            with CaptureQueriesContext(connection) as captured:
                assert client.get(path).status_code == 200
            counted.append(len(captured))
    assert counted[:2] == counted[2:]


def test_listed_principals_are_unclaimed_with_credentials_dates_and_hints(
    filled: Source, clock: Clock
) -> None:
    rows = {one.actor.value: one for one in unclaimed(now=clock.at)}
    # A credential stands under its holder, and alone where no list shows the holder.
    assert sorted(rows) == ["bot-1", "bot-2", "key-lonely"]
    listed = rows["bot-1"].listed
    assert listed is not None
    assert (listed.title, listed.status, [one["value"] for one in listed.hints]) == (
        "Nightly run",
        "active",
        ["ops@example.org", "CI7"],
    )
    (held,) = listed.credentials
    assert (held.value, held.last_used_at, held.expires_at) == (
        "key-AKIAMADEUP0000001",
        NOW - 2 * HOUR,
        NOW + timedelta(days=9),
    )
    assert (rows["bot-1"].first_at, rows["bot-1"].count) == (None, 0)
    # Found by what people call it there.
    assert [one.actor.value for one in unclaimed(now=clock.at, search="nightly")] == ["bot-1"]


def test_unclaimed_page_shows_hints_as_questions(
    filled: Source, signed_in: Callable[..., Client]
) -> None:
    page = signed_in("reviewer").get("/unclaimed/").content.decode()
    assert "owner?</span> ops@example.org" in page
    assert "(tag Owner)" in page
    assert "key-…0001" in page
    assert HOSTILE not in page


def test_what_is_claimed_leaves_with_its_credentials(
    filled: Source, identity: Callable[..., Identity], clock: Clock
) -> None:
    made = identity("svc-nightly")
    actor = next(one.actor for one in unclaimed(now=clock.at) if one.actor.value == "bot-1")
    bind(identity=made, actor=actor, by=COMMAND, now=clock(), reason="mine")
    assert sorted(one.actor.value for one in unclaimed(now=clock.at)) == ["bot-2", "key-lonely"]
    held = Credential.objects.get(actor__value="key-AKIAMADEUP0000001")
    assert held.identity == made


def test_what_is_gone_is_no_longer_unclaimed(
    filled: Source, shelf: Shelf, read: Read, clock: Clock
) -> None:
    shelf.bots, shelf.keys = [], []
    read(filled)
    assert unclaimed(now=clock.at) == []


def test_api_of_unclaimed_says_what_is_listed(
    filled: Source, signed_in: Callable[..., Client]
) -> None:
    rows = signed_in("reviewer").get("/api/unclaimed/").json()["rows"]
    (found,) = [one for one in rows if one["name"] == "bot-1"]
    assert (found["listed"]["source"], found["listed"]["kind"], found["listed"]["status"]) == (
        "lists",
        "bot",
        "active",
    )
    assert found["listed"]["hints"][0] == {
        "kind": "owner",
        "value": "ops@example.org",
        "seen_in": "tag Owner",
    }
    assert [one["kind"] for one in found["listed"]["credentials"]] == ["key"]


def test_reading_under_way_is_shown_with_its_pages(
    source: Source, shelf: Shelf, clock: Clock, signed_in: Callable[..., Client]
) -> None:
    shelf.bots = [bot(n) for n in range(9)]
    reading.ask(source=source, by="command", now=clock())
    reading.run_next(clock=clock, source=source, enough=lambda: len(shelf.asked) == 2)
    page = signed_in("reviewer").get(f"/sources/{source.name}/inventory/").content.decode()
    assert "6 found in 2 pages, 6 new" in page
    assert 'hx-trigger="every 3s"' in page
