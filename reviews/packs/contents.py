"""What a pack holds of cases, as documents. Members are added, never renamed or removed.

Planted items are no part of any population, and in no pack. Whose words may be read was asked
before (subjects.py): here it is not asked again.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import batched
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from evidence import ledger, merkle
from evidence.models import Capsule, LedgerEntry, LedgerTombstone, LegalHold, Looked, Pack
from evidence.vocabulary import STRENGTHS
from identities.models import Grant, Revocation
from reviews.models import Case, Comment, Decision, Item, Seat
from reviews.packs.doors import at, of_door
from reviews.pages import capsule as capsule_data
from reviews.permissions import SEAT_WORDS

PAGE = 500
# Rows of the ledger that say what is planted, and where.
PLANTED = "campaign.planted"


def case_of(case: Case) -> dict[str, Any]:
    """The case, its seats, its items and every answer that was ever given, changed ones too."""
    decisions: dict[Any, list[Decision]] = {}
    rows = Decision.objects.filter(item__case=case).select_related("person", "capsule")
    for row in rows.order_by("at", "pk"):
        decisions.setdefault(row.item_id, []).append(row)
    return {
        "case": case.key,
        "door": case.door,
        "state": case.state,
        "title": case.title,
        "reason": case.reason,
        "identity": _named(case),
        "opened_at": at(case.opened_at),
        "opened_by": case.opened_by_name or case.opened_by,
        "deadline_at": at(case.deadline_at),
        "decided_at": at(case.decided_at),
        "closed_at": at(case.closed_at),
        "closed_by": case.closed_by,
        "policy": None if case.policy is None else str(case.policy),
        "findings": [
            {
                "finding": one.key,
                "rule": one.rule,
                "words": one.words,
                "strength": STRENGTHS.get(one.strength, ""),
                "strengths": one.strengths,
            }
            for one in case.findings.order_by("number")
        ],
        "seats": [_seat(one) for one in _seats(case)],
        "items": [_item(one, decisions.get(one.pk, ())) for one in case.items.order_by("position")],
        "comments": [
            {"at": at(one.at), "by": one.person.name, "text": one.text}
            for one in Comment.objects.filter(case=case).select_related("person").order_by("at")
        ],
        **of_door(case),
    }


def _named(case: Case) -> dict[str, str] | None:
    found = case.identity
    return None if found is None else {"key": found.key, "name": found.name}


def _seats(case: Case) -> Iterable[Seat]:
    seats = case.seats.select_related("party__person", "party__team", "person", "stage")
    return seats.order_by("position", "pk")


def _seat(seat: Seat) -> dict[str, Any]:
    return {
        "id": str(seat.pk),
        "kind": seat.kind,
        "words": SEAT_WORDS[seat.kind],
        "stage": None if seat.stage is None else seat.stage.name,
        "party": None if seat.party is None else str(seat.party),
        "signed_by": None if seat.person is None else seat.person.name,
    }


def _item(item: Item, decisions: Sequence[Decision]) -> dict[str, Any]:
    return {
        "id": str(item.pk),
        "kind": item.kind,
        "title": item.title,
        "recommendation": item.recommendation,
        "outcome": item.outcome,
        "outcome_at": at(item.outcome_at),
        "carried_out_at": at(item.carried_out_at),
        "carried_words": item.carried_words,
        "answers": [
            {
                "seat": str(row.seat_id),
                "answer": row.answer,
                "reason": row.reason,
                "by": row.person.name,
                "at": at(row.at),
                "changed_at": at(row.superseded_at),
                "capsule": None if row.capsule is None else row.capsule.key,
            }
            for row in decisions
        ],
    }


def capsules_of(subjects: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, capsule) of all that was frozen for these."""
    for keys in batched(subjects, PAGE):
        rows = Capsule.objects.filter(subject__in=keys).order_by("number")
        for row in rows.iterator(PAGE):
            yield row.key, capsule_data.as_data(row)


def capsule_of(row: Capsule) -> tuple[str, dict[str, Any]]:
    """(key, capsule) of one."""
    return row.key, capsule_data.as_data(row)


def revocations_of(rows: QuerySet[Revocation]) -> Iterator[dict[str, Any]]:
    """What was changed in outside systems, and what shows that it was."""
    rows = rows.select_related("identity", "credential__actor", "cause")
    for row in rows.prefetch_related("tries", "statements").order_by("number").iterator(PAGE):
        yield {
            "revocation": row.key,
            "case": row.case_key or None,
            "identity": row.identity.key,
            "credential": None if row.credential is None else row.credential.actor.value,
            "step": row.step,
            "system": row.system,
            "target": row.target,
            "words": row.words,
            "state": row.state,
            "because": row.because,
            "cause": None if row.cause is None else row.cause.key,
            "requested_at": at(row.requested_at),
            "requested_by": row.requested_by_name or row.requested_by,
            "sent_at": at(row.sent_at),
            "confirmed_at": at(row.confirmed_at),
            "effective_at": at(row.effective_at),
            "stated_by_people": row.stated,
            "residual": row.residual,
            "failed_why": row.failed_why,
            "tries": [_tried(one) for one in row.tries.all()],
        }


