"""Looking back at a use: what it was, whether it matched its reason, and what follows. Four eyes.

Owns the mandatory review. What it is compared with is comparing.py's: the same for everybody, and
kept as it was when somebody signed it.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from django.db import transaction

from evidence import capsules
from evidence.models import Capsule
from identities.models import User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries
from reviews.break_glass import comparing, rights, telling
from reviews.break_glass.answering import locked
from reviews.models import Case
from reviews.models.break_glass import REVIEWS

MOST_FOLLOW_UPS = 20
CHANGED = "Evidence has come since you read it: read it again, then close."


def digest(compared: comparing.Compared) -> str:
    """The comparison as one value: a review is signed on what its reader has seen."""
    said = json.dumps(compared.as_data(), sort_keys=True, ensure_ascii=True)
    return sha256(said.encode()).hexdigest()


def _freeze(
    case: Case, compared: comparing.Compared, read: str, *, by: User, now: datetime
) -> Capsule:
    """The calls that were compared, and what each was, whatever is read again or erased later."""
    return capsules.freeze(
        subject=case.key,
        events=[(one.at, one.event) for one in compared.calls],
        query={
            "title": case.title,
            "identity": None if case.identity is None else case.identity.key,
            "newest": comparing.MOST,
        },
        shown={
            "comparison": compared.as_data(),
            "read": read,
            "scopes": [
                {"at": one.at.isoformat(), "id": str(one.event), "scope": one.scope, "why": one.why}
                for one in compared.calls
            ],
        },
        missing=[compared.missing] if compared.missing else [],
        by=by.ref,
        now=now,
    )


def explain(*, case: Case, words: str, by: User, now: datetime) -> Case:
    """Who used it says why: read by whoever looks back at it."""
    with transaction.atomic():
        case, _ = locked(case)
        require(rights.why_not_explain(by, case, now=now))
        words = reason_given(words, what="what was done, and why")
        said = f"{by.called} explained: {words}"
        entries.note(case, act="break_glass.explained", words=said[:1_000], by=by, now=now)
        entries.changed(case)
    return case


def close(
    *,
    case: Case,
    kind: str,
    words: str,
    follow_ups: Sequence[str] = (),
    read: str,
    by: User,
    now: datetime,
) -> Case:
    """Say what it was and close it. `read`: the digest of the comparison that was read."""
    with transaction.atomic():
        case, glass = locked(case)
        require(rights.why_not_review(by, case, now=now))
        if kind not in REVIEWS:
            raise NotPossible(f"Say what it was: {', '.join(REVIEWS)}.")
        words = reason_given(words, what="whether it matched its reason")
        todo = [one.strip()[:500] for one in follow_ups if one.strip()]
        if len(todo) > MOST_FOLLOW_UPS:
            raise NotPossible(f"Name at most {MOST_FOLLOW_UPS} things to do.")
        compared = comparing.compare(glass, now=now)
        if read != digest(compared):
            raise NotPossible(CHANGED)
        outside = compared.counts()[comparing.OUT_OF_SCOPE]
        if kind == "drill" and not glass.drill and outside:
            raise NotPossible(
                "It was not asked for as a drill, and calls lie outside: say otherwise."
            )
        if kind == "misuse" and not todo:
            raise NotPossible("Say what follows from the misuse.")
        glass.review, glass.review_words, glass.follow_ups = kind, words, todo
        glass.comparison = compared.as_data()
        glass.reviewed_at, glass.reviewed_person = now, by.person
        glass.capsule = _freeze(case, compared, read, by=by, now=now)
        glass.save()
        case.state = entries.moved(case, "close")
        counts = ", ".join(f"{n} {comparing.WORDS[one]}" for one, n in compared.counts().items())
        missing = f"; {compared.missing}" if compared.missing else ""
        entries.note(
            case,
            act="break_glass.reviewed",
            words=f"{by.called} closed it as {kind}: {words} ({counts}{missing})"[:1_000],
            by=by,
            now=now,
            data={
                "review": kind,
                "follow_ups": todo,
                "comparison": glass.comparison,
                "capsule": glass.capsule.key,
                "capsule_digest": bytes(glass.capsule.digest).hex(),
            },
        )
        entries.changed(case, state=case.state, closed_at=now, closed_by=by.ref)
        subject = f"{by.called} looked back at it: {kind}"
        telling.asker(case, "reviewed", subject, "The case says what follows.", now=now)
        if kind == "misuse":
            body = f"{by.called} found that break-glass was misused. The case says what follows."
            telling.everybody(case, "misuse", "it was misuse", body, now=now)
    return case
