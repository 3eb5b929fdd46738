"""The population as of a date: every row, what proves it, and a sample that anybody draws again."""

import csv
import hashlib
import io
import json
import tracemalloc
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from evidence import ledger
from evidence.models import LedgerEntry
from identities.acting import COUNTERSIGN
from identities.actions import logins, owning
from identities.models import Entitlement, Identity, IdentityState, Membership, Team
from identities.permissions import NotAllowed, NotPossible
from reviews import population
from reviews.population import sampling, taking
from reviews.population.tables import TABLES
from tests.signed_in import sure

from .conftest import DAY, HOUR, NOW, Told, party, person_of

pytestmark = pytest.mark.django_db
NAMES = [one.name for one in TABLES]


def taken(told: Told, **said: Any) -> dict[str, bytes]:
    """Every file of the zip."""
    into = io.BytesIO()
    facts: dict[str, Any] = {
        "at": NOW,
        "sample": 3,
        "seed": "told beforehand",
        "by": told.otto,
        "now": NOW + HOUR,
    }
    population.take(into, **(facts | said))
    with zipfile.ZipFile(into) as pack:
        assert pack.testzip() is None
        return {name: pack.read(name) for name in pack.namelist()}


def rows(files: dict[str, bytes], name: str) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in map(json.loads, files[f"{name}.jsonl"].splitlines())}


def proof(files: dict[str, bytes], name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files[f"proof/{name}.json"])
    return found


def note(subject: str, act: str = "registered.added", **said: Any) -> LedgerEntry:
    facts: dict[str, Any] = {"at": NOW - DAY, "by": "test", "by_name": "Test", "words": act}
    return ledger.append(act=act, subject=subject, **(facts | said))


def test_manifest_counts_and_digests_are_those_of_the_files(story: Told) -> None:
    files = taken(story)
    manifest = json.loads(files["manifest.json"])
    assert sorted(manifest["tables"]) == sorted(NAMES)
    for name in NAMES:
        said, lines = manifest["tables"][name], files[f"{name}.jsonl"].splitlines(keepends=True)
        assert (said["rows"], said["sha256"]) == (
            len(lines), hashlib.sha256(files[f"{name}.jsonl"]).hexdigest()
        )  # fmt: skip
        assert len(list(csv.reader(io.StringIO(files[f"{name}.csv"].decode())))) == len(lines) + 1
        proofs = list(csv.DictReader(io.StringIO(files[f"proof/{name}.csv"].decode())))
        assert [one["key"] for one in proofs] == list(rows(files, name))
        assert manifest["files"][f"{name}.jsonl"] == said["sha256"]
    key = story.identity.key
    assert rows(files, "owners")[f"{key}/owner"]["party"] == "Ines"
    assert story.credential.key in rows(files, "credentials")


def test_row_without_an_entry_and_entry_without_a_row_are_named(story: Told) -> None:
    key = story.identity.key
    assert proof(taken(story), "identities")["rows_without_proof"] == {"count": 1, "first": [key]}
    entry, lost = note(key), note("NHI-99999")
    files = taken(story)
    said = proof(files, "identities")
    assert said["rows_without_proof"] == {"count": 0, "first": []}
    assert said["entries_without_row"] == {
        "count": 1, "first": [f"entry about NHI-99999 ({lost.pk})"]
    }  # fmt: skip
    (line,) = csv.DictReader(io.StringIO(files["proof/identities.csv"].decode()))
    assert line["first_digest"] == bytes(entry.digest).hex()
    # What a sealed case holds proves nothing to others, and is not counted.
    hidden = Identity.objects.create(name="hidden", kind="agent", created_at=NOW - DAY)
    hidden.refresh_from_db()
    note(hidden.key, sealed_case=hidden.pk)
    assert proof(taken(story), "identities")["rows_without_proof"]["first"] == [hidden.key]


