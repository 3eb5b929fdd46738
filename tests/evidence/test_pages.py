"""Pages of sources, deposits, events and the ledger: who sees what, and what a page says."""

import gzip
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence import doors, intake, ledger, links, permissions
from evidence.models import Actor, Deposit, Event, Gap, LedgerEntry, Looked, Source
from evidence.permissions import COMMAND, NotAllowed
from evidence.queries import events, sources
from identities.models import Binding, Identity, Party, Person, User
from reviews.models import Case
from tests.evidence.bodies import export, record, run_of, trail

CUT_OFF = gzip.compress(trail(*(record(number) for number in range(200))))[:-9]


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """A login with a person behind it, in these groups."""

    def make(name: str, *groups: str) -> User:
        row = User.objects.create(username=name, person=Person.objects.create(name=name.title()))
        for group in groups:
            row.groups.add(Group.objects.get_or_create(name=group)[0])
        return row

    return make


@pytest.fixture
def signed_in(person: Callable[..., User]) -> Callable[..., Client]:
    def make(name: str, *groups: str) -> Client:
        client = Client()
        client.force_login(person(name, *groups))
        return client

    return make


def parts(response: Any) -> bytes:
    """The whole of an answer that comes in parts."""
    return b"".join(response.streaming_content)


def take(source: Source, body: bytes, **said: Any) -> intake.Taken:
    return intake.take(source=source, body=body, by="command", now=timezone.now(), **said)


def recent(*numbers: int, **said: Any) -> bytes:
    now = timezone.now()
    return trail(*(record(one, at=now - timedelta(minutes=one), **said) for one in numbers))


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
    assert len(asked) == 10


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


def test_source_is_declared_complete_under_a_name(
    signed_in: Callable[..., Client], source: Callable[..., Source]
) -> None:
    source()
    client = signed_in("jonas", "administrator")
    said = {"through": "2026-01-01T00:00:00", "reason": "compared the counts"}
    assert client.post("/sources/trail/declare/", said).status_code == 302
    entry = LedgerEntry.objects.get()
    assert (Source.objects.get().completeness, entry.by_name) == ("declared", "Jonas")
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
    assert client.get(f"/deposits/{taken.deposit}/").status_code == 403
    assert client.get("/ledger/").status_code == 403
    assert client.get("/ledger/export/").status_code == 403


@pytest.fixture
def stored(source: Callable[..., Source]) -> None:
    """Sixty records of one user, one of another, and a run that made the first of them."""
    trail_ = source()
    take(trail_, recent(*range(1, 61)))
    other = {"userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/else",
                              "accountId": "123456789012", "userName": "else",
                              "accessKeyId": "AKIAELSEEXAMPLE00000"}}  # fmt: skip
    take(trail_, recent(99, **other))
    run = run_of(f"REQ{1:013}")
    moved = timezone.now() - timedelta(minutes=1)
    for span in run.resource_spans[0].scope_spans[0].spans:
        span.start_time_unix_nano = int(moved.timestamp() * 1e9)
        span.end_time_unix_nano = span.start_time_unix_nano + 1_000
    take(source("traces", plane="ai"), run.SerializeToString(), format="otlp")
    while links.link_next(now=timezone.now()):
        pass


def refs(page: Any) -> list[str]:
    return [row["ref"] for row in page.context["rows"]]


def test_events_page_goes_on_by_key(signed_in: Callable[..., Client], stored: None) -> None:
    client = signed_in("ines", "reviewer")
    first = client.get("/events/?source=trail")
    second = client.get(first.context["page"]["next_url"])
    assert (len(refs(first)), len(refs(second))) == (50, 11)
    assert len({*refs(first), *refs(second)}) == 61
    assert second.context["page"]["next_url"] == ""


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("q=s3:GetObject&source=trail", 50),
        ("q=AKIAELSE", 1),
        ("q=invoices/7.json", 1),
        (f"q=REQ{1:013}", 2),
        (f"request=REQ{2:013}", 1),
        (f"trace={1:032x}", 3),
        ("trace=zz", 0),
        ("source=nowhere", 0),
        ("deposit=999999", 0),
        ("deposit=x", 0),
        ("actor=x", 0),
        ("action=s3:Nothing", 0),
        ("identity=NHI-9999", 0),
        ("finding=F-9999", 0),
        ("from=2199-01-01T00:00:00", 0),
        ("to=1999-01-01T00:00:00", 0),
    ],
)
def test_events_page_filters(
    signed_in: Callable[..., Client], stored: None, query: str, count: int
) -> None:
    page = signed_in("ines", "reviewer").get(f"/events/?{query}")
    assert (page.status_code, len(page.context["rows"])) == (200, count)


def test_events_of_an_actor_hold_those_of_its_children(
    signed_in: Callable[..., Client], stored: None
) -> None:
    actor = Actor.objects.get(value="AKIAELSEEXAMPLE00000")
    page = signed_in("ines", "reviewer").get(f"/events/?actor={actor.pk}")
    assert len(page.context["rows"]) == 1


def bind(user: User, value: str) -> Identity:
    """An identity that this user owns, with this actor bound to it."""
    now = timezone.now()
    identity = Identity.objects.create(
        name="svc-else", kind="service_account", created_at=now,
        owner=Party.objects.get_or_create(person=user.person)[0],
    )  # fmt: skip
    Binding.objects.create(
        identity=identity, actor=Actor.objects.get(value=value), basis="declared",
        state="confirmed", during=(now - timedelta(days=9), None), recorded_at=now, by="test",
    )  # fmt: skip
    return identity


