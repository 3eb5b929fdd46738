"""The end of a seal: one member asks, another signs; then the case is as every other one.

Owns what is disclosed by it: the rows of the ledger that were commitments can be read from then on,
and a row of the ledger names each with its digest, so that whoever kept the commitments can tell
whether these are they (scripts/verify_ledger.py asks it, too).
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Min, Q

from evidence.models import LedgerEntry
from identities.acting import COUNTERSIGN
from identities.models import User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries, reminders
from reviews.models import Case, Sealing

from . import rights, withheld

# So many digests one row of the ledger names; the next one goes on.
A_ROW = 500


def ask(*, case: Case, reason: str, by: User, now: datetime) -> Sealing:
    """Ask that the case is no longer sealed; the other members are told."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(rights.why_not_ask_unsealing(by, case, now=now))
        reason = reason_given(reason, what="why everybody may know of it now")
        row = _open(case)
        row.asked_at, row.asked_person, row.asked_why = now, by.person, reason
        row.save(update_fields=["asked_at", "asked_person", "asked_why"])
        _note(case, "asked", f"asked for the end of the seal of {case.key}: {reason}", by, now)
        reminders.tell(
            case,
            [one.person for one in case.members.exclude(person=by.person).select_related("person")],
            occasion=f"unsealing asked {now.isoformat()}",
            subject="somebody asks to unseal it",
            body="A member asks that this case is no longer sealed. It takes a second one's signature.",
            now=now,
        )
        entries.changed(case)
    return row


def drop(*, case: Case, reason: str, by: User, now: datetime) -> Sealing:
    """Let it stay sealed after all."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(rights.why_not_drop_unsealing(by, case, now=now))
        reason = reason_given(reason, what="why it stays sealed")
        row = _open(case)
        row.asked_at, row.asked_person, row.asked_why = None, None, ""
        row.save(update_fields=["asked_at", "asked_person", "asked_why"])
        _note(case, "dropped", f"left {case.key} sealed: {reason}", by, now)
        entries.changed(case)
    return row


def sign(*, case: Case, by: User, now: datetime) -> Sealing:
    """The second signature: the case is sealed no more, and what was bound is disclosed."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(rights.why_not_sign_unsealing(by, case, now=now))
        _alone(case)
        row = _open(case)
        asked = row.asked_person
        row.unsealed_at, row.unsealed_person = now, by.person
        row.save(update_fields=["unsealed_at", "unsealed_person"])
        entries.changed(case, sealed=False)
        case.members.all().delete()
        withheld.restore(case, row.words)
        bound = list(
            LedgerEntry.objects.filter(
                Q(sealed_case=case.pk) | Q(subject=case.key) | Q(pk__in=row.rows)
            )
            .order_by("pk")
            .values_list("pk", "digest")
        )
        for first in range(0, len(bound), A_ROW):
            some = bound[first : first + A_ROW]
            entries.note(
                case,
                act="case.unsealed",
                words=f"{by.called} unsealed {case.key}, as {asked and asked.name} had asked:"
                f" {row.asked_why}"[:1_000],
                by=by,
                now=now,
                data={
                    "reason": row.asked_why,
                    "asked_by": str(row.asked_person_id),
                    "sealed_at": row.sealed_at.isoformat(),
                    "disclosed": {str(pk): bytes(digest).hex() for pk, digest in some},
                },
            )
    return row


def _open(case: Case) -> Sealing:
    """The sealing that is not over; of a case that was sealed before there were any, made now."""
    row = rights.open_of(case)
    if row is None:
        since = case.members.aggregate(first=Min("since"))["first"] or case.opened_at
        row = Sealing.objects.create(
            case=case,
            reason="Sealed before reasons were kept.",
            sealed_at=since,
            sealed_by=COUNTERSIGN.ref,
            sealed_by_name=COUNTERSIGN.name,
        )
    return row


def _alone(case: Case) -> None:
    """A review that was sealed kept nobody from opening another one; there is one open at a time."""
    if (case.door, case.trigger) != ("access_review", "") or case.state not in ("draft", "open"):
        return
    other = Case.objects.filter(
        identity=case.identity_id,
        door="access_review",
        trigger="",
        state__in=["draft", "open"],
        sealed=False,
    ).first()
    if other is not None:
        raise NotPossible(
            f"{other.key} is another open review of the same identity: close one of them first."
        )


def _note(case: Case, what: str, words: str, by: User, now: datetime) -> None:
    entries.note(
        case,
        act=f"case.unsealing_{what}",
        words=f"{by.called} {words}"[:1_000],
        by=by,
        now=now,
    )
