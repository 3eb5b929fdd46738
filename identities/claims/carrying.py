"""What follows from answers whose time to be taken back is over: owners, refusals, the next asked.

The only writer of owners that come from claims. One answer is one transaction; whatever changed
since it was signed is left alone and says why. A worker that dies leaves the answer due.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from evidence import ledger, nudge
from evidence.formats.record import ActorName
from evidence.models import Actor
from identities import actornames, judging
from identities.acting import Acting
from identities.actions import credentials, owning
from identities.claims.asking import refuse
from identities.claims.proposing import hand_on
from identities.claims.questioning import RELATED
from identities.claims.standing import unable_of
from identities.models import (
    Binding,
    Claim,
    ClaimAnswer,
    ClaimRefusal,
    Identity,
    Party,
    Service,
)

OWN = """
UPDATE identities_identity SET owner_id = %(party)s,
    inherited = CASE WHEN %(follows)s AND service_id = %(service)s
        THEN inherited || '["owner"]'::jsonb ELSE inherited END
WHERE id = ANY(%(ids)s) AND owner_id IS NULL AND state <> 'retired'
  AND sponsor_id IS DISTINCT FROM %(party)s AND backup_id IS DISTINCT FROM %(party)s
RETURNING id
"""
# Drafts that are bound to what nobody owned: their names, made free where somebody has them.
BOUND = """
SELECT DISTINCT a.id FROM unnest(%(actors)s::bigint[]) AS w (id)
JOIN evidence_actor a ON a.id = w.id LEFT JOIN evidence_actor p ON p.id = a.parent_id
JOIN identities_binding b ON b.actor_id IN (a.id, a.parent_id, p.parent_id)
WHERE b.state = 'confirmed' AND b.superseded_at IS NULL AND b.during && tstzrange(%(now)s, NULL)
"""
GONE = "It has an owner by now, or was retired."
DIFFERS = "Its sponsor or backup is the same: the three must differ."
CLAIMED = "Somebody has claimed it by now."


def carry_next(*, now: datetime) -> bool:
    """Carry out one due answer; False when none is due."""
    with transaction.atomic():
        answer = (
            ClaimAnswer.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(not_before__lte=now, undone_at__isnull=True, carried_at__isnull=True)
            .select_related("party__person", "party__team", "to__person", "to__team", "service")
            .order_by("not_before", "pk")
            .first()
        )
        if answer is None:
            return False
        rows = list(
            answer.claims.select_for_update(of=("self",))
            .filter(state="answered")
            .select_related(*RELATED)
            .order_by("pk")
        )
        theirs = [row for row in rows if not row.excepted]
        if answer.answer in ("yes", "rule") and answer.party is not None:
            answer.owned = _own(answer, answer.party, theirs, now=now)
            _except(answer, [row for row in rows if row.excepted], now=now)
        else:
            if answer.answer == "not_mine":
                refuse(rows, reason=answer.reason, now=now, person=answer.person_id)
            else:
                _ask_again(rows, answer.to)
            hand_on(rows, now=now, to=answer.to, insist=answer.answer == "pass_on")
        answer.carried_at = now
        answer.save(update_fields=["carried_at", "owned"])
        nudge.after_commit("claims.changed")
    return True


def _ask_again(rows: list[Claim], to: Party | None) -> None:
    """Whoever said no to these is asked once more, and no third time."""
    ClaimRefusal.objects.filter(
        Q(identity__in=[row.identity_id for row in rows if row.identity_id])
        | Q(actor__in=[row.actor_id for row in rows if row.actor_id]),
        party=to,
    ).update(again=True)


def _except(answer: ClaimAnswer, rows: list[Claim], *, now: datetime) -> None:
    """What was ticked out of a yes is not theirs: others are asked."""
    if rows:
        reason = answer.reason or "ticked as not theirs"
        refuse(rows, reason=reason, now=now, person=answer.person_id)
        hand_on(rows, now=now)


def _own(answer: ClaimAnswer, party: Party, rows: list[Claim], *, now: datetime) -> int:
    if str(party.pk) in unable_of({str(party.pk)}, now=now):
        hand_on(rows, now=now)
        return 0
    service = _own_service(answer, party, now=now)
    of_identities = {row.identity_id: row for row in rows if row.identity_id is not None}
    of_actors = {row.actor_id: row for row in rows if row.actor_id is not None}
    owned = _own_identities(of_identities, party, service)
    made = _claim_actors(of_actors, answer, party, service, now=now)
    done = [of_identities[pk] for pk in owned] + [of_actors[pk] for pk in made]
    left = [row for row in rows if row not in set(done)]
    why = _why(left)
    for row in left:
        row.left_why = why[row.pk]
        row.state, row.closed_at = ("open", None) if row.left_why == DIFFERS else ("gone", now)
        row.answer = None
    again = [row for row in left if row.state == "open"]
    Claim.objects.bulk_update(left, ["left_why", "state", "closed_at", "answer"], batch_size=500)
    if again:
        refuse(again, reason=DIFFERS, now=now)
        hand_on(again, now=now)
    Claim.objects.filter(pk__in=[row.pk for row in done]).update(state="owned", closed_at=now)
    _tell(answer, party, [*owned, *made.values()], service, now=now)
    return len(done)


def _own_service(answer: ClaimAnswer, party: Party, *, now: datetime) -> Service | None:
    """The service itself, in one act; what follows it is told with the rest."""
    if answer.service_id is None:
        return None
    service = Service.objects.select_for_update(of=("self",)).get(pk=answer.service_id)
    taken = {service.sponsor_id, service.backup_id, service.ai_owner_id}
    if service.owner_id is not None or party.pk in taken:
        return None
    service.owner = party
    service.save(update_fields=["owner"])
    ledger.append(
        at=now,
        by=answer.by,
        by_name=answer.by_name,
        act="service.owned",
        subject=f"service:{service.slug}",
        words=f"{party} owns {service}: {answer.by_name} signed it",
        data={"answer": str(answer.pk), "party": str(party.pk)},
    )
    return service


def _own_identities(rows: dict[UUID, Claim], party: Party, service: Service | None) -> list[UUID]:
    # In one order, as everybody locks them.
    ids = list(
        Identity.objects.select_for_update(of=("self",), no_key=True)
        .filter(pk__in=rows)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if not ids:
        return []
    facts: dict[str, Any] = {
        "party": party.pk,
        "ids": ids,
        "follows": service is not None,
        "service": None if service is None else service.pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(OWN, facts)
        return [row[0] for row in cursor.fetchall()]


def _claim_actors(
    rows: dict[int, Claim],
    answer: ClaimAnswer,
    party: Party,
    service: Service | None,
    *,
    now: datetime,
) -> dict[int, UUID]:
    """A draft identity for each actor that is still nobody's: actor -> identity."""
    if not rows:
        return {}
    actors = list(Actor.objects.select_for_update(of=("self",)).filter(pk__in=rows).order_by("pk"))
    with connection.cursor() as cursor:
        cursor.execute(BOUND, {"actors": list(rows), "now": now})
        taken = {row[0] for row in cursor.fetchall()}
    free = [actor for actor in actors if actor.pk not in taken]
    names = _free_names(free)
    made = [
        Identity(
            name=names[actor.pk],
            kind=actornames.kind_of_identity(ActorName(actor.realm, actor.kind, actor.value)),
            service_id=rows[actor.pk].service_id,
            owner=party,
            **_from(rows[actor.pk].service),
            inherited=["criticality", "owner"]
            if service is not None and rows[actor.pk].service_id == service.pk
            else ["criticality"],
            created_at=now,
        )
        for actor in free
    ]
    Identity.objects.bulk_create(made, batch_size=500)
    Binding.objects.bulk_create(
        [
            Binding(
                identity=identity,
                actor=actor,
                basis="declared",
                state="confirmed",
                reason=f"{answer.by_name} said that it is {party}'s"[:300],
                during=(None, None),
                recorded_at=now,
                by=answer.by,
                by_name=answer.by_name,
            )
            for actor, identity in zip(free, made, strict=True)
        ],
        batch_size=500,
    )
    if free:
        credentials.assign(actors=[actor.pk for actor in free], now=now)
        judging.again(identities=Identity.objects.filter(pk__in=[one.pk for one in made]), now=now)
    return {actor.pk: identity.pk for actor, identity in zip(free, made, strict=True)}


