"""The wave: questions put before people, a few at a time and the largest first.

Owns who is being asked and for how long. A question is everything with one party and one bundle
in it; the largest ones, up to a share of everything, come first, because a tail of small ones
costs people as many answers again. Silence costs nobody anything but the question: after the
wave's patience somebody else is asked.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from evidence import ledger, nudge
from evidence.words import counted
from identities.acting import COUNTERSIGN, By, acting
from identities.claims import learning, questioning, rights
from identities.claims.proposing import hand_on
from identities.models import Claim, ClaimRefusal, ClaimWave, Party, Person, Team, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given

# What was answered so long before a wave counts in its share: a second wave goes on with the first.
A_WHILE = timedelta(days=365)
# Where the reason of an act of the wave is read.
LEDGER = "it goes into the ledger"
MOST_MOVED = 2_000

# A question of which part is asked is asked wholly; the rest by how much a yes is expected of, until
# the share is full. A service for which nobody is known keeps its place among them: a reviewer's
# one act about it is worth more than the many small questions that would stand in for it.
YES = ", sum(coalesce(e.share, 0.5)) AS yes"
EXPECTED = """LEFT JOIN unnest(%(bases)s::text[], %(shares)s::float[]) AS e (basis, share)
    ON e.basis = coalesce(nullif(c.kind, ''), 'step ' || c.step)"""
NEXT = f"""
WITH bundles AS ({questioning.sql(more=YES, joins=EXPECTED)}), asked AS (
    SELECT b.party_id, b.about, sum(b.n) AS n, sum(b.yes) AS yes, bool_or(b.asked) AS asked
    FROM bundles b
    WHERE b.party_id IS NOT NULL OR b.bundle LIKE ANY('{{service:%%,code:%%}}') GROUP BY 1, 2
), placed AS (
    SELECT q.*, sum(n) OVER (ORDER BY asked DESC, yes DESC, about, party_id
                             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - n AS before,
           row_number() OVER (PARTITION BY party_id ORDER BY asked DESC, yes DESC, about) AS place
    FROM asked q
), wanted AS (
    SELECT count(*) * %(share)s / 100.0
           - count(*) FILTER (WHERE state IN ('owned', 'answered')) AS n
    FROM identities_claim WHERE state <> 'gone' AND (state <> 'owned' OR closed_at >= %(since)s)
)
SELECT b.party_id, b.bundle FROM wanted w, placed p
JOIN bundles b ON b.party_id = p.party_id AND b.about = p.about
WHERE b.unasked AND (p.asked OR (p.place <= %(at_once)s AND p.before < w.n))
"""  # noqa: S608 - a constant
# By the index of questions, however many there are and whatever the planner knows of them.
ASK = """
UPDATE identities_claim c SET asked_at = %(now)s
FROM unnest(%(parties)s::uuid[], %(bundles)s::text[]) AS q (party, bundle)
WHERE c.party_id = q.party AND c.bundle = q.bundle AND c.state = 'open' AND c.asked_at IS NULL
"""


class Terms(NamedTuple):
    """How a wave asks."""

    at_once: int = 3
    share: int = 90
    patience_days: int = 14


def note(*, act: str, words: str, by: By, now: datetime, subject: str, data: object = None) -> None:
    """One entry of the wave in the ledger, and the nudge that there is something to do."""
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=subject,
        words=words[:1000],
        data=data if isinstance(data, dict) else {},
    )
    nudge.after_commit("claims.changed")


def running() -> ClaimWave | None:
    """The wave that people are asked in now."""
    return ClaimWave.objects.filter(ended_at__isnull=True).first()


def start(*, terms: Terms, reason: str, by: User, now: datetime) -> ClaimWave:
    """Begin to ask. Raises NotPossible while another wave runs, or for terms out of bounds."""
    require(rights.why_not_run(by, now=now))
    reason = reason_given(reason, what=LEDGER)
    if not (
        1 <= terms.at_once <= 50 and 1 <= terms.share <= 100 and 1 <= terms.patience_days <= 365
    ):
        raise NotPossible("Ask 1 to 50 questions at once, 1 to 100 %, and wait 1 to 365 days.")
    who = acting(by)
    try:
        with transaction.atomic():
            wave = ClaimWave.objects.create(
                **terms._asdict(),
                reason=reason,
                started_at=now,
                started_by=who.ref,
                started_by_name=who.name,
            )
            note(
                act="claims.started",
                words=f"{who.name} began to ask for owners: {reason}",
                by=by,
                now=now,
                subject="claims",
                data={"wave": str(wave.pk), **terms._asdict()},
            )
    except IntegrityError:
        raise NotPossible("A wave is running already: end it first.") from None
    return wave


def end(*, reason: str, by: User, now: datetime) -> None:
    """Ask nobody anything new; questions that were asked can still be answered."""
    require(rights.why_not_run(by, now=now))
    reason = reason_given(reason, what=LEDGER)
    with transaction.atomic():
        wave = ClaimWave.objects.select_for_update().filter(ended_at__isnull=True).first()
        if wave is None:
            raise NotPossible("No wave is running.")
        wave.ended_at, wave.ended_by_name = now, acting(by).name
        wave.save(update_fields=["ended_at", "ended_by_name"])
        note(
            act="claims.ended",
            words=f"{acting(by).name} ended the claim wave: {reason}",
            by=by,
            now=now,
            subject="claims",
            data={"wave": str(wave.pk)},
        )


def ask_next(*, now: datetime) -> int:
    """Put the next questions before people while a wave runs; how many things they are about."""
    wave = running()
    if wave is None:
        return 0
    expected = learning.read().expected()
    with transaction.atomic(), connection.cursor() as cursor:
        facts: dict[str, Any] = {
            "since": wave.started_at - A_WHILE,
            "at_once": wave.at_once,
            "share": wave.share,
            "bases": list(expected),
            "shares": list(expected.values()),
        }
        cursor.execute(NEXT, facts)
        found = cursor.fetchall()
        if not found:
            return 0
        parties, bundles = map(list, zip(*found, strict=True))
        cursor.execute(ASK, {"now": now, "parties": parties, "bundles": bundles})
        return int(cursor.rowcount)


def pass_silent(*, now: datetime) -> bool:
    """Move one question that nobody answered in time to whoever is next; False when none is."""
    wave = running()
    if wave is None:
        return False
    late = now - timedelta(days=wave.patience_days)
    with transaction.atomic():
        first = (
            Claim.objects.filter(state="open", asked_at__lt=late, party__isnull=False)
            .order_by("asked_at", "pk")
            .first()
        )
        if first is None:
            return False
        rows = list(
            Claim.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(state="open", party=first.party_id, bundle=first.bundle, asked_at__lt=late)
            .select_related("service", "party__person", "party__team")
            .order_by("pk")[:MOST_MOVED]
        )
        if not rows:
            return False
        words = f"no answer in {counted(wave.patience_days, 'day')}"
        refuse(rows, reason=words, now=now, silent=True)
        named = str(rows[0].party)
        hand_on(rows, now=now)
        note(
            act="claims.passed",
            words=f"{named} gave {words} about {counted(len(rows), 'thing')} of {first.bundle}:"
            " others are asked",
            by=COUNTERSIGN,
            now=now,
            subject="claims",
            data={"bundle": first.bundle, "n": len(rows)},
        )
    return True


def waiting_for(parties: Collection[UUID]) -> int:
    """How many questions lie before these parties and are not answered."""
    return len(questioning.asked_of(parties))


def refuse(
    rows: list[Claim],
    *,
    reason: str,
    now: datetime,
    person: UUID | None = None,
    silent: bool = False,
) -> None:
    """Remember that these are not their party's: it is not asked about them again."""
    ClaimRefusal.objects.bulk_create(
        [
            ClaimRefusal(
                identity_id=row.identity_id,
                actor_id=row.actor_id,
                party_id=row.party_id,
                person_id=person,
                reason=reason,
                silent=silent,
                basis=row.basis,
                bundle=row.bundle,
                at=now,
            )
            for row in rows
            if row.party_id is not None
        ],
        batch_size=1_000,
        ignore_conflicts=True,
    )


def party_named(written: str) -> Party:
    """`team:Payments`, a mail address or a person's name as a party; NotPossible otherwise."""
    written = written.strip().replace("\0", "")[:300]
    team = Team.objects.filter(name__iexact=written.removeprefix("team:").strip()).first()
    people = list(Person.objects.filter(email__iexact=written)[:2]) if "@" in written else []
    if not people and not written.startswith("team:"):
        people = list(Person.objects.filter(name__iexact=written)[:2])
    if len(people) + (team is not None) > 1:
        raise NotPossible(f"{written!r} means several: write the mail address, or team:<name>.")
    if people:
        return Party.objects.get_or_create(person=people[0])[0]
    if team is not None:
        return Party.objects.get_or_create(team=team)[0]
    raise NotPossible(
        f"No person or team is called {written!r}: write a mail address or team:<name>."
    )
