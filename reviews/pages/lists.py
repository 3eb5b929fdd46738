"""Lists that people work from: identities, findings, credentials, AI systems.

Each returns the context of its template; paged, with a constant number of queries.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import Count, Max, Prefetch, Q, QuerySet, Sum

from evidence.models import Source
from identities import visible
from identities.findings import RULES
from identities.models import Credential, Finding, Identity, UsageDay, User
from identities.models.identity import KINDS, MODES, STATES
from reviews import visible as visible_above
from reviews.models import Case
from reviews.pages import observed

PER_PAGE = 50
# States of cases that are neither proposed nor over.
UNDER_WAY = ("open", "decided", "carrying_out", "in_review")


def page_of(
    rows: QuerySet[Any], asked: dict[str, str], path: str
) -> tuple[list[Any], dict[str, Any]]:
    """One page of rows by number, with the links before and after."""
    number = max(1, int(asked["page"])) if asked.get("page", "").isdigit() else 1
    number = min(number, 100_000)
    first = (number - 1) * PER_PAGE
    found = list(rows[first : first + PER_PAGE + 1])
    more = len(found) > PER_PAGE
    rest = {key: value for key, value in asked.items() if value and key != "page"}

    def link(to: int) -> str:
        return f"{path}?{urlencode({**rest, 'page': to})}"

    shown = found[:PER_PAGE]
    return shown, {
        "first": first + 1 if shown else 0,
        "last": first + len(shown),
        "total": None if more or number > 1 else len(shown),
        "prev_url": link(number - 1) if number > 1 else "",
        "next_url": link(number + 1) if more else "",
    }


def choice(name: str, words: str, values: Any, chosen: str) -> dict[str, Any]:
    """One filter as the template draws it."""
    pairs = (
        values.items() if isinstance(values, dict) else [(v, v.replace("_", " ")) for v in values]
    )
    return {
        "name": name,
        "words": words,
        "options": [{"value": "", "words": "all", "on": not chosen}]
        + [{"value": value, "words": said, "on": value == chosen} for value, said in pairs],
    }


def identities(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/identities.html."""
    rows = visible.identities(user, now=now).select_related(
        "service", "owner__person", "owner__team"
    )
    q = asked.get("q", "").strip()[:200]
    if q:
        bound = Q(bindings__actor__value__icontains=q, bindings__superseded_at__isnull=True)
        number = q.upper().removeprefix("NHI-").lstrip("0")
        by_key = Q(number=int(number)) if number.isdigit() and len(number) < 10 else Q(pk__in=[])
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
        .annotate(inside=Sum("inside"), outside=Sum("outside"), last=Max("last_at"))
    }
    keys = dict(
        Credential.objects.filter(identity_id__in=ids, state="active")
        .values_list("identity_id")
        .annotate(n=Count("pk"))
    )
    return {
        "section": "identities",
        "title": "Identities",
        "q": q,
        "filters": [
            choice("kind", "Kind", KINDS, asked.get("kind", "")),
            choice("state", "State", STATES, asked.get("state", "")),
            choice("mode", "Mode", MODES, asked.get("mode", "")),
            choice("owner", "Owner", {"none": "nobody"}, asked.get("owner", "")),
        ],
        "rows": [_identity(one, usage.get(one.number, {}), keys.get(one.pk, 0)) for one in shown],
        "page": page,
        "total": total,
        "fresh": fresh(),
    }


def fresh() -> list[dict[str, Any]]:
    """When each source was last heard of, for empty states."""
    return [
        {"name": source.title or source.name, "at": source.received}
        for source in Source.objects.annotate(received=Max("deposits__received_at")).order_by(
            "name"
        )[:12]
    ]


def _identity(one: Any, usage: dict[str, Any], keys: int) -> dict[str, Any]:
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
        "state": one.state,
        "mode": one.mode,
        "credentials": keys,
        "inside": usage.get("inside") or 0,
        "outside": usage.get("outside") or 0,
        "findings": one.open_findings,
        "findings_url": f"/findings/?{urlencode({'identity': one.key})}",
        "last_at": usage.get("last"),
        "last_source_at": None,
        "expires_at": one.expires_at,
    }