def _from(service: Service | None) -> dict[str, str]:
    """What nobody says of an identity that is new, and its service does."""
    return {} if service is None else {"criticality": service.criticality}


def _free_names(actors: Sequence[Actor]) -> dict[int, str]:
    """The last part of each name; with its realm, then whole, where somebody has it."""
    ways = {
        actor.pk: (
            actornames.last_part(actor.value),
            f"{actornames.last_part(actor.value)} ({actor.realm})",
            f"{actor.realm} {actor.kind} {actor.value}",
        )
        for actor in actors
    }
    taken = set(
        Identity.objects.filter(
            name__in={name for way in ways.values() for name in way}
        ).values_list("name", flat=True)
    )
    found = {}
    for pk, way in ways.items():
        found[pk] = next((name for name in way if name not in taken), f"{way[2]} {pk}")
        taken.add(found[pk])
    return found


def _why(left: Sequence[Claim]) -> dict[UUID, str]:
    rows = Identity.objects.in_bulk([row.identity_id for row in left if row.identity_id])
    found = {}
    for row in left:
        identity = rows.get(row.identity_id) if row.identity_id is not None else None
        if identity is None:
            found[row.pk] = CLAIMED
        elif identity.owner_id is None and identity.state != "retired":
            found[row.pk] = DIFFERS
        else:
            found[row.pk] = GONE
    return found


def _tell(
    answer: ClaimAnswer,
    party: Party,
    owned: Sequence[UUID],
    service: Service | None,
    *,
    now: datetime,
) -> None:
    """One change of owner and one ledger entry for each identity, by whoever signed."""
    ruled = answer.answer == "rule"
    by = f"by the rule of {answer.by_name}" if ruled else f"{answer.by_name} said"
    owning.taken(
        identities=owned,
        to=party,
        basis="rule" if ruled else "accepted",
        by=Acting(answer.by, answer.by_name),
        now=now,
        because=answer.reason or str(answer.rule.get("words", "")) or by,
    )
    ledger.append_all(
        [
            ledger.Said(
                at=now,
                recorded_at=now,
                by=answer.by,
                by_name=answer.by_name,
                act="identity.owned",
                subject=identity.key,
                words=f"{party} owns {identity.name}: {by}"[:1000],
                data={
                    "identity": str(identity.pk),
                    "answer": str(answer.pk),
                    "party": str(party.pk),
                    "with_service": service is not None,
                },
                sealed_case=None,
            )
            for identity in Identity.objects.filter(pk__in=owned).order_by("number")
        ]
    )
    if owned:
        nudge.after_commit("identities.changed")
