"""What a pack of a case holds, as documents. Members are added, never renamed or removed.

Planted items are no part of any population, and in no pack.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from evidence import ledger
from evidence.models import Anchor, Capsule, LedgerEntry, LedgerTombstone, Looked
from identities.models import Revocation, User
from reviews import sight
from reviews.models import Case, Comment, Decision, Item, Seat
from reviews.pages import capsule as capsule_data
from reviews.permissions import SEAT_WORDS

PAGE = 500


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
        "opened_at": _at(case.opened_at),
        "opened_by": case.opened_by_name or case.opened_by,
        "deadline_at": _at(case.deadline_at),
        "decided_at": _at(case.decided_at),
        "closed_at": _at(case.closed_at),
        "closed_by": case.closed_by,
        "policy": None if case.policy is None else str(case.policy),
        "findings": [
            {"finding": one.key, "rule": one.rule, "words": one.words}
            for one in case.findings.order_by("number")
        ],
        "seats": [_seat(one) for one in _seats(case)],
        "items": [_item(one, decisions.get(one.pk, ())) for one in case.items.order_by("position")],
        "comments": [
            {"at": _at(one.at), "by": one.person.name, "text": one.text}
            for one in Comment.objects.filter(case=case).select_related("person").order_by("at")
        ],
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
        "outcome_at": _at(item.outcome_at),
        "carried_out_at": _at(item.carried_out_at),
        "carried_words": item.carried_words,
        "answers": [
            {
                "seat": str(row.seat_id),
                "answer": row.answer,
                "reason": row.reason,
                "by": row.person.name,
                "at": _at(row.at),
                "changed_at": _at(row.superseded_at),
                "capsule": None if row.capsule is None else row.capsule.key,
            }
            for row in decisions
        ],
    }


def capsules_of(case: Case, user: User, *, now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, capsule) of all that was frozen for this case and this person may read."""
    for row in Capsule.objects.filter(subject=case.key).order_by("number").iterator(PAGE):
        if sight.why_not_see_capsule(user, case, row, now=now) is None:
            yield row.key, capsule_data.as_data(row)


def revocations_of(case: Case) -> list[dict[str, Any]]:
    """What the case had changed in outside systems, and what shows that it was."""
    rows = Revocation.objects.filter(case=case.pk).select_related("identity", "credential__actor")
    return [
        {
            "revocation": row.key,
            "identity": row.identity.key,
            "credential": None if row.credential is None else row.credential.actor.value,
            "step": row.step,
            "system": row.system,
            "target": row.target,
            "words": row.words,
            "state": row.state,
            "because": row.because,
            "requested_at": _at(row.requested_at),
            "requested_by": row.requested_by_name or row.requested_by,
            "sent_at": _at(row.sent_at),
            "confirmed_at": _at(row.confirmed_at),
            "effective_at": _at(row.effective_at),
            "stated_by_people": row.stated,
            "residual": row.residual,
            "failed_why": row.failed_why,
            "tries": [
                {"at": _at(one.at), "did": one.did, "result": one.result, "detail": one.detail}
                for one in row.tries.all()
            ],
        }
        for row in rows.prefetch_related("tries", "statements").order_by("number")
    ]


def custody_of(case: Case) -> list[dict[str, Any]]:
    """Who looked at its evidence, and who took it out."""
    rows = Looked.objects.filter(case=case.pk).order_by("at", "pk")
    return [
        {"at": _at(one.at), "by": one.by_name, "kind": one.kind, "ref": one.ref}
        for one in rows.iterator(PAGE)
    ]


def ledger_of(case: Case) -> list[LedgerEntry]:
    """The rows about this case and about what it had changed, in their order."""
    about = [case.key, *(f"REV-{one}" for one in _numbers(case))]
    found = Q(subject__in=about) & (Q(sealed_case=None) | Q(sealed_case=case.pk))
    rows = LedgerEntry.objects.filter(found | Q(sealed_case=case.pk)).select_related("seal")
    return list(rows.order_by("pk"))


def _numbers(case: Case) -> Iterable[int]:
    return Revocation.objects.filter(case=case.pk).values_list("number", flat=True)


def rows_of(
    entries: Sequence[LedgerEntry], proofs: dict[int, list[bytes]], anchor: Anchor | None
) -> dict[str, Any]:
    """Rows with their way to the signed root; what is not below it has none."""
    stones: dict[int, list[list[str]]] = {}
    for one in LedgerTombstone.objects.filter(entry__in=entries).order_by("pk"):
        pair = [bytes(one.gone_digest).hex(), bytes(one.left_digest).hex()]
        stones.setdefault(one.entry_id, []).append(pair)
    rows = []
    for entry in entries:
        seal = getattr(entry, "seal", None)
        number = None if seal is None else seal.number
        rows.append(
            {
                "number": number,
                "digest": bytes(entry.digest).hex(),
                "entry": ledger.members_of(entry),
                "erased": stones.get(entry.pk, []),
                "path": [one.hex() for one in proofs.get(number or 0, [])],
                "proved": number is not None and number in proofs,
            }
        )
    return {"tree_size": None if anchor is None else anchor.number, "rows": rows}


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else ledger.moment(moment)
