"""Pages of sources and deposits, and the drop of files: who sees what, and what a page says."""

import gzip
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence import doors, permissions
from evidence.models import Deposit, LedgerEntry, Looked, Source
from evidence.permissions import NotAllowed
from evidence.queries import sources
from identities.models import User
from tests.evidence.bodies import record, trail
from tests.evidence.readers import parts, person, recent, signed_in, take
from tests.signed_in import sure

__all__ = ["person", "signed_in"]

CUT_OFF = gzip.compress(trail(*(record(number) for number in range(200))))[:-9]


def test_nobody_is_a_reader_before_the_apps_above_say_so(
    monkeypatch: pytest.MonkeyPatch, person: Callable[..., User]
) -> None:
    monkeypatch.setattr(permissions, "lookup", None)
    with pytest.raises(NotAllowed):
        permissions.reader(person("ines", "reviewer"), now=timezone.now())


@pytest.mark.parametrize(
    "path",
    ["/sources/", "/sources/new/", "/sources/trail/", "/deposits/1/", "/ledger/", "/events/"],
)
def test_page_asks_who_is_there(client: Client, source: Callable[..., Source], path: str) -> None:
    source()
    response = client.get(path)
    assert (response.status_code, response["Location"].split("?")[0]) == (302, "/accounts/login/")


@pytest.mark.parametrize("many", [1, 30])
def test_source_list_asks_the_same_number_of_questions_for_any_number(
    signed_in: Callable[..., Client], source: Callable[..., Source], many: int
) -> None:
    for number in range(many):
        take(source(f"trail-{number}"), recent(1))
    client = signed_in("ines", "reviewer")
    client.get("/sources/")
    cache.clear()
    with CaptureQueriesContext(connection) as asked:
        response = client.get("/sources/")
    assert (response.status_code, len(response.context["rows"])) == (200, many)
    # Six of them count what the menu says, which is remembered as the sums are.
    assert len(asked) == 22


@pytest.mark.parametrize(
    ("every", "lag", "minutes", "gap", "state"),
    [
        (None, 900, None, False, "new_source"),
        (None, 900, 5_000, False, "ok"),
        (60, 60, 0.5, False, "ok"),
        (60, 60, 1.5, False, "late"),
        (60, 60, 3, False, "silent"),
        (60, 60, 0.5, True, "gap"),
    ],
)
def test_state_of_a_source(
    source: Callable[..., Source],
    every: int | None,
    lag: int,
    minutes: float | None,
    gap: bool,
    state: str,
) -> None:
    row, now = source(expected_every_seconds=every, lag_seconds=lag), timezone.now()
    last = None if minutes is None else now - timedelta(minutes=minutes)
    assert sources.state(row, last, gap, now=now).state == state


def test_source_is_added_with_a_token_that_is_shown_once(signed_in: Callable[..., Client]) -> None:
    client = signed_in("jonas", "administrator")
    form = {"name": "prod", "lag_seconds": 60, "sampling": 1, "retention_days": 30,
            "realms": "aws:1 aws:2"}  # fmt: skip
    response = client.post("/sources/new/", form)
    token = response.context["token"]
    row = Source.objects.get()
    assert (response.status_code, row.name, row.realms) == (200, "prod", ["aws:1", "aws:2"])
    assert bytes(row.token_digest or b"") == doors.digest_of(token)
    assert token not in client.get("/sources/prod/").content.decode()
    again = client.post("/sources/new/", form)
    assert (again.status_code, Source.objects.count()) == (400, 1)


@pytest.mark.parametrize(
    "path", ["/sources/new/", "/sources/trail/token/", "/sources/trail/declare/"]
)
@pytest.mark.parametrize("group", ["reviewer", "owner", "auditor", "responder"])
def test_source_is_administered_by_administrators_only(
    signed_in: Callable[..., Client], source: Callable[..., Source], path: str, group: str
) -> None:
    before = source()
    said = {"through": "2026-01-01T00:00:00", "reason": "seen", "name": "x"}
    response = signed_in("ines", group).post(path, said)
    after = Source.objects.get()
    assert (response.status_code, after.token_digest, after.watermark) == (403, None, None)
    assert after.created_at == before.created_at


def test_source_is_proposed_to_be_complete_under_a_name(
    signed_in: Callable[..., Client], source: Callable[..., Source]
) -> None:
    source()
    client = signed_in("jonas", "administrator")
    said = {"through": "2026-01-01T00:00:00", "reason": "compared the counts"}
    proposed = client.post("/sources/trail/declare/", said)
    assert (proposed.status_code, proposed["Location"][:13]) == (302, "/changes/CHG-")
    entry = LedgerEntry.objects.get()
    assert (entry.act, entry.by_name) == ("change.proposed", "Jonas")
    assert Source.objects.get().completeness == ""
    bad = client.post("/sources/trail/declare/", {"through": "soon", "reason": "x"})
    assert bad.status_code == 409


def test_dropped_file_is_taken_without_scripts(
    signed_in: Callable[..., Client], source: Callable[..., Source]
) -> None:
    source()
    client = signed_in("ines", "reviewer")
    file = SimpleUploadedFile("log.json.gz", gzip.compress(recent(1, 2)))
    response = client.post("/sources/trail/drop/", {"file": file})
    deposit = Deposit.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"/deposits/{deposit.pk}/")
    assert (deposit.name, deposit.events) == ("log.json.gz", 2)
    assert deposit.received_by == User.objects.get().ref


