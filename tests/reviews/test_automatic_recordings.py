"""A real attack, delivered file by file as it was: what an automatic hold would have stopped, when."""

import gzip
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db.models import Min

from evidence import intake, links
from evidence.models import Actor, Event, Source, Term
from identities import judging
from identities.models import Binding, Credential, Identity, Revocation, UsageDay
from reviews.automatic import rules
from reviews.micro_reviews import EVERY
from reviews.models import AutomaticHold, Case, Notice, Trigger
from reviews.triggers import opening, unusual
from tests.house.test_data import DATA

from .conftest import DAY, make_user, party, person_of
from .holding import MINUTE, sweep

pytestmark = pytest.mark.django_db
SIGNED = datetime(2023, 7, 10, 11, 50, tzinfo=UTC)
ATTACKER = "arn:aws:iam::123837392027:user/bert-jan"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Where the recordings are not, nothing of theirs is collected (tests/house/test_data.py)."""
    if "recording" in metafunc.fixturenames:
        folder = DATA / "cloudtrail-invictus"
        metafunc.parametrize("recording", [folder] if folder.is_dir() else [])


def identity() -> Identity:
    """Who the attack came from: a user with one key, to whom nothing was delegated."""
    owner, sponsor, backup = (make_user(name, "owner") for name in ("ines", "leila", "marek"))
    key = Event.objects.filter(
        principal_id=Actor.objects.get(value=ATTACKER).pk,
        credential_id__in=Actor.objects.filter(value__startswith="AKIA").values("pk"),
    ).earliest("at")
    row = Identity.objects.create(
        name="bert-jan",
        kind="service_account",
        owner=party(owner),
        sponsor=party(sponsor),
        backup=party(backup),
        purpose="tests",
        expires_at=SIGNED + 90 * DAY,
        state="active",
        mode="enforce",
        created_at=SIGNED - DAY,
    )
    row.refresh_from_db()
    assert key.credential_id is not None
    actors = [Actor.objects.get(value=ATTACKER), Actor.objects.get(pk=key.credential_id)]
    Binding.objects.bulk_create(
        Binding(
            identity=row,
            actor=actor,
            basis="declared",
            state="confirmed",
            during=(SIGNED - DAY, None),
            recorded_at=SIGNED,
            by="command",
        )
        for actor in actors
    )
    Credential.objects.create(
        actor=actors[1],
        identity=row,
        kind="access_key",
        standing=True,
        issued_at=SIGNED - DAY,
        issued_to=actors[0],
        state_at=SIGNED - DAY,
    )
    return row


def delivered(recording: Path) -> list[tuple[datetime, Path]]:
    """Each file with when it came: as its name says, and three minutes."""
    files = sorted(recording.glob("*.json.gz"), key=lambda one: one.name.split("_")[3])
    at = [datetime.strptime(one.name.split("_")[3], "%Y%m%dT%H%MZ") for one in files]  # noqa: DTZ007 - made aware below
    return [
        (when.replace(tzinfo=UTC) + 3 * MINUTE, one) for when, one in zip(at, files, strict=True)
    ]


def arrives(path: Path, now: datetime) -> None:
    source, _ = Source.objects.get_or_create(
        name="invictus", defaults={"created_at": SIGNED, "created_by": "command"}
    )
    body = gzip.decompress(path.read_bytes())
    intake.take(source=source, body=body, by="command", now=now)
    while links.link_next(now=now):
        pass


def test_attack_is_held_with_the_first_file_that_shows_it(recording: Path) -> None:
    rita, ada = make_user("rita", "reviewer"), make_user("ada", "administrator")
    rule = rules.propose(
        scope={},
        classes=["no_authority"],
        per_hour=5,
        per_day=10,
        asked=person_of(rita),
        reason="no person is as quick",
        by=rita,
        now=SIGNED,
    )
    rules.sign(rule=rule, by=ada, now=SIGNED)
    known: Identity | None = None
    for now, path in delivered(recording):
        arrives(path, now)
        if known is None and Actor.objects.filter(value=ATTACKER).exists():
            known = identity()
        judging.judge_all(now=now)
        sweep(now)
    begun = Event.objects.filter(principal_id=Actor.objects.get(value=ATTACKER).pk)
    first = begun.aggregate(at=Min("at"))["at"]
    key, whole = AutomaticHold.objects.filter(state="held").order_by("number")
    # Its first call was at 11:54:33, the first file that shows it came at 12:03, and both holds
    # with it: of the key, and of the rest, which was done with sessions that it had opened.
    assert first == datetime(2023, 7, 10, 11, 54, 33, tzinfo=UTC)
    for one in (key, whole):
        assert one.found_at == one.decided_at == datetime(2023, 7, 10, 12, 3, tzinfo=UTC)
        assert (one.strength, one.finding.rule) == (2, "no_authority")
    assert [one.item.kind for one in (key, whole)] == ["credential", "identity"]
    rows = Revocation.objects.order_by("number").values_list("step", "system", "credential")
    own = Credential.objects.get().pk
    assert list(rows) == [
        ("hold", "aws", own),
        ("suspend", "aws", None),
        ("suspend", "countersign", None),
    ]
    assert Identity.objects.get().state == "suspended"
    # What came after it would have met a key that is inactive.
    assert (begun.count(), begun.filter(at__gt=key.decided_at).count()) == (2_642, 1_870)
    # All of it is one incident, and one mail for each person and hold.
    case = Case.objects.get()
    assert (case.door, case.items.count(), case.findings.count()) == ("incident", 2, 47)
    asked = Notice.objects.filter(channel="mail")
    assert asked.count() == asked.values("person", "occasion").distinct().count() == 5


def test_what_the_attack_raises_as_unusual_for_its_identity(recording: Path) -> None:
    """No recording is longer than a day: as it is it raises nothing. After ten days of reading one
    bucket, the day of the attack is so many sentences of one question."""
    now = datetime(2023, 7, 10, 13, 0, tzinfo=UTC)
    for _, path in delivered(recording):
        arrives(path, now)
    row = identity()
    judging.judge_all(now=now)
    # The product's own first policy asks about it.
    assert unusual.NAME in EVERY
    assert not unusual.find_next(now=now)
    assert Trigger.objects.count() == 0
    get = Term.objects.filter(kind=Term.ACTION, value__startswith="s3:").earliest("pk")
    for back in range(1, 11):
        at = now - back * DAY
        UsageDay.objects.create(
            identity_no=row.number,
            day=at.date(),
            action_id=get.pk,
            family="reports/*",
            plane=1,
            count=200,
            first_at=at.replace(hour=11),
            last_at=at.replace(hour=12),
        )
    while unusual.find_next(now=now):
        pass
    kinds = Counter(one.subject.partition(" ")[0] for one in Trigger.objects.all())
    assert kinds == {"action": 26, "volume": 1}
    while opening.open_next(now=now):
        pass
    assert Case.objects.get().items.count() == 1
