"""Opening it alone, when nobody answered: never impossible, never silent, and dearer next time.

Owns the bypass and who vouches for one whose last bypass nobody has looked at. Whoever calls it
has confirmed who they are; a second factor is asked for where the login has one.
"""

from datetime import datetime

from django.db import transaction

from identities.models import User
from identities.permissions import require
from identities.reasons import reason_given
from reviews.actions import entries
from reviews.break_glass import opening, rights, telling
from reviews.break_glass.answering import locked
from reviews.models import Case


def bypass(*, case: Case, reason: str, by: User, now: datetime) -> Case:
    """Open it without the signatures that are missing. Everybody who was passed over is told."""
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_bypass(by, case, now=now))
        reason = reason_given(reason, what="why it cannot wait")
        before = rights.unreviewed(by.person_id, but=case)
        says = rights.document_of(glass.bundle)
        item = case.items.get(position=0)
        minutes = item.proposal["minutes"]
        if before is not None:
            minutes = min(minutes, says.cap_after_bypass_minutes)
        case.state = entries.moved(case, "bypass")
        glass.bypassed_at, glass.dearer = now, before is not None
        words = opening.give(case, glass, item, minutes=minutes, by=by, now=now)
        how = "" if before is None else f", dearer because {before.case.key} is not looked at"
        beside = (
            "" if glass.vouched_person is None else f", {glass.vouched_person.name} vouches for it"
        )
        told = telling.everybody(
            case,
            "bypass",
            f"{by.called} opened it alone",
            f"Nobody answered in time, and {by.called} opened {minutes} min of “{says.words}”"
            f"{how}{beside}. Cut it off there if it is not right; it is looked at afterwards.",
            now=now,
        )
        entries.note(
            case,
            act="break_glass.bypassed",
            words=f"{by.called} opened it alone{how}{beside}: {reason}; {words}"[:1_000],
            by=by,
            now=now,
            data={
                "minutes": minutes,
                "dearer": before is not None,
                "told": [one.name for one in told][:100],
            },
        )
        entries.changed(case, state=case.state, decided_at=now)
    return case


def vouch(*, case: Case, reason: str, by: User, now: datetime) -> Case:
    """Stand beside somebody whose last bypass is not looked at: they may open this one now."""
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_vouch(by, case, now=now))
        reason = reason_given(reason, what="why you vouch for it")
        glass.vouched_at, glass.vouched_person = now, by.person
        glass.save(update_fields=["vouched_at", "vouched_person"])
        entries.note(
            case,
            act="break_glass.vouched",
            words=f"{by.called} vouches for {case.opened_by_name}: {reason}"[:1_000],
            by=by,
            now=now,
        )
        entries.changed(case)
        body = f"{by.called} vouches for it: you may open it alone."
        telling.asker(case, "vouched", "a second person vouches for it", body, now=now)
    return case
