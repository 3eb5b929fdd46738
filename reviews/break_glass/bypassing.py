"""Opening it alone, when nobody answered: never impossible, never silent, and dearer next time.

Owns the bypass, who vouches for a dearer one, and that somebody goes without their second factor.
Whoever calls it has confirmed who they are, and which second factor was given (docs/decisions 0072).
"""

from datetime import datetime

from django.db import transaction

from identities.models import User
from identities.permissions import NotAllowed, require
from identities.reasons import reason_given
from reviews.actions import entries
from reviews.break_glass import factors, opening, rights, telling
from reviews.break_glass.answering import locked
from reviews.models import Case

SECOND_FACTOR = "Give your second factor first, or say that you cannot use it now."


def bypass(*, case: Case, reason: str, by: User, now: datetime, factor: str = "") -> Case:
    """Open it without the signatures that are missing. Everybody who was passed over is told.

    `factor`: the kind of second factor that was given for this (reviews/second_factor.py); a login
    that has one opens nothing without it.
    """
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_bypass(by, case, now=now))
        without = factors.why_none(glass, by, now=now)
        if not without and factor not in factors.WORDS:
            raise NotAllowed(SECOND_FACTOR)
        reason = reason_given(reason, what="why it cannot wait")
        before = rights.unreviewed(by.person_id, but=case)
        says = rights.document_of(glass.bundle)
        item = case.items.get(position=0)
        minutes = item.proposal["minutes"]
        dearer = before is not None or bool(without)
        if dearer:
            minutes = min(minutes, says.cap_after_bypass_minutes)
        case.state = entries.moved(case, "bypass")
        glass.bypassed_at, glass.dearer = now, dearer
        glass.factor = "" if without else factor
        words = opening.give(case, glass, item, minutes=minutes, by=by, now=now)
        owed = "" if before is None else f", dearer because {before.case.key} is not looked at"
        proof = ", WITHOUT a second factor" if without else f", with {factors.WORDS[factor]}"
        beside = (
            "" if glass.vouched_person is None else f", {glass.vouched_person.name} vouches for it"
        )
        how = f"{owed}{proof}{beside}"
        told = telling.everybody(
            case,
            "bypass",
            f"{by.called} opened it alone{', without a second factor' if without else ''}",
            f"Nobody answered in time, and {by.called} opened {minutes} min of “{says.words}”{how}."
            " Cut it off there if it is not right; it is looked at afterwards.",
            now=now,
        )
        entries.note(
            case,
            act="break_glass.bypassed",
            words=f"{by.called} opened it alone{how}: {reason}; {words}"[:1_000],
            by=by,
            now=now,
            data={
                "minutes": minutes,
                "dearer": dearer,
                "factor": glass.factor,
                "told": [one.name for one in told][:100],
            },
        )
        entries.changed(case, state=case.state, decided_at=now)
    return case


def go_without(*, case: Case, reason: str, by: User, now: datetime) -> Case:
    """Say that one cannot use one's second factor: it can be opened the dearer way. For this case."""
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_go_without(by, case, now=now))
        reason = reason_given(reason, what="why you cannot use your second factor")
        glass.factorless_at = now
        glass.save(update_fields=["factorless_at"])
        words = f"{by.called} cannot use their second factor: {reason}"
        entries.note(case, act="break_glass.factorless", words=words[:1_000], by=by, now=now)
        entries.changed(case)
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