def named(user: User, key: str, *, now: datetime) -> Identity | None:
    """The identity that a filter names, if this user may see it."""
    number = key.upper().removeprefix("NHI-")
    if not number.isdigit() or len(number) > 10:
        return None
    return visible.identities(user, now=now).filter(number=int(number)).first()


def finding_row(one: Finding, cases: dict[Any, Case]) -> dict[str, Any]:
    """One finding as lists and the line show it."""
    case = cases.get(one.pk)
    return {
        "key": one.key,
        "url": f"/findings/{one.key}/",
        "kind_words": RULES[one.rule],
        "rule": one.rule,
        "what": one.words,
        "words": one.words,
        "at": one.last_at,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "count": one.count,
        "strength": {3: "exact", 2: "key", 1: "inferred"}[one.strength],
        "state": one.state,
        "controls": one.controls,
        "assignee": one.assignee.called if one.assignee else "",
        "identity": {"words": one.identity.name, "url": f"/identities/{one.identity.key}/"}
        if one.identity
        else None,
        "case_key": case.key if case else "",
        "case_url": f"/cases/{case.key}/" if case else "",
    }


def cases_of(findings: list[Finding], user: User, *, now: datetime) -> dict[Any, Case]:
    """The case, if this user may see it, that each finding is asked in."""
    found: dict[Any, Case] = {}
    for case in (
        visible_above.cases(user, now=now)
        .filter(findings__in=findings)
        .prefetch_related(
            Prefetch("findings", Finding.objects.filter(pk__in=[f.pk for f in findings]))
        )
        .order_by("number")
    ):
        for one in case.findings.all():
            found[one.pk] = case
    return found


def findings(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/findings.html."""
    rows = visible.findings(user, now=now).select_related("identity", "assignee__person")
    state = asked.get("state", "open")
    counts = dict(visible.findings(user, now=now).values_list("state").annotate(n=Count("pk")))
    if state != "all":
        rows = rows.filter(state__in=["open", "confirmed"] if state == "open" else [state])
    if asked.get("identity"):
        identity = named(user, asked["identity"], now=now)
        rows = rows.filter(identity=identity) if identity else rows.none()
    if asked.get("rule"):
        rows = rows.filter(rule=asked["rule"])
    q = asked.get("q", "").strip()[:200]
    if q:
        rows = rows.filter(
            Q(words__icontains=q) | Q(family__icontains=q) | Q(identity__name__icontains=q)
        )
    shown, page = page_of(rows.order_by("-last_at", "-number"), asked, "/findings/")
    cases = cases_of(shown, user, now=now)
    rest = {k: v for k, v in asked.items() if v and k not in ("state", "page")}

    def tab(words: str, value: str, n: int) -> dict[str, Any]:
        return {
            "words": words,
            "n": n,
            "url": f"?{urlencode({**rest, 'state': value})}",
            "on": state == value,
        }

    return {
        "section": "findings",
        "title": "Findings",
        "q": q,
        "tabs": [
            tab("Open", "open", counts.get("open", 0) + counts.get("confirmed", 0)),
            tab("Expected", "expected", counts.get("expected", 0)),
            tab("Withdrawn", "withdrawn", counts.get("withdrawn", 0)),
            tab("All", "all", sum(counts.values())),
        ],
        "filters": [choice("rule", "Rule", RULES, asked.get("rule", ""))],
        "rows": [finding_row(one, cases) for one in shown],
        "page": page,
    }


def credential_row(one: Credential) -> dict[str, Any]:
    """One credential as lists show it."""
    return {
        "key": one.key,
        "url": f"/credentials/{one.key}/",
        "short": one.short,
        "kind": one.kind.replace("_", " "),
        "standing": one.standing,
        "issued_at": one.issued_at,
        "issued_by": one.issued_by.value if one.issued_by else "",
        "observed": observed.of(one),
        "expires_at": one.expires_at,
        "state": one.state,
        "revocation": None,
        "identity": {"words": one.identity.name, "url": f"/identities/{one.identity.key}/"}
        if one.identity
        else None,
        "uses": None,
        "uses_url": f"/events/?{urlencode({'actor': one.actor_id})}",
        "last_at": None,
    }


def credentials(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/credentials.html."""
    rows = observed.with_times(visible.credentials(user, now=now)).select_related("identity")
    q = asked.get("q", "").strip()[:200]
    if q:
        rows = rows.filter(Q(actor__value__icontains=q) | Q(identity__name__icontains=q))
    if asked.get("identity"):
        identity = named(user, asked["identity"], now=now)
        rows = rows.filter(identity=identity) if identity else rows.none()
    if asked.get("state"):
        rows = rows.filter(state=asked["state"])
    if asked.get("lives") in ("standing", "short"):
        rows = rows.filter(standing=asked["lives"] == "standing")
    shown, page = page_of(
        rows.order_by("-standing", "-issued_at", "-number"), asked, "/credentials/"
    )
    last = _last_uses([one.actor_id for one in shown])
    return {
        "section": "credentials",
        "title": "Credentials",
        "q": q,
        "filters": [
            choice(
                "state", "State", ("active", "held", "revoked", "expired"), asked.get("state", "")
            ),
            choice(
                "lives",
                "Life",
                {"standing": "standing", "short": "short-lived"},
                asked.get("lives", ""),
            ),
        ],
        "rows": [{**credential_row(one), "last_at": last.get(one.actor_id)} for one in shown],
        "page": page,
    }


def _last_uses(actors: list[int]) -> dict[int, datetime]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.id, (SELECT max(e.at) FROM evidence_event e WHERE e.credential_id = w.id)"
            " FROM unnest(%s::bigint[]) AS w(id)",
            [actors],
        )
        return {actor: at for actor, at in cursor.fetchall() if at is not None}


