"""The dry replay: what a rule would have held in the last days, had it been on. Reads only.

Owns the numbers and rows that two people sign on: when it would have held what, what became of
those findings later, who else would have felt it, and where its limit would have ended it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from evidence.vocabulary import KEY
from evidence.words import counted
from identities.findings import RULES
from identities.models import Finding, Identity

from . import proof, scopes, things

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LONGEST_DAYS = 90
# Looked at, the newest first: beyond it the replay says that there are more.
MOST = 2_000
MOST_SHOWN = 50
# What people, or later evidence, made of a finding that would have held.
WRONG = ("false", "expected", "duplicate", "withdrawn")

# What else of a replay is a number of findings: its kind of sentence, and how it goes on.
OTHERS = (
    (
        "withdrawn",
        "outside",
        "of these classes taken back since by later evidence: it may have held for it as well.",
    ),
    (
        "critical",
        "info",
        "of critical identities, which the scope does not name: a person would have been asked.",
    ),
    ("unfit", "info", "on inferred, late or sampled evidence: nothing would have been held."),
)


class Would(NamedTuple):
    """One hold that would have gone out, and what is known of it now."""

    finding: Finding
    at: datetime
    events: int
    thing: things.Thing
    depends: things.Depends


class Replay(NamedTuple):
    """What a rule would have done in its time."""

    days: int
    identities: int  # in the scope
    enforced: int  # of these, where it may hold at all
    held: int
    of: int  # identities that would have been held
    classes: dict[str, int]
    later: dict[str, int]  # by what became of their findings
    critical: int  # a person would have been asked: the scope does not name critical ones
    unfit: int  # findings of these classes that rest on no evidence that holds
    withdrawn: int  # taken back since: what they rested on cannot be looked at again
    over_at: datetime | None  # its limit would have ended it then
    more: bool
    rows: list[Would]

    def as_json(self) -> dict[str, Any]:
        """The numbers, for the ledger and for what was signed."""
        return {
            "days": self.days,
            "identities": self.identities,
            "enforced": self.enforced,
            "held": self.held,
            "identities_held": self.of,
            "classes": self.classes,
            "later": self.later,
            "critical": self.critical,
            "unfit": self.unfit,
            "withdrawn": self.withdrawn,
            "over_at": None if self.over_at is None else self.over_at.isoformat(),
            "more": self.more,
        }


def run(
    *,
    scope: dict[str, Any],
    classes: Sequence[str],
    per_hour: int,
    per_day: int,
    days: int,
    now: datetime,
) -> Replay:
    """Over stored evidence, in a fixed number of statements. `days`: how far back."""
    since = now - timedelta(days=days)
    inside = scopes.population(scope, now=now)
    enforced = inside.filter(mode="enforce")
    rows = Finding.objects.filter(
        rule__in=classes, identity__in=enforced.values("pk"), last_at__gte=since
    )
    found = list(
        rows.exclude(state="withdrawn")
        .filter(strength__gte=KEY)
        .select_related("identity__service")
        .order_by("-last_at", "number")[: MOST + 1]
    )
    more, found = len(found) > MOST, found[:MOST]
    first = proof.first(found, since)
    fit = [one for one in found if one.pk in first]
    asked = [one for one in fit if not may_hold(scope, one.identity)]
    held = [one for one in fit if may_hold(scope, one.identity)]
    held.sort(key=lambda one: max(first[one.pk].at, one.opened_at))
    at = [max(first[one.pk].at, one.opened_at) for one in held]
    return Replay(
        days=days,
        identities=inside.count(),
        enforced=enforced.count(),
        held=len(held),
        of=len({one.identity_id for one in held}),
        classes=dict(Counter(one.rule for one in held)),
        later=dict(Counter(one.state for one in held)),
        critical=len(asked),
        unfit=len(found) - len(fit),
        withdrawn=rows.filter(state="withdrawn", opened_at__gte=since).count(),
        over_at=_over(at, per_hour=per_hour, per_day=per_day),
        more=more,
        rows=_rows(held[:MOST_SHOWN], first, since, now=now),
    )


def may_hold(scope: dict[str, Any], identity: Identity | None) -> bool:
    """Critical identities are held only where the scope says so in so many words."""
    return identity is not None and (
        identity.criticality != "critical" or "critical" in scope.get("criticality", ())
    )


def _over(moments: Sequence[datetime], *, per_hour: int, per_day: int) -> datetime | None:
    """When one more would have been asked for than the limits let out; None: never."""
    for place, at in enumerate(moments):
        for most, within in ((per_hour, HOUR), (per_day, DAY)):
            if place >= most and moments[place - most] > at - within:
                return at
    return None


def _rows(
    held: Sequence[Finding], first: dict[Any, proof.First], since: datetime, *, now: datetime
) -> list[Would]:
    of = things.of(held, proof.of(held, since, proof.ALWAYS), now=now)
    felt = things.depending(
        {one.identity_id: one.identity for one in held if one.identity}.values(), now=now
    )
    return [
        Would(
            one,
            max(first[one.pk].at, one.opened_at),
            first[one.pk].events,
            of[one.pk],
            felt[one.identity.pk],
        )
        for one in held
        if one.identity is not None
    ]


def sentences(said: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """What the numbers of a replay say: (kind of components/dry_run.html, sentence)."""
    days = counted(said["days"], "day")
    many = counted(said["identities"], "identity", "identities")
    yield "info", f"Of {many} in the scope, {said['enforced']:,} enforce: only there it may hold."
    if not said["held"]:
        yield "inside", f"In the last {days} it would have held nothing."
    else:
        of = counted(said["identities_held"], "identity", "identities")
        by = ", ".join(f"{many:,} {RULES[name].lower()}" for name, many in said["classes"].items())
        yield "waits", f"In the last {days} it would have held {said['held']:,} of {of}: {by}."
        wrong = [(said["later"][one], one) for one in WRONG if one in said["later"]]
        words = ", ".join(f"{many:,} {one}" for many, one in wrong)
        yield (
            ("outside", f"Of these findings people later said: {words}.")
            if wrong
            else ("inside", "Of none of these findings it was later said that it was wrong.")
        )
    for name, kind, what in OTHERS:
        if said[name]:
            yield kind, f"{counted(said[name], 'finding')} {what}"
    if said["over_at"]:
        at = datetime.fromisoformat(said["over_at"])
        yield "outside", f"Its limit would have ended it on {at:%-d %b %Y %H:%M} UTC."
    if said["more"]:
        yield "waits", f"More findings than {MOST:,} were there: the newest were looked at."
