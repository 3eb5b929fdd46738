"""A break-glass case as data, for scripts: what its page says, without words for people."""

from datetime import datetime
from typing import Any

from identities.models import User
from reviews.break_glass import opening, reviewing, rights, telling
from reviews.models import Case
from reviews.pages.break_glass_parts import Parts
from reviews.pages.break_glass_signing import quorum_of

MOST_NAMES = 100


def as_data(case: Case, user: User, *, now: datetime) -> dict[str, Any]:
    """The same for scripts."""
    p = Parts(case, user, now=now)
    glass = p.glass
    return {
        "case": case.key,
        "url": p.path,
        "state": case.state,
        "bundle": {"name": glass.bundle.slug, "version": glass.bundle.version},
        "asked_by": case.opened_by_name,
        "on_behalf": glass.on_behalf,
        "identity": case.identity.key if case.identity else None,
        "delegation": glass.delegation.key,
        "reason": case.reason,
        "fields": glass.fields,
        "ticket": glass.ticket,
        "ticket_due_at": glass.ticket_due_at,
        "drill": glass.drill,
        "proposal": p.item.proposal,
        "digest": opening.digest(case, glass, p.item),
        "may_not_answer": rights.why_not_answer(user, case, now=now),
        "quorum": quorum_of(p),
        "can_sign": [one.name for one in telling.approvers(case, now=now)][:MOST_NAMES],
        "others_are_told_at": glass.others_at,
        "patience_at": glass.patience_at,
        "unanswered_at": case.deadline_at if case.state == "open" else None,
        "bypassed_at": glass.bypassed_at,
        "opened_at": glass.opened_at,
        "ends_at": p.ends_at,
        "grants": [
            {
                "grant": one.key,
                "words": one.words,
                "state": one.state,
                "says": one.sentence,
                "ends_at": one.ends_at,
                "only_while_running": one.only_while_running,
                "not_proved_gone": one.burning,
            }
            for one in p.grants
        ],
        "compared": p.compared.as_data(),
        "compared_digest": reviewing.digest(p.compared),
        "review_due_at": glass.review_due_at,
        "capsule": None if glass.capsule is None else glass.capsule.key,
        "review": glass.review,
        "review_words": glass.review_words,
        "follow_ups": glass.follow_ups,
        "version": case.version,
    }
