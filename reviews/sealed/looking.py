"""Looking back at a use out of band: who it was, what was done, and what follows. Four eyes."""

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from django.db import connection, transaction

from evidence import capsules
from evidence.names import plain
from identities.models import User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries
from reviews.break_glass.reviewing import CHANGED, MOST_FOLLOW_UPS
from reviews.models import Case, SealedUse
from reviews.models.break_glass import REVIEWS
from reviews.sealed import made, rights

LONGEST_WHO = 200
CALLS = """
SELECT k.at, k.event_id, coalesce(a.value, ''), coalesce(r.value, ''), coalesce(ad.value, ''),
  e.outcome
FROM reviews_sealedevent k
LEFT JOIN evidence_event e ON e.at = k.at AND e.id = k.event_id
LEFT JOIN evidence_term a ON a.id = e.action_id
LEFT JOIN evidence_term r ON r.id = e.resource_id
LEFT JOIN evidence_term ad ON ad.id = e.address_id
WHERE k.use_id = %s ORDER BY k.at DESC, k.event_id DESC LIMIT %s
"""


class Call(NamedTuple):
    """One call. `outcome` is None, and its words are "", where its event is not kept any more."""

    at: datetime
    event: int
    action: str
    resource: str
    address: str
    outcome: int | None


def calls(use: SealedUse, *, most: int) -> list[Call]:
    """The newest of its calls first."""
    with connection.cursor() as cursor:
        cursor.execute(CALLS, [use.pk, most])
        return [Call(*row) for row in cursor.fetchall()]


def digest(use: SealedUse, found: Sequence[made.Made]) -> str:
    """What a look back is signed on, as one value: which calls there are, who explained them, and
    what was decided on each thing that they made."""
    refs = use.events.order_by("at", "event_id").values_list("at", "event_id")
    said = {
        "calls": [[at.isoformat(), event] for at, event in refs],
        "more": use.more,
        "last": use.last_at.isoformat(),
        "explained": [use.explained_who, use.explained_words],
        "made": [
            [one.thing, one.decision and [one.decision.answer, one.decision.words]] for one in found
        ],
    }
    return sha256(json.dumps(said, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def explain(*, case: Case, who: str, words: str, by: User, now: datetime) -> Case:
    """Say who opened the envelope, and why; whoever says so does not look back at it."""
    with transaction.atomic():
        case, use = locked(case)
        require(rights.why_not_explain_use(by, use, now=now))
        who = plain(who).strip()
        if not who or len(who) > LONGEST_WHO:
            raise NotPossible(f"Say who used it, in at most {LONGEST_WHO} characters.")
        words = reason_given(plain(words), what="what was done, and why")
        use.explained_at, use.explained_person = now, by.person
        use.explained_who, use.explained_words = who, words
        use.save()
        said = f"{by.called} says that {who} used it: {words}"
        entries.note(case, act="sealed_credential.explained", words=said[:1_000], by=by, now=now)
        entries.changed(case)
    return case


def look_back(
    *,
    case: Case,
    kind: str,
    words: str,
    follow_ups: Sequence[str] = (),
    read: str,
    by: User,
    now: datetime,
) -> Case:
    """Say what it was and close it, freezing what was read. `read`: the digest that was shown."""
    with transaction.atomic():
        case, use = locked(case)
        require(rights.why_not_look_at_use(by, use, now=now))
        if kind not in REVIEWS:
            raise NotPossible(f"Say what it was: {', '.join(REVIEWS)}.")
        words = reason_given(words, what="whether it matched its reason")
        todo = [one.strip()[:500] for one in follow_ups if one.strip()]
        if len(todo) > MOST_FOLLOW_UPS:
            raise NotPossible(f"Name at most {MOST_FOLLOW_UPS} things to do.")
        found = made.of_use(use, now=now)
        if read != digest(use, found):
            raise NotPossible(CHANGED)
        if kind == "misuse" and not todo:
            raise NotPossible("Say what follows from the misuse.")
        if kind == "emergency" and use.explained_at is None:
            raise NotPossible("Nobody has said that they used it, and why: that comes first.")
        if kind == "drill" and (use.drill is None or use.beyond_drill):
            raise NotPossible("It was not announced as a drill, or went beyond it: say otherwise.")
        if kind != "misuse" and (why := made.why_not_harmless(found)) is not None:
            raise NotPossible(why)
        refs = list(use.events.values_list("at", "event_id"))
        use.capsule = capsules.freeze(
            subject=case.key,
            events=refs,
            query={"title": case.title, "sealed": use.slug, "actor": use.credential.actor.value},
            shown={
                "kept": use.credential.kept,
                "openers": use.credential.openers,
                "explained": {"who": use.explained_who, "words": use.explained_words},
                "drill": None if use.drill is None else use.drill.reason,
                "more": use.more,
                "made": [made.as_data(one) for one in found],
                "read": read,
            },
            missing=["there are more calls than are kept"] if use.more else [],
            by=by.ref,
            now=now,
        )
        use.review, use.review_words, use.follow_ups = kind, words, todo
        use.reviewed_at, use.reviewed_person = now, by.person
        use.save()
        case.state = entries.moved(case, "close")
        entries.note(
            case,
            act="sealed_credential.reviewed",
            words=f"{by.called} closed it as {kind}: {words} ({use.calls} calls)"[:1_000],
            by=by,
            now=now,
            data={
                "review": kind,
                "follow_ups": todo,
                "capsule": use.capsule.key,
                "capsule_digest": bytes(use.capsule.digest).hex(),
            },
        )
        entries.changed(case, state=case.state, closed_at=now, closed_by=by.ref)
    return case


def locked(case: Case) -> tuple[Case, SealedUse]:
    """The case's row, locked, with the use that it is of."""
    row = entries.locked(case.pk)
    use = (
        SealedUse.objects.select_related(
            "credential__actor", "drill", "explained_person", "reviewed_person", "capsule"
        )
        .filter(case=row)
        .first()
    )
    if use is None:
        raise NotPossible(f"{row.key} is no use of a sealed credential.")
    return row, use