def grants_of(rows: QuerySet[Grant]) -> Iterator[dict[str, Any]]:
    """What was given for a time, and what shows that it ended."""
    rows = rows.select_related("holder", "delegation").prefetch_related("tries", "sessions")
    for row in rows.order_by("number").iterator(PAGE):
        yield {
            "grant": row.key,
            "case": row.case_key or None,
            "holder": None if row.holder is None else row.holder.key,
            "person": row.person,
            "delegation": row.delegation.key,
            "words": row.words,
            "state": row.state,
            "starts_at": at(row.starts_at),
            "ends_at": at(row.ends_at),
            "usable_at": at(row.usable_at),
            "ended_at": at(row.ended_at),
            "ended_by": row.ended_by_name or row.ended_by,
            "removed_at": at(row.removed_at),
            "proof": row.proof,
            "residual": row.residual,
            "failed_why": row.failed_why,
            "tries": [_tried(one) for one in row.tries.all()],
            "sessions": [
                {
                    "credential": one.credential,
                    "minted_at": at(one.minted_at),
                    "minted_by": one.minted_by_name or one.minted_by,
                    "lives_until": at(one.lives_until),
                }
                for one in row.sessions.all()
            ],
        }


def _tried(one: Any) -> dict[str, Any]:
    return {"at": at(one.at), "did": one.did, "result": one.result, "detail": one.detail}


def looked_of(cases: Iterable[UUID], also: Q | None = None) -> Iterator[dict[str, Any]]:
    """Who looked at the evidence of these cases (and at what else `also` says), and when."""
    for pks in batched(cases, PAGE):
        yield from _looks(Q(case__in=pks))
    if also is not None:
        yield from _looks(also)


def _looks(found: Q) -> Iterator[dict[str, Any]]:
    for one in Looked.objects.filter(found).order_by("at", "pk").iterator(PAGE):
        yield {"at": at(one.at), "by": one.by_name, "kind": one.kind, "ref": one.ref}


def taken_of(subjects: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Which packs of these were taken out before, and whom they were given to on whose behalf."""
    for keys in batched(subjects, PAGE):
        rows = Pack.objects.filter(subject__in=keys, made_at__isnull=False)
        for pack in rows.prefetch_related("transfers").order_by("number").iterator(PAGE):
            yield {
                "at": at(pack.made_at),
                "by": pack.by_name,
                "kind": "pack",
                "ref": pack.key,
                "sha256": bytes(pack.digest or b"").hex(),
            }
            for one in pack.transfers.order_by("pk"):
                yield {
                    "at": at(one.at),
                    "by": one.by_name,
                    "kind": "transfer",
                    "ref": pack.key,
                    "to": one.to_name,
                    "organisation": one.organisation,
                    "on_behalf": one.on_behalf,
                    "purpose": one.purpose,
                    "sha256": bytes(one.digest).hex(),
                }


def holds_of(found: Q) -> Iterator[dict[str, Any]]:
    """Legal holds on this evidence, released ones too."""
    for one in LegalHold.objects.filter(found).order_by("pk"):
        yield {
            "at": at(one.placed_at),
            "by": one.placed_name,
            "kind": "hold",
            "ref": f"hold {one.pk}",
            "reason": one.reason,
            "released_at": at(one.released_at),
            "released_by": one.released_name,
        }


def ledger_of(
    subjects: Iterable[str], sealed: Collection[UUID] = (), also: Q | None = None
) -> Iterator[LedgerEntry]:
    """The rows about these, each once; of sealed cases those that are named alone."""
    may = Q(sealed_case=None) | Q(sealed_case__in=list(sealed))
    seen: set[int] = set()

    def rows(found: Q) -> Iterator[LedgerEntry]:
        every = LedgerEntry.objects.filter(found, may).exclude(act__startswith=PLANTED)
        for one in every.select_related("seal").order_by("pk").iterator(PAGE):
            if one.pk not in seen:
                seen.add(one.pk)
                yield one

    for keys in batched(subjects, PAGE):
        yield from rows(Q(subject__in=keys))
    if sealed:
        yield from rows(Q(sealed_case__in=list(sealed)))
    if also is not None:
        yield from rows(also)


def rows_of(entries: Sequence[LedgerEntry], tree: merkle.Tree | None) -> list[dict[str, Any]]:
    """Rows with their way to the signed root; what is not below it has none."""
    stones: dict[int, list[list[str]]] = {}
    for one in LedgerTombstone.objects.filter(entry__in=entries).order_by("pk"):
        pair = [bytes(one.gone_digest).hex(), bytes(one.left_digest).hex()]
        stones.setdefault(one.entry_id, []).append(pair)
    rows = []
    for entry in entries:
        seal = getattr(entry, "seal", None)
        number = None if seal is None else seal.number
        proved = number is not None and tree is not None and number <= tree.size
        path = tree.path(number - 1) if proved and tree is not None and number is not None else []
        rows.append(
            {
                "number": number,
                "digest": bytes(entry.digest).hex(),
                "entry": ledger.members_of(entry),
                "erased": stones.get(entry.pk, []),
                "path": [one.hex() for one in path],
                "proved": proved,
            }
        )
    return rows
