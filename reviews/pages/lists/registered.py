"""The lists of identities and of AI systems, and what each is narrowed by."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import Count, F, Max, Q, QuerySet, Sum

from evidence.models import Source
from evidence.parameters import Known, understood, whole
from evidence.words import percent
from identities import visible
from identities.models import Credential, Finding, Identity, Service, UsageDay, User
from identities.models.identity import KINDS, MODES, STATES
from reviews import shares
from reviews import visible as visible_above

from .paging import PAGES, choice, page_of

# States of cases that are neither proposed nor over.
UNDER_WAY = ("open", "decided", "carrying_out", "in_review")
SEATS = {"any": "all that are not retired", "filled": "both filled", "missing": "one is empty"}
RUNS = {"any": "all with calls", "linked": "with linked calls", "missing": "with calls not linked"}
ATTESTED = {"any": "all that are not retired", "yes": "both set", "no": "one is not set"}
OF_IDENTITIES: Known = {
    "q": (),
    "kind": KINDS,
    "state": STATES,
    "mode": MODES,
    "owner": ("none",),
    "service": (),
    "seats": tuple(SEATS),
    "runs": tuple(RUNS),
    "attested": tuple(ATTESTED),
    **PAGES,
}
OF_SYSTEMS: Known = {"q": (), **PAGES}


def matching_identities(
    user: User, asked: Mapping[str, str], *, now: datetime
) -> QuerySet[Identity]:
    """Those that this user sees and `asked` (understood) narrows the list to."""
    rows = visible.identities(user, now=now)
    q = asked.get("q", "").strip()[:200]
    if q:
        bound = Q(bindings__actor__value__icontains=q, bindings__superseded_at__isnull=True)
        number = whole(q.upper().removeprefix("NHI-"))
        by_key = Q(pk__in=[]) if number is None else Q(number=number)
        rows = rows.filter(
            Q(pk__in=Identity.objects.filter(bound).values("pk"))
            | Q(name__icontains=q)
            | Q(service__name__icontains=q)
            | by_key
        )
    for name in ("kind", "state", "mode"):
        if asked.get(name):
            rows = rows.filter(**{name: asked[name]})
    if asked.get("owner") == "none":
        rows = rows.filter(owner__isnull=True)
    if asked.get("service"):
        rows = rows.filter(service__slug=asked["service"])
    seats, runs = asked.get("seats", ""), asked.get("runs", "")
    attested = asked.get("attested", "")
    if seats or runs or attested:
        rows = shares.living(rows)
    if attested in ("yes", "no"):
        rows = rows.filter(shares.ATTESTED if attested == "yes" else ~shares.ATTESTED)
    if seats in ("filled", "missing"):
        rows = rows.filter(shares.SEATED) if seats == "filled" else rows.exclude(shares.SEATED)
    if runs:
        rows = rows.filter(number__in=_with_calls(runs, now=now))
    return rows


def identities(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/identities.html."""
    asked, left_out = understood(asked, OF_IDENTITIES)
    rows = matching_identities(user, asked, now=now).select_related(
        "service", "owner__person", "owner__team"
    )
    q = asked.get("q", "").strip()[:200]
    seats, runs = asked.get("seats", ""), asked.get("runs", "")
    total = rows.count()
    shown, page = page_of(
        rows.annotate(
            open_findings=Count(
                "findings", filter=Q(findings__state__in=["open", "confirmed"]), distinct=True
            )
        ).order_by("-open_findings", "name"),
        asked,
        "/identities/",
    )
    page["total"] = total
    ids = [one.pk for one in shown]
    usage: dict[int, dict[str, Any]] = {
        row["identity_no"]: dict(row)
        for row in UsageDay.objects.filter(identity_no__in=[one.number for one in shown], plane=1)
        .values("identity_no")
        .annotate(
            inside=Sum("inside"),
            outside=Sum("outside"),
            last=Max("last_at"),
            calls=Sum("count", filter=Q(day__gte=shares.first_day(now)), default=0),
            linked=Sum("linked", filter=Q(day__gte=shares.first_day(now)), default=0),
        )
    }
    keys = dict(
        Credential.objects.filter(identity_id__in=ids, state="active")
        .values_list("identity_id")
        .annotate(n=Count("pk"))
    )
    return {
        "section": "identities",
        "title": "Identities",
        "left_out": left_out,
        "q": q,
        "filters": [
            choice("kind", "Kind", KINDS, asked.get("kind", "")),
            choice("state", "State", STATES, asked.get("state", "")),
            choice("mode", "Mode", MODES, asked.get("mode", "")),
            choice("owner", "Owner", {"none": "nobody"}, asked.get("owner", "")),
            choice("seats", "Seats", {k: v for k, v in SEATS.items() if k != "any"}, seats),
            choice(
                "attested",
                "Purpose and end",
                {k: v for k, v in ATTESTED.items() if k != "any"},
                asked.get("attested", ""),
            ),
        ],
        "hidden": [{"name": "runs", "value": runs}] if runs else [],
        "calls": _calls(rows, runs, now=now) if runs else None,
        "narrowed": any(value for name, value in asked.items() if name != "page"),
        "rows": [
            _identity(one, usage.get(one.number, {}), keys.get(one.pk, 0), now=now) for one in shown
        ],
        "page": page,
        "total": total,
        "fresh": fresh(),
    }