@pytest.mark.parametrize("name", NAMES)
def test_sample_is_drawn_again_with_the_standard_library(story: Told, name: str) -> None:
    for number in range(12):
        Identity.objects.create(name=f"more-{number}", kind="agent", created_at=NOW - DAY)
    files = taken(story)
    manifest = json.loads(files["manifest.json"])
    ranked = sorted(
        (hashlib.sha256(f"{manifest['seed']}\n{name}\n{key}\n".encode()).hexdigest(), key)
        for key in rows(files, name)
    )[: manifest["sample"]]
    drawn = list(csv.DictReader(io.StringIO(files[f"sample/{name}.csv"].decode())))
    assert [(one["rank"], json.loads(one["row"])["key"]) for one in drawn] == ranked
    assert [one["row"] for one in drawn] == [
        line
        for _, key in ranked
        for line in files[f"{name}.jsonl"].decode().splitlines()
        if json.loads(line)["key"] == key
    ]


def test_draw_keeps_no_more_than_it_gives_and_knows_no_order() -> None:
    keys = [f"NHI-{number:04d}" for number in range(500)]
    expected = sampling.redrawn("s", "identities", keys, 20)
    for order in (keys, keys[::-1]):
        draw = sampling.Draw("s", "identities", 20)
        for key in order:
            draw.see(key, key.encode())
        assert [line.decode() for _, line in draw.drawn()] == expected
    assert list(sampling.Draw("s", "identities", 0).drawn()) == []
    assert sampling.redrawn("t", "identities", keys, 20) != expected


