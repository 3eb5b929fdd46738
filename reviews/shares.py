"""How aligned we are: shares, each a part of rows that a list shows.

Owns what is counted and what of it is as it should be. The front page counts six of them by it, the
lists behind its numbers are narrowed by it, and the counts of each day are kept, of everything and of
each AI system. Must not know pages.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum

from identities import visible as identities_visible
from identities.models import (
    Binding,
    Credential,
    Delegation,
    DelegationVersion,
    Finding,
    Identity,
    Revocation,
    Statement,
    UsageDay,
    User,
)
from reviews import visible
from reviews.models import Case, Seat, ShareDay

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
        """To one decimal, rounded down: 100 only where it is all. None of nothing: no evidence is
        not 0 %."""
        return 1_000 * self.part // self.whole / 10 if self.whole else None


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

# What the page of alignment shows beside those six.
MORE = (
    _share(
        "attested", "Purpose and end date set", "identity,identities", "without one of them", 100,
        "/identities/?attested=", "any", "yes", "no",
    ),
    _share(
        "short", "Short-lived credentials", "active credential", "standing", 80,
        "/credentials/?state=active&lives=", "any", "short", "standing",
    ),
    _share(
        "alone", "Credentials of one identity", "active credential", "shared", 100,
        "/credentials/?state=active&shared=", "any", "no", "yes",
    ),
    _share(
        "joint", "Signed by both sides", "joint case", "with an empty signature", 95,
        "/cases/?joint=", "any", "both", "missing",
    ),
)  # fmt: skip
EVERY = (*SHARES, *MORE)

# Of an identity: its owner, and of an AI system's the system's owner as well.
SEATED = Q(owner__isnull=False) & (
    Q(service__isnull=True) | Q(service__ai_system=False) | Q(service__ai_owner__isnull=False)
)
# Of a credential.
ISSUED = Q(issued_event__isnull=False) | Q(issued_by__isnull=False)
# Of what a delegation says.
STATED = ~Q(purpose="") & Q(during__endswith__isnull=False)
# Of an identity: what its owner attests.
ATTESTED = ~Q(purpose="") & Q(expires_at__isnull=False)
# Of a credential: several identities are bound to it together, or it was seen to be used by agents of
# more than one of them, linked to an identity or not.
SHARED = Q(
    Exists(
        Binding.objects.filter(
            actor=OuterRef("actor"), shared=True, state="confirmed", superseded_at__isnull=True
        )
    )
) | Q(
    Exists(
        Finding.objects.filter(
            actor_id=OuterRef("actor"), rule="shared_credential", state__in=("open", "confirmed")
        )
    )
)
# Of a case that both owners decide: somebody signed in each of their seats.
OWNERS = ("identity_owner", "ai_owner")
BOTH = ~Q(
    Exists(
        Seat.objects.filter(case=OuterRef("pk"), kind__in=OWNERS, person__isnull=True).exclude(
            turn="later"
        )
    )
)
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


def joint[Cases: QuerySet[Any]](rows: Cases) -> Cases:
    """The decided cases that both owners sign."""
    asked = Exists(Seat.objects.filter(case=OuterRef("pk"), kind="ai_owner"))
    return rows.filter(asked, decided_at__isnull=False)


class Over(NamedTuple):
    """What a share is counted over, what of it is in the part, and the way to its service."""

    rows: QuerySet[Any]
    part: Q
    service: str


def over(rows: Rows, *, now: datetime) -> dict[str, Over]:
    """By the name of the share, but for calls, which are not rows."""
    living_ones, active = living(rows.identities), rows.credentials.filter(state="active")
    return {
        "seats": Over(living_ones, SEATED, "service"),
        "issuance": Over(rows.credentials, ISSUED, "identity__service"),
        "stated": Over(in_force(rows.delegations, now=now), STATED, "delegation__grantee__service"),
        "decided": Over(due(rows.cases, now=now), IN_TIME, "identity__service"),
        "proved": Over(stopping(rows.revocations), PROVED, "identity__service"),
        "attested": Over(living_ones, ATTESTED, "service"),
        "short": Over(active, Q(standing=False), "identity__service"),
        "alone": Over(active, ~SHARED, "identity__service"),
        "joint": Over(joint(rows.cases), BOTH, "identity__service"),
    }


def counts(rows: Rows, *, now: datetime, which: Collection[Share] = SHARES) -> dict[str, Counted]:
    """By the name of the share; one query each."""
    found: dict[str, Counted] = {}
    wanted, counted = {one.name for one in which}, over(rows, now=now)
    for name in wanted & set(counted):
        one = counted[name]
        said = one.rows.order_by().aggregate(whole=Count("pk"), part=Count("pk", filter=one.part))
        found[name] = Counted(said["part"], said["whole"])
    if "runs" in wanted:
        called = calls(living(rows.identities), now=now).aggregate(
            whole=Sum("count"), part=Sum("linked")
        )
        found["runs"] = Counted(called["part"] or 0, called["whole"] or 0)
    return found


# Calls of each AI system, as `calls` counts them.
CALLED = """
SELECT i.service_id, sum(u.linked), sum(u.count) FROM identities_usageday u
JOIN identities_identity i ON i.number = u.identity_no
JOIN identities_service s ON s.id = i.service_id AND s.ai_system
WHERE u.plane = 1 AND u.day >= %s AND i.state <> 'retired' GROUP BY 1
"""


def by_system(*, now: datetime) -> dict[tuple[UUID, str], Counted]:
    """By AI system and name of the share, over all that is not sealed; one query each."""
    found: dict[tuple[UUID, str], Counted] = {}
    for name, one in over(of_all(), now=now).items():
        rows = one.rows.order_by().filter(**{f"{one.service}__ai_system": True})
        for service, whole, part in rows.values_list(one.service).annotate(
            whole=Count("pk"), part=Count("pk", filter=one.part)
        ):
            found[service, name] = Counted(part, whole)
    with connection.cursor() as cursor:
        cursor.execute(CALLED, [first_day(now)])
        for service, part, whole in cursor.fetchall():
            found[service, "runs"] = Counted(int(part), int(whole))
    return found


def keep(*, now: datetime) -> None:
    """Keep the counts of this day, instead of those that were counted earlier on it."""
    said: dict[tuple[UUID | None, str], Counted] = {
        (None, name): one for name, one in counts(of_all(), now=now, which=EVERY).items()
    }
    ShareDay.objects.bulk_create(
        [
            ShareDay(
                day=now.date(),
                name=name,
                service_id=service,
                part=one.part,
                whole=one.whole,
                counted_at=now,
            )
            for (service, name), one in (said | by_system(now=now)).items()
        ],
        update_conflicts=True,
        unique_fields=["day", "name", "service"],
        update_fields=["part", "whole", "counted_at"],
    )


def kept(*, now: datetime) -> dict[str, dict[date, Counted]]:
    """By the name of the share, the days of the window before today that were counted."""
    found: dict[str, dict[date, Counted]] = {}
    for row in ShareDay.objects.filter(service=None, day__gte=first_day(now), day__lt=now.date()):
        found.setdefault(row.name, {})[row.day] = Counted(row.part, row.whole)
    return found
