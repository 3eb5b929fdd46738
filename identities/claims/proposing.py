"""The sweep that writes claims: what has no owner, with what the evidence says of one.

Owns which things are asked about, the question's row, and whose turn it is after a no. A batch
takes a fixed number of statements; it may run twice or die half-way, as a thing has one live
claim. Must not know who has been asked (asking.py).
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from evidence import locks
from evidence.locks import Lock
from identities.actions.bindings.unclaimed import BINDABLE, NOBODYS
from identities.claims import learning
from identities.claims.choosing import Choice, choose, from_json, ordered
from identities.claims.gathering import Subject, gather, subject_of_actor
from identities.claims.standing import refusals, unable_of
from identities.claims.together import ask_together
from identities.models import Claim, Membership, Party

BATCH = 1_000
# Evidence is looked at again after this.
AGAIN = timedelta(days=1)
# The bundle of what shares neither a service nor code.
OTHER = "other"
PLAIN = ("bundle", "step", "kind", "strength", "reasons", "tags", "state", "asked_at", "passed",
         "excepted", "looked_at")  # fmt: skip

NEW_IDENTITIES = """
SELECT i.id, i.name, i.service_id FROM identities_identity i
WHERE i.owner_id IS NULL AND i.state <> 'retired' AND i.kind <> 'human'
  AND NOT EXISTS (SELECT 1 FROM identities_claim c WHERE c.identity_id = i.id
      AND c.state IN ('open', 'answered'))
ORDER BY i.id LIMIT %(most)s
"""
NEW_ACTORS = """
SELECT a.id, a.realm, a.value FROM evidence_actor a LEFT JOIN evidence_actor p ON p.id = a.parent_id
WHERE NOT EXISTS (SELECT 1 FROM identities_claim c WHERE c.actor_id = a.id
      AND c.state IN ('open', 'answered'))
  AND {nobodys}
ORDER BY a.id LIMIT %(most)s
""".replace("{nobodys}", NOBODYS)
# Owned, bound or retired in another way than by an answer, or a key that is its user's.
SETTLED = """
UPDATE identities_claim c SET state = 'gone', closed_at = %(now)s
WHERE c.state = 'open' AND (
    EXISTS (SELECT 1 FROM identities_identity i WHERE i.id = c.identity_id
        AND (i.owner_id IS NOT NULL OR i.state = 'retired'))
    OR EXISTS (SELECT 1 FROM evidence_actor a LEFT JOIN evidence_actor p ON p.id = a.parent_id
        JOIN identities_binding b ON b.actor_id IN (a.id, a.parent_id, p.parent_id)
        WHERE a.id = c.actor_id AND b.state = 'confirmed' AND b.superseded_at IS NULL
          AND b.during @> %(now)s)
    OR EXISTS (SELECT 1 FROM identities_credential k
        WHERE k.actor_id = c.actor_id AND k.seen_with_id IS NOT NULL))
"""
# Many rows at once, whatever changed in each of them.
SAVE = """
UPDATE identities_claim c SET party_id = i.party, service_id = i.service, bundle = i.bundle,
    step = i.step, kind = i.kind, strength = i.strength, reasons = i.reasons, tags = i.tags,
    state = i.state, asked_at = i.asked_at, passed = i.passed, answer_id = i.answer,
    excepted = i.excepted, looked_at = i.looked_at
FROM jsonb_to_recordset(%(rows)s::jsonb) AS i (id uuid, party uuid, service uuid, bundle text,
    step text, kind text, strength smallint, reasons jsonb, tags text[], state text,
    asked_at timestamptz, passed smallint, answer uuid, excepted boolean, looked_at timestamptz)
WHERE c.id = i.id
"""


def look_next(*, now: datetime) -> bool:
    """Write or renew one batch of claims; False when everything has been looked at of late."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not locks.try_take(cursor, Lock.CLAIMS):
            return False
        facts: dict[str, Any] = {"now": now, "most": BATCH, "kinds": list(BINDABLE)}
        cursor.execute(SETTLED, facts)
        found = _new_identities(cursor, facts)
        if len(found) < BATCH:
            cursor.execute(NEW_ACTORS, facts | {"most": BATCH - len(found)})
            found += [subject_of_actor(*row) for row in cursor.fetchall()]
        if found:
            gather(found, now=now)
            _write(found, now=now, looked_at=now)
            return True
        if _renew(now=now):
            return True
    ask_together(now=now)
    return False