def ai_systems(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/ai_systems.html: the services with identities, least aligned first."""
    rows = (
        visible.services(user, now=now)
        .select_related(
            "owner__person",
            "owner__team",
            "ai_owner__person",
            "ai_owner__team",
            "sponsor__person",
            "sponsor__team",
        )
        .annotate(
            n=Count("identities", distinct=True),
            seated=Count("identities", filter=Q(identities__owner__isnull=False), distinct=True),
            open_findings=Count(
                "identities__findings",
                filter=Q(identities__findings__state__in=["open", "confirmed"]),
                distinct=True,
            ),
        )
    )
    q = asked.get("q", "").strip()[:200]
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(slug__icontains=q))
    shown, page = page_of(rows.order_by("-open_findings", "name"), asked, "/ai-systems/")
    linked = _linked([one.pk for one in shown])
    cases = dict(
        visible_above.cases(user, now=now)
        .filter(identity__service__in=shown, state__in=UNDER_WAY)
        .values_list("identity__service")
        .annotate(n=Count("pk", distinct=True))
    )
    return {
        "section": "ai_systems",
        "title": "AI systems",
        "q": q,
        "rows": [_system(one, linked.get(one.pk), cases.get(one.pk, 0)) for one in shown],
        "page": page,
    }


def _linked(services: list[Any]) -> dict[Any, tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.service_id, sum(u.linked)::bigint, sum(u.count)::bigint"
            " FROM identities_identity i JOIN identities_usageday u"
            "  ON u.identity_no = i.number AND u.plane = 1"
            " WHERE i.service_id = ANY(%s) GROUP BY i.service_id",
            [services],
        )
        return {row[0]: (row[1], row[2]) for row in cursor.fetchall()}


def _system(one: Any, linked: tuple[int, int] | None, cases: int) -> dict[str, Any]:
    both = one.seated if one.ai_owner is not None or not one.ai_system else 0
    owner = one.ai_owner if one.ai_system else one.owner
    return {
        "name": one.name,
        "url": f"/identities/?{urlencode({'service': one.slug})}",
        "owner": str(owner) if owner else "nobody",
        "owner_missing": owner is None,
        "identities": one.n,
        "seats_share": round(100 * both / one.n) if one.n else 0,
        "linked_share": round(100 * linked[0] / linked[1]) if linked and linked[1] else None,
        "no_evidence_since": None,
        "findings": one.open_findings,
        "findings_url": f"/findings/?{urlencode({'q': one.name})}",
        "cases": cases,
        "cases_url": f"/cases/?{urlencode({'service': one.slug, 'state': 'under_way'})}",
        "purpose": one.purpose,
        "criticality": one.criticality,
        "sponsor": str(one.sponsor) if one.sponsor else "",
    }