def test_owner_sees_the_events_of_what_is_bound_to_its_identities(
    person: Callable[..., User], stored: None
) -> None:
    samuel = person("samuel", "owner")
    bind(samuel, "AKIAELSEEXAMPLE00000")
    client = Client()
    client.force_login(samuel)
    page = client.get("/events/")
    (ref,) = refs(page)
    own = client.get(f"/events/{ref}/")
    assert (own.status_code, own.context["event"]["deposit_url"]) == (200, "")
    others = events.page(events.Filter(request=f"REQ{1:013}"), scope=None).keys
    for key in others:
        assert client.get(f"/events/{events.ref_of(key)}/").status_code == 404


def test_event_page_shows_the_record_its_actors_and_links(
    signed_in: Callable[..., Client], stored: None
) -> None:
    client = signed_in("ines", "reviewer")
    key = next(
        key
        for key in events.page(events.Filter(request=f"REQ{1:013}"), scope=None).keys
        if Event.objects.get(at=key[0], id=key[1]).plane == 1
    )
    page = client.get(f"/events/{events.ref_of(key)}/")
    shown = page.context
    assert page.status_code == 200
    assert orjson.loads(shown["event"]["excerpt"])["requestID"] == f"REQ{1:013}"
    assert [one["role"] for one in shown["event"]["actors"]] == ["credential", "principal"]
    assert [(one["strength"], one["direction"]) for one in shown["links"]] == [
        ("exact", "caused by"),
        ("exact", "caused by"),
    ]
    cause = client.get(shown["links"][0]["url"])
    assert orjson.loads(cause.context["event"]["excerpt"])["traceId"] == f"{1:032x}"
    assert Looked.objects.filter(kind="event").count() == 2


def test_record_after_rejects_and_repeats_is_found_again_by_its_place(
    source: Callable[..., Source],
) -> None:
    now = timezone.now()
    body = trail(
        record(1, at=now), {"eventName": "x"}, record(1, at=now),
        record(2, at=now + timedelta(days=9)), record(3, at=now),
    )  # fmt: skip
    deposit = Deposit.objects.get(pk=take(source(), body).deposit)
    (last,) = Event.objects.filter(request_id=f"REQ{3:013}")
    assert orjson.loads(sources.record_excerpt(deposit, last.ordinal))["eventID"][-1] == "3"


@pytest.mark.parametrize("ref", ["1-1", "x", "99999999999999999-1", "1-99999999999999999999"])
def test_event_that_is_none_is_not_found(signed_in: Callable[..., Client], ref: str) -> None:
    assert signed_in("ines", "reviewer").get(f"/events/{ref}/").status_code == 404


def write(words: str, *, sealed: Case | None = None) -> None:
    ledger.append(
        at=timezone.now(), by="user:1", by_name="Ines", act="item.answered", subject="CS-12",
        words=words, sealed_case=None if sealed is None else sealed.pk,
    )  # fmt: skip


def test_ledger_page_shows_a_sealed_case_as_a_commitment(
    signed_in: Callable[..., Client],
) -> None:
    case = Case.objects.create(
        door="incident", title="quiet", state="open", sealed=True, opened_at=timezone.now(),
        deadline_at=timezone.now() + timedelta(days=1), opened_by="user:1",
    )  # fmt: skip
    write("keeps the key")
    write("names the thief", sealed=case)
    client = signed_in("aisha", "auditor")
    rows = client.get("/ledger/").context["rows"]
    assert [row["words"] for row in rows] == ["sealed: a commitment only", "keeps the key"]
    assert rows[0]["digest"] != ""
    assert b"names the thief" not in client.get("/ledger/?q=Ines").content
    assert b"names the thief" not in parts(client.get("/ledger/export/"))


def test_ledger_page_goes_on_by_row(signed_in: Callable[..., Client]) -> None:
    for number in range(60):
        write(f"row {number}")
    client = signed_in("ines", "reviewer")
    first = client.get("/ledger/?subject=CS-12")
    second = client.get(first.context["page"]["next_url"])
    assert (len(first.context["rows"]), len(second.context["rows"])) == (50, 10)
    assert first.context["rows"][0]["subject_url"] == "/cases/CS-12/"


def test_gap_of_a_source_is_said_under_the_rows(
    signed_in: Callable[..., Client], stored: None
) -> None:
    now = timezone.now()
    Gap.objects.create(
        source=Source.objects.get(name="trail"), reason="maintenance", recorded_at=now,
        during=(now - timedelta(minutes=30), now - timedelta(minutes=20)),
    )  # fmt: skip
    page = signed_in("ines", "reviewer").get("/events/?source=trail")
    assert page.context["missing"].startswith("trail silent ")


def test_command_reads_everything_and_may_everything() -> None:
    assert (COMMAND.scope, COMMAND.why_not_send, COMMAND.why_not_administer) == (None, None, None)


def test_spans_are_shown_as_they_are_kept(source: Callable[..., Source]) -> None:
    body = export({"span": 5, "name": "chat"}).SerializeToString()
    deposit = Deposit.objects.get(pk=take(source("traces"), body, format="otlp").deposit)
    text = sources.record_excerpt(deposit, 0)
    assert (orjson.loads(text)["name"], orjson.loads(text)["spanId"]) == ("chat", f"{5:016x}")


@pytest.mark.parametrize("model", ["source", "deposit", "progress", "gap", "ledgerentry"])
def test_admin_shows_and_changes_nothing(
    person: Callable[..., User], source: Callable[..., Source], model: str
) -> None:
    take(source(), recent(1))
    root = person("root")
    root.is_superuser = root.is_staff = True
    root.save()
    client = Client()
    client.force_login(root)
    assert client.get(f"/admin/evidence/{model}/").status_code == 200
    assert client.get(f"/admin/evidence/{model}/add/").status_code == 403