def test_file_that_is_dropped_again_is_said_to_be_here_already(
    signed_in: Callable[..., Client], source: Callable[..., Source]
) -> None:
    source()
    client = signed_in("ines", "reviewer")

    def dropped(*bodies: bytes) -> dict[str, Any]:
        file = SimpleUploadedFile("log.json", b"\n".join(bodies))
        headers = {"Accept": "application/json"}
        response = client.post("/sources/trail/drop/", {"file": file}, headers=headers)
        last: dict[str, Any] = orjson.loads(parts(response).splitlines()[-1])
        return last

    first = dropped(recent(1, 2))
    deposit = Deposit.objects.get()
    again = dropped(recent(1, 2))
    assert first["words"] == "2 events, 0 duplicates, 0 rejects."
    assert again["words"] == (
        f"Already here since {deposit.received_at:%Y-%m-%d %H:%M:%S} UTC: nothing new was stored."
        " 0 events, 2 duplicates, 0 rejects."
    )
    assert (again["url"], again["deposits"]) == (f"/deposits/{deposit.pk}/", 0)


def test_dropped_file_says_how_far_it_is(
    signed_in: Callable[..., Client], source: Callable[..., Source]
) -> None:
    source()
    client = signed_in("ines", "reviewer")
    lines = b"\n".join(orjson.dumps(record(number)) for number in range(1, 12_001))
    response = client.post(
        "/sources/trail/drop/",
        {"file": SimpleUploadedFile("log.ndjson", lines), "format": "cloudtrail"},
        headers={"Accept": "application/json"},
    )
    said = [orjson.loads(line) for line in parts(response).splitlines()]
    last = said[-1]
    assert [set(step) for step in said[:-1]] == [{"done", "of"}] * (len(said) - 1)
    assert len(said) == last["deposits"] + 1 >= 3
    assert (last["events"], last["rejects"]) == (12_000, 0)


@pytest.mark.parametrize(
    ("said", "status", "problem"),
    [
        ({}, 400, "Choose a file."),
        ({"file": b"hello"}, 422, "Nothing was stored: no format recognises this"),
        ({"file": CUT_OFF}, 400, "Nothing was stored: The file is compressed"),
        ({"file": b'{"Records":[]}', "format": "morse"}, 400, "Nothing was stored: the format"),
    ],
)
def test_dropped_file_that_is_no_evidence_is_refused_with_a_sentence(
    signed_in: Callable[..., Client],
    source: Callable[..., Source],
    said: dict[str, Any],
    status: int,
    problem: str,
) -> None:
    source()
    client = signed_in("ines", "reviewer")

    def form() -> dict[str, Any]:
        return {
            key: SimpleUploadedFile("x", value) if key == "file" else value
            for key, value in said.items()
        }

    spoken = client.post("/sources/trail/drop/", form(), headers={"Accept": "application/json"})
    assert (spoken.status_code, spoken.json()["problem"][: len(problem)]) == (status, problem)
    shown = client.post("/sources/trail/drop/", form())
    assert (shown.status_code, shown.context["problem"][: len(problem)]) == (status, problem)
    assert Deposit.objects.count() == 0


def test_dropped_file_of_an_auditor_is_refused_before_it_is_read(
    signed_in: Callable[..., Client], source: Callable[..., Source]
) -> None:
    source()
    file = SimpleUploadedFile("log.json", recent(1))
    response = signed_in("aisha", "auditor").post("/sources/trail/drop/", {"file": file})
    assert (response.status_code, Deposit.objects.count()) == (403, 0)


def test_dropped_file_needs_the_token_of_the_form(
    person: Callable[..., User], source: Callable[..., Source]
) -> None:
    source()
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("ines", "reviewer"))
    sure(client)
    response = client.post("/sources/trail/drop/", {"file": SimpleUploadedFile("x", recent(1))})
    assert (response.status_code, Deposit.objects.count()) == (403, 0)


def test_deposit_page_shows_hostile_text_as_text_and_who_looked(
    signed_in: Callable[..., Client], source: Callable[..., Source]
) -> None:
    taken = take(source(), recent(1, userAgent="<script>alert(1)</script>"))
    client = signed_in("ines", "reviewer")
    page = client.get(f"/deposits/{taken.deposit}/")
    text = page.content.decode()
    assert (page.status_code, page.context["deposit"]["intact"]) == (200, True)
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    looked = Looked.objects.get()
    assert (looked.kind, looked.ref, looked.by_name) == ("deposit", str(taken.deposit), "Ines")


def test_deposit_that_was_tampered_with_is_said(
    source: Callable[..., Source],
) -> None:
    row = Deposit.objects.get(pk=take(source(), recent(1)).deposit)
    row.kept_digest = b"x" * 32
    assert sources.kept(row).intact is False


def test_owner_sees_sources_but_neither_bodies_nor_the_ledger(
    signed_in: Callable[..., Client], source: Callable[..., Source]
) -> None:
    taken = take(source(), recent(1))
    client = signed_in("samuel", "owner")
    page = client.get("/sources/trail/")
    assert (page.status_code, page.context["deposits"]) == (200, [])
    assert b"Nothing has been received yet" not in page.content
    assert b"You see no deposits" in page.content
    assert client.get(f"/deposits/{taken.deposit}/").status_code == 403
    assert client.get("/ledger/").status_code == 403
    assert client.get("/ledger/export/").status_code == 403
