"""How aligned we are: six shares, each a part of rows that a list shows.

Owns what is counted and what of it is as it should be. The front page counts by it, the lists
behind its numbers are narrowed by it, and the counts of each day are kept. Must not know pages.
"""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum

from identities import visible as identities_visible
from identities.models import (
    Credential,
    Delegation,
    DelegationVersion,
    Identity,
    Revocation,
    Statement,
    UsageDay,
    User,
)
from reviews import visible
from reviews.models import Case, ShareDay

# Calls are counted over so long, and the lines are as long.
WINDOW = timedelta(days=84)
PROVED_WITHIN = timedelta(minutes=15)


class Share(NamedTuple):
    """`whole`, `has`, `lacks`: the addresses of the rows behind its three numbers."""

    name: str
    title: str
    things: str  # what is counted, one and many
    lacking: str  # what is said of those that are not in the part
    goal: int  # percent
    whole: str
    has: str
    lacks: str


class Counted(NamedTuple):
    part: int
    whole: int

    @property
    def percent(self) -> float | None:
        """None of nothing: no evidence is not 0 %."""
        return 100 * self.part / self.whole if self.whole else None


def _share(
    name: str, title: str, things: str, lacking: str, goal: int, path: str, *values: str
) -> Share:
    whole, has, lacks = (f"{path}{value}" for value in values)
    return Share(name, title, things, lacking, goal, whole, has, lacks)


SHARES = (
    _share(
        "seats", "Both seats filled", "identity,identities", "with an empty seat", 95,
        "/identities/?seats=", "any", "filled", "missing",
    ),
    _share(
        "runs", "Linked to a run", "call", "not linked", 95,
        "/identities/?runs=", "any", "linked", "missing",
    ),
    _share(
        "issuance", "Issuance seen", "credential", "not seen", 90,
        "/credentials/?issuance=", "any", "seen", "missing",
    ),
    _share(
        "stated", "Purpose and end stated", "delegation", "not stated", 100,
        "/delegations/?stated=", "any", "yes", "no",
    ),
    _share(
        "decided", "Decided before deadline", "case", "late", 98,
        "/cases/?decided=", "any", "in_time", "late",
    ),
    _share(
        "proved", "Effective within 15 min", "revocation", "later or not yet", 95,
        "/revocations/?proved=", "any", "in_time", "late",
    ),
)  # fmt: skip

# Of an identity: its owner, and of an AI system's the system's owner as well.
SEATED = Q(owner__isnull=False) & (
    Q(service__isnull=True) | Q(service__ai_system=False) | Q(service__ai_owner__isnull=False)
)
# Of a credential.
ISSUED = Q(issued_event__isnull=False) | Q(issued_by__isnull=False)
# Of what a delegation says.
STATED = ~Q(purpose="") & Q(during__endswith__isnull=False)
# Of a case that is decided or whose deadline is over.
IN_TIME = Q(decided_at__isnull=False, decided_at__lte=F("deadline_at"))
# Of a revocation; not of one that is effective because people state it.
WORD_ALONE = Exists(
    Statement.objects.filter(
        revocation=OuterRef("pk"),
        state="stands",
        counted_at=OuterRef("effective_at"),
        seen_at__isnull=True,
    )
)
PROVED = Q(effective_at__isnull=False, effective_at__lte=F("requested_at") + PROVED_WITHIN) & Q(
    ~WORD_ALONE
)


class Rows(NamedTuple):
    """What is counted over."""

    identities: QuerySet[Identity]
    credentials: QuerySet[Credential]
    delegations: QuerySet[Delegation]
    cases: QuerySet[Case]
    revocations: QuerySet[Revocation]


def of_user(user: User, *, now: datetime) -> Rows:
    """What this user may open."""
    return Rows(
        identities_visible.identities(user, now=now),
        identities_visible.credentials(user, now=now),
        identities_visible.delegations(user, now=now),
        visible.cases(user, now=now),
        identities_visible.revocations(user, now=now),
    )


def of_all() -> Rows:
    """Everything, but for what is sealed to some."""
    return Rows(
        Identity.objects.all(),
        Credential.objects.all(),
        Delegation.objects.all(),
        Case.objects.filter(sealed=False),
        Revocation.objects.all(),
    )


def living(rows: QuerySet[Identity]) -> QuerySet[Identity]:
    """Whose seats count: what is retired is decided about no more."""
    return rows.exclude(state="retired")


def in_force(rows: QuerySet[Delegation], *, now: datetime) -> QuerySet[DelegationVersion]:
    """What these delegations say now."""
    return DelegationVersion.objects.filter(
        delegation__in=rows.values("pk"),
        state="in_force",
        superseded_at__isnull=True,
        during__contains=now,
        revoked_at__isnull=True,
    )


def due[Cases: QuerySet[Any]](rows: Cases, *, now: datetime) -> Cases:
    """The cases that are decided, or should be."""
    over = Q(decided_at__isnull=False) | Q(state="open", deadline_at__lte=now)
    return rows.exclude(state__in=("draft", "cancelled")).filter(over)


def stopping(rows: QuerySet[Revocation]) -> QuerySet[Revocation]:
    """The revocations that were not taken back."""
    return rows.exclude(state="undone")


def first_day(now: datetime) -> date:
    """The first day of the calls that count."""
    return (now - WINDOW).date() + timedelta(days=1)


def calls(rows: QuerySet[Identity], *, now: datetime) -> QuerySet[UsageDay]:
    """The days on which these identities called something, as far back as calls count."""
    return UsageDay.objects.filter(
        identity_no__in=rows.order_by().values("number"), plane=1, day__gte=first_day(now)
    )


def counts(rows: Rows, *, now: datetime) -> dict[str, Counted]:
    """By the name of the share; one query each."""

    def of(found: QuerySet[Any], part: Q) -> Counted:
        said = found.order_by().aggregate(whole=Count("pk"), part=Count("pk", filter=part))
        return Counted(said["part"], said["whole"])

    living_ones = living(rows.identities)
    called = calls(living_ones, now=now).aggregate(whole=Sum("count"), part=Sum("linked"))
    return {
        "seats": of(living_ones, SEATED),
        "runs": Counted(called["part"] or 0, called["whole"] or 0),
        "issuance": of(rows.credentials, ISSUED),
        "stated": of(in_force(rows.delegations, now=now), STATED),
        "decided": of(due(rows.cases, now=now), IN_TIME),
        "proved": of(stopping(rows.revocations), PROVED),
    }


def keep(*, now: datetime) -> None:
    """Keep the counts of this day, instead of those that were counted earlier on it."""
    ShareDay.objects.bulk_create(
        [
            ShareDay(day=now.date(), name=name, part=one.part, whole=one.whole, counted_at=now)
            for name, one in counts(of_all(), now=now).items()
        ],
        update_conflicts=True,
        unique_fields=["day", "name"],
        update_fields=["part", "whole", "counted_at"],
    )


def kept(*, now: datetime) -> dict[str, dict[date, Counted]]:
    """By the name of the share, the days of the window before today that were counted."""
    found: dict[str, dict[date, Counted]] = {}
    for row in ShareDay.objects.filter(day__gte=first_day(now), day__lt=now.date()):
        found.setdefault(row.name, {})[row.day] = Counted(row.part, row.whole)
    return found