def new_next(*, now: datetime) -> bool:
    """Write claims of identities that have none yet, and end what was settled: so much of `look_next`
    costs little enough for every change. What is written is looked at again by the next whole look,
    as its evidence may come a moment later. False when nothing is new."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not locks.try_take(cursor, Lock.CLAIMS):
            return False
        facts: dict[str, Any] = {"now": now, "most": BATCH}
        cursor.execute(SETTLED, facts)
        found = _new_identities(cursor, facts)
        if not found:
            return False
        gather(found, now=now)
        _write(found, now=now, looked_at=now - AGAIN)
    ask_together(now=now, bundles={OTHER, *(one.bundle for one in found)})
    return True


def _new_identities(cursor: Any, facts: dict[str, Any]) -> list[Subject]:
    cursor.execute(NEW_IDENTITIES, facts)
    return [
        Subject(name=name, identity=pk, service=service) for pk, name, service in cursor.fetchall()
    ]


def _write(found: Sequence[Subject], *, now: datetime, looked_at: datetime) -> None:
    refused = refusals(found)
    unable = unable_of({reason.party for one in found for reason in one.reasons}, now=now)
    useless = learning.read().useless
    rows = []
    for one in found:
        choice = choose(one.reasons, refused[one.identity, one.actor] | unable, useless)
        rows.append(
            _asking(
                Claim(
                    identity_id=one.identity,
                    actor_id=one.actor,
                    opened_at=now,
                    looked_at=looked_at,
                ),
                one,
                choice,
            )
        )
    Claim.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)


def _asking(row: Claim, one: Subject, choice: Choice) -> Claim:
    """The row as the evidence has it: with whom, about what together, and why."""
    row.reasons = [reason.as_json() for reason in ordered(one.reasons)]
    row.tags, row.service_id, row.bundle = one.tags, one.service, one.bundle
    row.party_id = None if choice.party is None else UUID(choice.party)
    row.step = "nobody" if choice.party is None else "evidence"
    row.strength, row.kind = choice.strength, choice.kind
    # Where they share nothing but who is asked, one question is asked about all of them.
    if choice.party is not None and row.bundle.startswith("realm:"):
        row.bundle = OTHER
    return row


def _renew(*, now: datetime) -> bool:
    """Look again at the claims that were looked at longest ago; whoever is asked stays asked."""
    rows = list(
        Claim.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(state="open", looked_at__lte=now - AGAIN)
        .select_related("identity", "actor")
        .order_by("looked_at")[:BATCH]
    )
    found = [_subject(row) for row in rows]
    if not found:
        return False
    gather(found, now=now)
    refused = refusals(found)
    unable = unable_of({reason.party for one in found for reason in one.reasons}, now=now)
    useless = learning.read().useless
    for row, one in zip(rows, found, strict=True):
        if row.asked_at is None and row.passed == 0:
            choice = choose(one.reasons, refused[one.identity, one.actor] | unable, useless)
            _asking(row, one, choice)
        else:
            beside = [reason for reason in from_json(row.reasons) if reason.kind == "neighbours"]
            row.reasons = [reason.as_json() for reason in ordered([*one.reasons, *beside])]
            row.tags = one.tags
        row.looked_at = now
    save_all(rows)
    return True


def save_all(rows: Sequence[Claim]) -> None:
    """Write these claims as they are in memory, in one statement."""
    said = [
        {
            "id": row.pk,
            "party": row.party_id,
            "service": row.service_id,
            "answer": row.answer_id,
            **{name: getattr(row, name) for name in PLAIN},
        }
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.execute(SAVE, {"rows": orjson.dumps(said).decode()})


def _subject(row: Claim) -> Subject:
    if row.actor is not None:
        return subject_of_actor(row.actor.pk, row.actor.realm, row.actor.value)
    if row.identity is None:
        raise AssertionError("a claim is about an identity or an actor")
    return Subject(
        name=row.identity.name, identity=row.identity.pk, service=row.identity.service_id
    )


def hand_on(
    claims: Sequence[Claim],
    *,
    now: datetime,
    to: Party | None = None,
    insist: bool = False,
    most_passed: int = 3,
) -> None:
    """Whose turn it is after a no: `to`, else who else the evidence names, else the succession.

    `insist`: a reviewer says so, however often it was passed on. Sponsor and backup of the service, the team of who was asked, then nobody: reviewers settle
    those. `claims` come with service and party at hand; whoever refused one is not asked again.
    """
    refused, denied = refusals(claims), refusals(claims, said=True)
    learnt = learning.read()
    candidates = {reason.party for row in claims for reason in from_json(row.reasons)}
    persons = {row.party.person_id for row in claims if row.party is not None} - {None}
    teams = _teams_of(persons, now=now)
    ways: dict[UUID, list[tuple[str, str]]] = {}
    for row in claims:
        service, party = row.service, row.party
        named = [
            ("sponsor", None if service is None else service.sponsor_id),
            ("backup", None if service is None else service.backup_id),
            ("team", None if party is None else teams.get(party.person_id)),
        ]
        ways[row.pk] = [(step, str(pk)) for step, pk in named if pk is not None]
        candidates |= {pk for _, pk in ways[row.pk]}
    unable = unable_of(candidates | ({str(to.pk)} if to else set()), now=now)
    for row in claims:
        no = refused[row.identity_id, row.actor_id] | unable
        row.asked_at, row.answer, row.excepted = None, None, False
        row.state = "open"
        row.passed += 1
        mine = unable if insist else denied[row.identity_id, row.actor_id] | unable
        if to is not None and str(to.pk) not in mine and (insist or row.passed <= most_passed):
            row.party_id, row.step, row.strength, row.kind = to.pk, "passed_on", 0, ""
            row.asked_at = now  # a person said so: it waits for no wave
            continue
        choice = choose(from_json(row.reasons), no, learnt.useless)
        row.party_id, row.step = None, "nobody"
        row.strength, row.kind = choice.strength, choice.kind
        if choice.party is not None:
            row.party_id, row.step = UUID(choice.party), "evidence"
            continue
        for step, pk in ways[row.pk]:
            if pk not in no and not learnt.useless_step(step):
                row.party_id, row.step = UUID(pk), step
                break
    save_all(claims)
    ask_together(now=now, bundles={row.bundle for row in claims})


def _teams_of(persons: Collection[UUID | None], *, now: datetime) -> dict[UUID | None, UUID]:
    """The party of the one team that each of these persons is in."""
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for person, party in Membership.objects.filter(
        person__in=persons,
        superseded_at__isnull=True,
        during__contains=now,
        team__party__isnull=False,
    ).values_list("person", "team__party"):
        found[person].append(party)
    return {person: parties[0] for person, parties in found.items() if len(parties) == 1}