def _with_calls(runs: str, *, now: datetime) -> Any:
    """The numbers of the identities that called something lately, by what a run is known of."""
    counted = (
        UsageDay.objects.filter(plane=1, day__gte=shares.first_day(now))
        .values("identity_no")
        .annotate(calls=Sum("count"), runs=Sum("linked"))
    )
    if runs == "linked":
        counted = counted.filter(runs__gt=0)
    elif runs == "missing":
        counted = counted.filter(calls__gt=F("runs"))
    return counted.values("identity_no")


def _calls(rows: Any, runs: str, *, now: datetime) -> dict[str, Any]:
    """What the calls of all these rows are together, and the ways to see others."""
    found = shares.calls(rows, now=now).aggregate(
        calls=Sum("count", default=0), linked=Sum("linked", default=0)
    )
    return found | {
        "missing": found["calls"] - found["linked"],
        "since": shares.first_day(now),
        "which": [
            {"words": words, "url": f"/identities/?runs={name}", "on": name == runs, "n": None}
            for name, words in RUNS.items()
        ],
    }


def fresh() -> list[dict[str, Any]]:
    """When each source was last heard of, for empty states."""
    return [
        {"name": source.title or source.name, "at": source.received}
        for source in Source.objects.annotate(received=Max("deposits__received_at")).order_by(
            "name"
        )[:12]
    ]


def _identity(one: Any, usage: dict[str, Any], keys: int, *, now: datetime) -> dict[str, Any]:
    since = {"identity": one.key, "from": shares.first_day(now).isoformat()}
    calls, linked = usage.get("calls") or 0, usage.get("linked") or 0
    return {
        "key": one.key,
        "name": one.name,
        "url": f"/identities/{one.key}/",
        "kind": one.kind,
        "service": one.service.name if one.service else "",
        "service_url": f"/identities/?{urlencode({'service': one.service.slug})}"
        if one.service
        else "",
        "owner": str(one.owner) if one.owner else "nobody",
        "owner_missing": one.owner is None,
        "ai_owner_missing": one.service is not None
        and one.service.ai_system
        and one.service.ai_owner_id is None,
        "state": one.state,
        "mode": one.mode,
        "credentials": keys,
        "inside": usage.get("inside") or 0,
        "outside": usage.get("outside") or 0,
        "calls": calls,
        "calls_url": f"/events/?{urlencode(since)}",
        "linked": linked,
        "linked_url": f"/events/?{urlencode(since | {'link': 'exact'})}",
        "missing": calls - linked,
        "coverage_url": f"/identities/{one.key}/coverage/",
        "findings": one.open_findings,
        "findings_url": f"/findings/?{urlencode({'identity': one.key})}",
        "last_at": usage.get("last"),
        "last_source_at": None,
        "expires_at": one.expires_at,
    }