def test_seed_stands_in_the_ledger_before_a_row_is_read(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(taking, "_table", die)
    with pytest.raises(OSError, match="no space"):
        taken(story, seed="")
    (asked,) = LedgerEntry.objects.filter(subject="population")
    assert (asked.act, asked.data["sample"]) == ("population.asked", 3)
    # Nothing is sealed inside a test's transaction: the chain stands at its beginning.
    assert (asked.data["seed"], asked.data["seed_is"]) == (
        ledger.GENESIS.hex(), "the hash of row 0 of the ledger"
    )  # fmt: skip


def test_ledger_says_who_took_it_and_what_it_came_to(story: Told) -> None:
    files = taken(story)
    asked, made = LedgerEntry.objects.filter(subject="population").order_by("pk")
    assert (asked.act, asked.by, asked.data["seed"]) == (
        "population.asked", story.otto.ref, "told beforehand"
    )  # fmt: skip
    manifest = json.loads(files["manifest.json"])
    assert made.data["tables"] == {
        name: [one["rows"], one["sha256"]] for name, one in manifest["tables"].items()
    }
    assert made.data["manifest"] == hashlib.sha256(files["manifest.json"]).hexdigest()


def test_population_of_an_earlier_moment_is_as_it_was(story: Told) -> None:
    one = story.identity
    IdentityState.objects.create(
        identity=one, state="active", during=(NOW - DAY, NOW + DAY), recorded_at=NOW, by="test"
    )
    IdentityState.objects.create(
        identity=one, state="suspended", during=(NOW + DAY, None), recorded_at=NOW, by="test"
    )
    later = NOW + 5 * DAY
    Identity.objects.create(name="newcomer", kind="agent", created_at=NOW + 2 * DAY)
    owning.give(identity=one, to=party(story.rita), basis="accepted", by=COUNTERSIGN,
                now=NOW + 3 * DAY, because="moved")  # fmt: skip
    owning.place(identity=Identity.objects.get(pk=one.pk), place="sponsor", to=None, by=COUNTERSIGN,
                 now=NOW + 3 * DAY, because="left")  # fmt: skip
    before, after = taken(story, now=later), taken(story, at=later, now=later)
    assert [row["state"] for row in rows(before, "identities").values()] == ["active"]
    assert [row["state"] for row in rows(after, "identities").values()] == ["suspended", None]
    places = [{place: rows(one_, "owners")[f"{one.key}/{place}"]["party"]
               for place in ("owner", "sponsor", "backup")} for one_ in (before, after)]  # fmt: skip
    assert places == [
        {"owner": "Ines", "sponsor": "Leila", "backup": "Marek"},
        {"owner": "Rita", "sponsor": None, "backup": "Marek"},
    ]


def test_entitlements_roles_and_teams_have_their_entries(story: Told) -> None:
    one, key = story.identity, story.identity.key
    Entitlement.objects.create(
        identity=one, system="aws", principal="arn:x", during=(NOW - DAY, None), read_at=NOW,
        digest="d", possible=[{"effect": "allow"}], recorded_at=NOW - DAY,
    )  # fmt: skip
    team = Team.objects.create(name="Payments")
    Membership.objects.create(
        team=team, person=person_of(story.ines), during=(NOW - DAY, None), recorded_at=NOW - DAY
    )
    files = taken(story)
    for name in ("entitlements", "teams"):
        assert proof(files, name)["rows_without_proof"]["count"] == 1
    note(key, "entitlement.read", data={"principal": "arn:x", "digest": "d"})
    gone = note(key, "entitlement.read", data={"principal": "arn:x", "digest": "never kept"})
    note(f"team:{team.pk}", "registered.changed", recorded_at=NOW - DAY)
    # A role that no entry gave, as one set in the database, is named.
    logins.make(username="new", name="New", email="new@example.org", roles=["reviewer"],
                by=COUNTERSIGN, now=NOW - HOUR)  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("UPDATE identities_user SET date_joined = %s", [NOW - DAY])
    files = taken(story)
    for name in ("entitlements", "teams"):
        assert proof(files, name)["rows_without_proof"]["count"] == 0
    assert proof(files, "entitlements")["entries_without_row"] == {
        "count": 1, "first": [f"reading of arn:x for {key} ({gone.pk})"]
    }  # fmt: skip
    roles = proof(files, "roles")["rows_without_proof"]["first"]
    assert "rita/reviewer" in roles
    assert "new/reviewer" not in roles
    assert "new/reviewer" in rows(files, "roles")
    # Before it was given there was none.
    assert "new/reviewer" not in rows(taken(story, at=NOW - 2 * HOUR), "roles")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"at": NOW + 2 * HOUR}, "has not come yet"),
        ({"sample": 1_001}, "between 0 and 1,000"),
        ({"seed": "two\nlines"}, "one line"),
        ({"seed": "x" * 201}, "at most 200"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_noted(
    story: Told, said: dict[str, Any], words: str
) -> None:
    with pytest.raises(NotPossible, match=words):
        taken(story, **said)
    assert not LedgerEntry.objects.filter(subject="population").exists()


def test_only_auditors_and_administrators_take_it(story: Told, client: Client) -> None:
    with pytest.raises(NotAllowed):
        taken(story, by=story.rita)
    client.force_login(story.rita)
    sure(client)
    assert "auditor or an administrator" in client.get("/population/").content.decode()
    asked = {"at": "2026-11-24T12:00:00", "sample": "2", "seed": ""}
    assert client.post("/population/take/", asked).status_code == 403
    client.force_login(story.otto)
    sure(client)
    assert "Nobody has taken it out yet" in client.get("/population/").content.decode()
    answer = client.post("/population/take/", asked)
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as pack:  # type: ignore[attr-defined]  # it is a streamed answer
        assert json.loads(pack.read("manifest.json"))["sample"] == 2
    assert "countersign-population-2026-11-24.zip" in answer["Content-Disposition"]
    assert "Otto" in client.get("/population/").content.decode()
    assert client.post("/population/take/", {"at": "soon", "sample": "x"}).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_command_writes_it_for_nobody_else_and_says_what_it_came_to(
    story: Told, tmp_path: Path
) -> None:
    out, said = tmp_path / "all.zip", io.StringIO()
    call_command("population", at="2026-11-24", by="otto", sample=2, out=str(out), stdout=said)
    assert out.stat().st_mode & 0o777 == 0o600
    assert "identities: 1 rows, 1 without a proof" in said.getvalue()
    for wrong, words in (({"at": "yesterday"}, "--at is a day"), ({"by": "nobody"}, "no login")):
        with pytest.raises(CommandError, match=words):
            call_command(
                "population", **({"at": "2026-11-24", "by": "otto", "out": str(out)} | wrong)
            )


def test_memory_does_not_grow_with_the_population(
    story: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "CHUNK", 100)

    def peak() -> int:
        tracemalloc.start()
        taken_into = io.BytesIO()
        population.take(taken_into, at=NOW, sample=5, seed="s", by=story.otto, now=NOW + HOUR)
        used = tracemalloc.get_traced_memory()[1] - len(taken_into.getvalue())
        tracemalloc.stop()
        return used

    few = peak()
    Identity.objects.bulk_create(
        Identity(name=f"i-{n}", kind="agent", number=10_000 + n, created_at=NOW - timedelta(days=1))
        for n in range(1_500)
    )
    # Six thousand rows, held, are three times as much.
    assert peak() < few + (3 << 20)
