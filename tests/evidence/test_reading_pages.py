"""Pages and commands of reading: a corrected format, a mapping tried, saved and used."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from evidence import checks, intake, tasks
from evidence.models import Deposit, Event, LedgerEntry, MappingVersion, Rereading, Source
from evidence.stores import bodies
from tests.evidence.formats.conftest import SAMPLES
from tests.evidence.readers import person, signed_in
from tests.evidence.test_rereading import FIRST, GATEWAY, save, take

__all__ = ["person", "signed_in"]

pytestmark = pytest.mark.django_db

MAPPINGS = SAMPLES / "mappings"
OWN = (
    'mapping: own\nrealm: "own:x"\nat: time\naction: action\n'
    "principal: {kind: user, path: user}\nid: event_id\n"
)
BODY = b'{"event_id":"e1","time":"2026-11-24T09:00:00Z","action":"open","user":"ann"}'


def run(*words: Any) -> str:
    out = io.StringIO()
    call_command(*map(str, words), stdout=out, stderr=out)
    return out.getvalue()


def test_wrong_format_is_corrected_on_the_page_of_the_deposit(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    save(OWN)
    deposit = take(source("guess"), BODY, "okta")
    client = signed_in("jonas", "administrator")
    shown = client.get(f"/deposits/{deposit.pk}/").content
    assert b'<option value="okta" selected>' in shown
    assert b'<option value="mapping:own">own (mapping)</option>' in shown
    answer = client.post(f"/deposits/{deposit.pk}/reread/", {"format": "mapping:own"})
    assert (answer.status_code, answer["Location"]) == (302, f"/deposits/{deposit.pk}/")
    assert b"It is being read again." in client.get(f"/deposits/{deposit.pk}/").content
    # Asked twice, it is one wish.
    client.post(f"/deposits/{deposit.pk}/reread/", {"format": "mapping:own"})
    assert Rereading.objects.count() == 1
    tasks.reread()
    shown = client.get(f"/deposits/{deposit.pk}/").content
    assert b"It is being read again." not in shown
    assert b"mapping:own@1, version 1" in shown
    assert Event.objects.get().time_basis == 1
    assert [
        (one.act, one.by_name)
        for one in LedgerEntry.objects.filter(act__startswith="deposits.").order_by("pk")
    ] == [("deposits.reread", "Jonas"), ("deposits.were_reread", "Jonas")]


def test_only_who_administers_sources_reads_again_or_maps(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    deposit = take(source("guess"), BODY, "okta")
    client = signed_in("ines", "reviewer")
    assert client.post(f"/deposits/{deposit.pk}/reread/", {"format": "okta"}).status_code == 403
    answer = client.get("/mappings/")
    assert (answer.status_code, b"Save as a version" in answer.content) == (200, False)
    assert client.post("/mappings/", {"mapping": OWN, "act": "save"}).status_code == 403
    # Everybody finds the way to what everybody may read.
    assert b'href="/mappings/"' in client.get("/sources/").content
    assert not Rereading.objects.exists()
    assert Client().get("/mappings/").status_code == 302


def test_unknown_format_is_refused_with_the_names(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    deposit = take(source("guess"), BODY, "okta")
    client = signed_in("jonas", "administrator")
    answer = client.post(f"/deposits/{deposit.pk}/reread/", {"format": "mapping:none"})
    assert answer.status_code == 409
    assert b"is not known; name one of: alerts" in answer.content


def test_mapping_is_tried_on_a_pasted_and_on_an_uploaded_sample(
    signed_in: Callable[..., Client],
) -> None:
    client = signed_in("jonas", "administrator")
    text = (MAPPINGS / "gateway.yaml").read_text("utf-8")
    sample = (MAPPINGS / "gateway.json").read_bytes()
    pasted = client.post(
        "/mappings/", {"mapping": text.replace("\n", "\r\n"), "sample": sample.decode()}
    )
    uploaded = client.post(
        "/mappings/",
        {
            "mapping_file": SimpleUploadedFile("gateway.yaml", text.encode()),
            "sample_file": SimpleUploadedFile("gateway.json", sample),
        },
    )
    for answer in (pasted, uploaded):
        assert answer.status_code == 200
        for words in (
            "service invoice-reader (gateway:north)",
            "api_key gk-17 of finance (gateway:north)",
            "user ann@north.example",
            "issued api_key gk-18",
            "Records[3]",
            "has nothing at the paths",
            "session is found in 1 of 3 records",
            "not mapped: trace_id, span_id, error, task, release",
        ):
            assert words in answer.content.decode(), words
    assert b"invoice 12" not in uploaded.content
    assert not Event.objects.exists()
    assert not MappingVersion.objects.exists()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"mapping": "a: &x [1]\nb: *x"}, "anchors and aliases are not taken"),
        ({"mapping": OWN}, "The sample is empty"),
        ({"mapping": "<script>alert(1)</script>: 1"}, "&lt;script&gt;alert(1)"),
        ({"mapping": "", "sample": "x"}, "says nothing"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_said_on_the_page(
    signed_in: Callable[..., Client], sent: dict[str, str], said: str
) -> None:
    answer = signed_in("jonas", "administrator").post("/mappings/", sent)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert b"<script>alert(1)" not in answer.content


def test_saved_mapping_is_versioned_and_named_by_a_source(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    row = source("gate")
    client = signed_in("jonas", "administrator")
    for text in (OWN, OWN, OWN + "session: s\n"):
        answer = client.post("/mappings/", {"mapping": text, "act": "save", "source": "gate"})
        assert (answer.status_code, answer["Location"]) == (302, "/mappings/?name=own")
    assert list(MappingVersion.objects.order_by("version").values_list("version", "made_name")) == [
        (1, "Jonas"),
        (2, "Jonas"),
    ]
    row.refresh_from_db()
    assert row.format == "mapping:own"
    assert take(row, BODY).format == "mapping:own@2"
    assert b"session: s" in client.get("/mappings/?name=own").content
    assert list(LedgerEntry.objects.order_by("pk").values_list("act", flat=True)) == [
        "mapping.saved",
        "source.format_changed",
        "mapping.saved",
    ]


@pytest.mark.parametrize(
    ("mapping", "sample"),
    [
        ("gateway.yaml", "gateway.json"),
        ("doors.yaml", "doors.csv"),
        ("jumphost.yaml", "jumphost.log"),
    ],
)
def test_command_shows_saves_and_gives_a_source(
    source: Callable[..., Source], mapping: str, sample: str
) -> None:
    source("gate")
    shown = run("map", MAPPINGS / mapping, "--sample", MAPPINGS / sample)
    assert "3 records" in shown
    assert "REJECT" in shown
    assert "NOTE   not mapped" in shown
    document = json.loads(
        run("map", MAPPINGS / mapping, "--sample", MAPPINGS / sample, "--use", "gate", "--json")
    )
    assert (document["records"], document["version"], document["source"]) == (3, 1, "gate")
    taken = intake.take(
        source=Source.objects.get(),
        body=(MAPPINGS / sample).read_bytes(),
        by="command",
        now=timezone.now(),
    )
    assert (taken.events, taken.format) == (3, f"mapping:{document['mapping']}@1")


def test_command_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("mapping: a\nfoo: 1\n")
    with pytest.raises(CommandError, match="foo: is not known"):
        run("map", wrong)
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run("map", tmp_path / "none.yaml")


def test_command_reads_again_after_saying_what_would_change(
    source: Callable[..., Source],
) -> None:
    save(FIRST)
    deposit = take(source("gate", format="mapping:gateway"), GATEWAY)
    assert "nothing to read again" in run("reread")
    save(FIRST + "credential: {kind: api_key, path: key}\n")
    (row,) = [one for one in checks.doctor() if one[0] == "readings"]
    assert row[2].startswith("1 deposit were read by an older version")
    tried = json.loads(run("reread", "--dry-run", "--json"))
    assert (tried["state"], tried["deposits"], tried["events"]["changed"]) == ("dry run", 1, 3)
    assert "3 changed" in run("reread", "--source", "gate", "--since", "2026-11-01T00:00:00Z")
    (row,) = [one for one in checks.doctor() if one[0] == "readings"]
    assert row[2] == "every deposit is read by its format's newest version"
    assert "3 same" in run("reread", "--deposit", deposit.pk, "--format", "mapping:gateway")
    with pytest.raises(CommandError, match="There is no deposit 77777"):
        run("reread", "--deposit", 77777)
    with pytest.raises(CommandError, match="is not known; name one of"):
        run("reread", "--deposit", deposit.pk, "--format", "nothing")


def test_deposit_whose_bytes_are_gone_or_changed_stays_and_is_named(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(FIRST)
    deposit = take(source("gate", format="mapping:gateway"), GATEWAY)
    save(FIRST + "session: id\n")
    before = list(Event.objects.order_by("at", "id").values())
    monkeypatch.setattr(bodies, "unpack", lambda _: b'{"Records":[]}')
    with pytest.raises(SystemExit):
        run("reread")
    wish = Rereading.objects.get()
    assert (wish.state, wish.failed) == ("done", 1)
    assert "its kept bytes are not those that were stored" in wish.problem
    assert list(Event.objects.order_by("at", "id").values()) == before
    assert Deposit.objects.get().format == deposit.format


def test_address_of_an_event_that_moved_leads_to_it(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    save(FIRST)
    take(source("gate", format="mapping:gateway"), GATEWAY)
    one = Event.objects.order_by("at", "id")[0]
    client = signed_in("rita", "responder")
    before = f"/events/{int(one.at.timestamp() * 1_000_000)}-{one.id}/"
    assert client.get(before).status_code == 200
    save(FIRST.replace("gateway:main", "gateway:other"))
    run("reread")
    answer = client.get(before)
    assert answer.status_code == 302
    assert client.get(answer["Location"]).status_code == 200