def ai_systems(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/ai_systems.html: the services with identities, least aligned first."""
    asked, left_out = understood(asked, OF_SYSTEMS)
    q = asked.get("q", "").strip()[:200]
    found = _least_aligned(user, q, now=now)
    shown, page = page_of(found, asked, "/ai-systems/")
    return {
        "section": "ai_systems",
        "title": "AI systems",
        "left_out": left_out,
        "q": q,
        "rows": _systems(user, shown, now=now),
        "page": page,
    }


def first_systems(user: User, most: int, *, now: datetime) -> tuple[list[dict[str, Any]], int]:
    """The first rows of that list, and of how many."""
    found = _least_aligned(user, "", now=now)
    return _systems(user, found[:most], now=now), len(found)


def _least_aligned(user: User, q: str, *, now: datetime) -> list[tuple[Any, int]]:
    """Each service this user sees with how many findings of it are not settled, most first.

    Findings are counted over themselves: joined to all identities of all services they cost what
    those do.
    """
    rows = visible.services(user, now=now)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(slug__icontains=q))
    findings = dict(
        _shown_to(user, Finding.objects.filter(state__in=["open", "confirmed"]), now=now)
        .filter(identity__service__isnull=False)
        .values_list("identity__service")
        .annotate(n=Count("pk"))
    )
    named = rows.order_by("name", "pk").values_list("pk", flat=True)
    # What is as many stays in the order of names.
    return sorted(((pk, findings.get(pk, 0)) for pk in named), key=lambda one: -one[1])


def _shown_to(user: User, rows: QuerySet[Any], *, now: datetime, of: str = "identity") -> Any:
    """What is counted is what the list behind the number shows this user."""
    if visible.sees_all(user):
        return rows
    return rows.filter(**{f"{of}__in": visible.identities(user, now=now).values("pk")})


def _systems(
    user: User, shown: Sequence[tuple[Any, int]], *, now: datetime
) -> list[dict[str, Any]]:
    ids = [pk for pk, _ in shown]
    services = Service.objects.select_related(
        "owner__person",
        "owner__team",
        "ai_owner__person",
        "ai_owner__team",
        "sponsor__person",
        "sponsor__team",
    ).in_bulk(ids)
    many = {
        row["service"]: (row["n"], row["seated"])
        for row in _shown_to(user, Identity.objects.filter(service__in=ids), now=now, of="pk")
        .values("service")
        .annotate(n=Count("pk"), seated=Count("owner"))
    }
    linked = _linked(ids, now)
    cases = dict(
        visible_above.cases(user, now=now)
        .filter(identity__service__in=ids, state__in=UNDER_WAY)
        .values_list("identity__service")
        .annotate(n=Count("pk", distinct=True))
    )
    return [
        _system(services[pk], many.get(pk, (0, 0)), findings, linked.get(pk), cases.get(pk, 0))
        for pk, findings in shown
        if pk in services
    ]


def _linked(services: list[Any], now: datetime) -> dict[Any, tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.service_id, sum(u.linked)::bigint, sum(u.count)::bigint"
            " FROM identities_identity i JOIN identities_usageday u"
            "  ON u.identity_no = i.number AND u.plane = 1 AND u.day >= %s"
            " WHERE i.service_id = ANY(%s) AND i.state <> 'retired' GROUP BY i.service_id",
            [shares.first_day(now), services],
        )
        return {row[0]: (row[1], row[2]) for row in cursor.fetchall()}


def _system(
    one: Service, many: tuple[int, int], findings: int, linked: tuple[int, int] | None, cases: int
) -> dict[str, Any]:
    identities, seated = many
    both = seated if one.ai_owner is not None or not one.ai_system else 0
    owner = one.ai_owner if one.ai_system else one.owner
    return {
        "name": one.name,
        "url": f"/identities/?{urlencode({'service': one.slug})}",
        "owner": str(owner) if owner else "nobody",
        "owner_missing": owner is None,
        "identities": identities,
        "seats_share": percent(both, identities) if identities else 0,
        "linked_share": percent(linked[0], linked[1]) if linked and linked[1] else None,
        "no_evidence_since": None,
        "findings": findings,
        "findings_url": f"/findings/?{urlencode({'service': one.slug})}",
        "cases": cases,
        "cases_url": f"/cases/?{urlencode({'service': one.slug, 'state': 'under_way'})}",
        "purpose": one.purpose,
        "criticality": one.criticality,
        "sponsor": str(one.sponsor) if one.sponsor else "",
    }
