"""What a containment step would do and break, looked at before it is signed, and the digest of it.

Owns the rows of the dry run and what is signed with them: signing looks again, and asks again where
something else would happen by now. It reads only, is over after two seconds, and keeps nobody from
stopping anything.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from identities.acting import Acting
from identities.models import User
from identities.permissions import NotPossible
from reviews.incidents import containing, running, stopping
from reviews.incidents.containing import Foreseen, Wanted
from reviews.incidents.stopping import Frame
from reviews.models import Case, ContainmentStep, Item
from reviews.pages import breaks

CHANGED = "What it would do or break has changed since you looked: read it, and sign again."
MOST_SECONDS = breaks.MOST_SECONDS
# So many targets are looked at for what hangs on them; all are tried out.
MOST_LOOKED, MOST_SAID = 5, 50
SOFTLY = ("block", "sessions")


class Would(NamedTuple):
    """`rows`: of each target what would happen; `facts`: what it breaks. `digest` "" where nothing
    can be compared, and `why` says why."""

    rows: list[dict[str, Any]]
    facts: list[dict[str, str]]
    digest: str
    why: str = ""

    @property
    def foreseen(self) -> Foreseen:
        """What is kept with the signature."""
        words = [f"{one['title']}: {one['refused'] or one['words']}" for one in self.rows]
        facts = [one["words"] for one in self.facts]
        return Foreseen((*words[:MOST_SAID], *facts[:MOST_SAID]), self.digest)

    @property
    def stops(self) -> int:
        return sum(not one["refused"] for one in self.rows)


def look(
    case: Case,
    does: str,
    those: Sequence[Wanted],
    user: User,
    *,
    left: dict[str, Any] | None = None,
    now: datetime,
) -> Would:
    """The dry run of one step. Raises NotPossible where it takes none such."""
    those = containing.checked(does, those)
    with transaction.atomic():
        frame = Frame(case, "tried out", Acting(user.ref, user.called), now, dry=True)
        step = ContainmentStep(case=case, does=does, left=left or {})
        tried = stopping.stop(step, those, frame)
        transaction.set_rollback(True)
    rows = [
        {
            "title": row.title,
            "url": _url(one),
            "key": one.key,
            "identity": one.identity.name,
            "words": row.words,
            "refused": row.failed_why,
        }
        for row, one in zip(tried, those, strict=True)
    ]
    facts, same, why = _breaks(case, does, those, now)
    said = json.dumps([[[row["key"], row["words"], row["refused"]] for row in rows], same])
    digest = "" if why else hashlib.sha256(said.encode()).hexdigest()[:32]
    return Would(rows, facts, digest, why)


def look_at_run(
    plan: Sequence[running.Planned], case: Case, user: User, *, now: datetime
) -> list[tuple[running.Planned, Would | None]]:
    """The dry run of each step of a playbook, as if each began now; None where there is nothing."""
    return [
        (
            one,
            look(case, one.step.does, one.those, user, left=_left(one), now=now)
            if one.those
            else None,
        )
        for one in plan
    ]


def of_run(found: Sequence[tuple[running.Planned, Would | None]]) -> Foreseen:
    """What is signed of a whole playbook."""
    words: list[str] = []
    digests = []
    for one, would in found:
        words.append(f"{one.step.does} {one.step.targets}: {0 if would is None else would.stops}")
        if would is not None:
            words += would.foreseen.words[:MOST_SAID]
        digests.append("none" if would is None else would.digest)
    if "" in digests:
        return Foreseen(tuple(words[: 4 * MOST_SAID]), "")
    digest = hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:32]
    return Foreseen(tuple(words[: 4 * MOST_SAID]), digest)


def same_as_shown(found: Foreseen, was: str) -> None:
    """NotPossible where something else would happen than behind the digest `was`. Who saw no dry
    run is asked nothing."""
    if was and found.digest and found.digest != was:
        raise NotPossible(CHANGED)


def _left(one: running.Planned) -> dict[str, Any] | None:
    leave = one.step.leave
    return None if leave is None else {name: list(those) for name, those in leave.items()}


def _url(one: Wanted) -> str:
    if one.credential is not None:
        return f"/credentials/{one.credential.key}/"
    return f"/identities/{one.identity.key}/"


def _breaks(
    case: Case, does: str, those: Sequence[Wanted], now: datetime
) -> tuple[list[dict[str, str]], list[Any], str]:
    """(rows, what would make somebody think again, why it is not known)."""
    began, rows, same = time.monotonic(), list[dict[str, str]](), list[Any]()
    many = len(those) > 1
    for one in those[:MOST_LOOKED]:
        kind = "identity"
        if one.credential is not None:
            kind = "credential"
        elif one.delegation is not None:
            kind = "delegation"
        thing = one.credential or one.delegation or one.identity
        item = Item(case=case, kind=kind, ref=thing.pk, title=one.title)
        found = breaks.look(item, one.identity, now=now)
        if found.why or time.monotonic() - began > MOST_SECONDS:
            return rows, [], found.why or breaks.SLOW
        for fact in found.facts:
            if fact.about == "left" and does in SOFTLY:
                continue
            same.append(fact.same)
            words = f"{one.title}: {fact.words}" if many else fact.words
            rows.append({"kind": fact.kind, "words": words, "url": fact.url})
    if len(those) > MOST_LOOKED:
        more = len(those) - MOST_LOOKED
        words = f"What hangs on {more:,} more was not looked at: only the first are."
        rows.append({"kind": "info", "words": words, "url": ""})
    return rows, json.loads(json.dumps(same, default=str)), ""
