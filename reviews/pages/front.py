"""The front page: what waits for me, what burns, how aligned we are. Constant queries."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Q, Sum

from evidence.models import Source
from evidence.parameters import understood
from evidence.queries import sources
from identities import visible as identities_visible
from identities.models import Credential, DelegationVersion, Identity, Revocation, UsageDay, User
from reviews import visible
from reviews.actions import deadlines
from reviews.models import Case, Decision
from reviews.models.cases import SEATS
from reviews.pages import lists, planted, waiting

SHOWN = 8
PROVED_WITHIN = timedelta(minutes=15)
NOT_EFFECTIVE = ("requested", "sending", "sent", "confirmed", "failed")


def context(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/front.html."""
    found = waiting.for_user(user, now=now)
    asked, left_out = understood(asked, {"seat": SEATS})
    chosen = asked.get("seat", "")
    shown = [one for one in found if not chosen or one.kind == chosen]
    overdue = sum(one.deadline_at <= now for one in found)
    burning = [group for group in _burning(user, now=now) if group["n"]]
    systems = lists.ai_systems(user, {}, now=now)
    return {
        "section": "front",
        "now": now,
        "title": "Home",
        "left_out": left_out,
        "today": now.date(),
        "lead": _lead(len(found), overdue, burning),
        "first_url": f"/cases/{found[0].key}/" if found else "",
        "tabs": waiting.tabs(found, chosen),
        "waits": waiting.rows(planted.beside(shown[:SHOWN]), now=now),
        "burning": burning,
        "aligned": aligned(user, now=now),
        "aligned_at": now,
        "systems": systems["rows"][:4],
        "systems_total": systems["page"]["total"],
        "setup": _setup(),
    }


def _lead(waits: int, overdue: int, burning: list[dict[str, Any]]) -> str:
    parts = []
    if waits:
        thing = "thing waits" if waits == 1 else "things wait"
        late = f", {overdue} {'is' if overdue == 1 else 'are'} overdue" if overdue else ""
        parts.append(f"{waits} {thing} for you{late}.")
    else:
        parts.append("Nothing waits for you.")
    open_ones = sum(group["n"] for group in burning if group["icon"] == "ban")
    if open_ones:
        verb = "revocation is" if open_ones == 1 else "revocations are"
        parts.append(f"{open_ones} {verb} not effective yet.")
    return " ".join(parts)


def _burning(user: User, *, now: datetime) -> list[dict[str, Any]]:
    return [_revocations(user, now=now), _overdue(user, now=now), _silent(now=now)]


def _revocations(user: User, *, now: datetime) -> dict[str, Any]:
    rows = identities_visible.revocations(user, now=now).filter(state__in=NOT_EFFECTIVE)
    shown = rows.select_related("identity").order_by("requested_at")[:SHOWN]
    return {
        "title": "Revocations requested, not effective",
        "icon": "ban",
        "n": rows.count(),
        "url": "",
        "rows": [_revocation(row) for row in shown],
    }


def _revocation(row: Revocation) -> dict[str, Any]:
    note = row.failed_why or (row.residual[0].get("what", "") if row.residual else "")
    return {
        "words": row.words,
        "sub": f"{row.key}, {row.identity.name}{f': {note}' if note else ''}",
        "url": f"/identities/{row.identity.key}/",
        "state": row.state,
        "when": row.confirmed_at or row.sent_at or row.requested_at,
        "when_words": "",
        "share": None,
    }


def _overdue(user: User, *, now: datetime) -> dict[str, Any]:
    rows = visible.cases(user, now=now).filter(state="open", deadline_at__lte=now)
    return {
        "title": "Deadlines passed",
        "icon": "clock",
        "n": rows.count(),
        "url": "/cases/?due=passed",
        "rows": [
            {
                "words": case.title,
                "sub": f"silence: {deadlines.sentence(case)}",
                "url": f"/cases/{case.key}/",
                "state": "",
                "when": case.deadline_at,
                "when_words": "",
                "share": None,
            }
            for case in rows.select_related("identity").order_by("deadline_at")[:SHOWN]
        ],
    }


def _silent(*, now: datetime) -> dict[str, Any]:
    """Sources that promised to be heard of and were not."""
    promised = (
        Source.objects.filter(expected_every_seconds__isnull=False)
        .annotate(received=Max("deposits__received_at"))
        .order_by("name")
    )
    found = [
        (source, source.received)
        for source in promised
        if sources.state(source, source.received, gap=False, now=now).state == "silent"
    ]
    return {
        "title": "Silent sources",
        "icon": "plug",
        "n": len(found),
        "url": "/sources/?state=silent",
        "rows": [
            {
                "words": source.title or source.name,
                "sub": f"expected every {source.expected_every_seconds} s",
                "url": f"/sources/{source.name}/",
                "state": "",
                "when": last,
                "when_words": "",
                "share": None,
            }
            for source, last in found[:SHOWN]
        ],
    }


def aligned(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """Six shares, each a count of rows the user may open; one query each."""
    identities = identities_visible.identities(user, now=now).exclude(state="retired")
    seats = identities.aggregate(
        n=Count("pk"),
        both=Count(
            "pk",
            filter=Q(owner__isnull=False)
            & (
                Q(service__isnull=True)
                | Q(service__ai_system=False)
                | Q(service__ai_owner__isnull=False)
            ),
        ),
    )
    numbers = Identity.objects.filter(pk__in=identities.values("pk")).values("number")
    sums = UsageDay.objects.filter(
        identity_no__in=numbers, plane=1, day__gt=(now - timedelta(days=84)).date()
    ).values_list("count", "linked")
    used, linked = _two(sums)
    issued = identities_visible.credentials(user, now=now).aggregate(
        n=Count("pk"),
        seen=Count("pk", filter=Q(issued_event__isnull=False) | Q(issued_by__isnull=False)),
    )
    grants = DelegationVersion.objects.filter(
        delegation__in=identities_visible.delegations(user, now=now).values("pk"),
        state="in_force",
        superseded_at__isnull=True,
        during__contains=now,
        revoked_at__isnull=True,
    ).aggregate(
        n=Count("pk"),
        stated=Count("pk", filter=~Q(purpose="") & Q(during__endswith__isnull=False)),
    )
    decided = Decision.objects.filter(
        superseded_at__isnull=True, item__case__in=visible.cases(user, now=now).values("pk")
    ).aggregate(n=Count("pk"), early=Count("pk", filter=Q(at__lte=F("item__case__deadline_at"))))
    proved = (
        identities_visible.revocations(user, now=now)
        .exclude(state="undone")
        .aggregate(
            n=Count("pk"),
            soon=Count("pk", filter=Q(effective_at__lte=F("requested_at") + PROVED_WITHIN)),
        )
    )
    return [
        _share("Both seats filled", seats["both"], seats["n"], "identities", "/identities/", 95),
        _share("Linked to a run", linked, used, "events", "/events/", 95),
        _share("Issuance seen", issued["seen"], issued["n"], "credentials", "/credentials/", 90),
        _share(
            "Purpose and end stated",
            grants["stated"],
            grants["n"],
            "delegations",
            "/identities/",
            100,
        ),
        _share(
            "Decided before deadline", decided["early"], decided["n"], "decisions", "/cases/", 98
        ),
        _share("Proved within 15 min", proved["soon"], proved["n"], "revocations", "/ledger/", 95),
    ]


def _two(rows: Any) -> tuple[int, int]:
    sums = rows.aggregate(a=Sum("count"), b=Sum("linked"))
    return sums["a"] or 0, sums["b"] or 0


def _share(title: str, part: int, of: int, what: str, url: str, goal: int) -> dict[str, Any]:
    """Nothing counted is a dash: no evidence is not 0 %."""
    value = "–" if not of else f"{100 * part / of:.1f}"
    return {
        "title": title,
        "value": value,
        "unit": "%" if of else "",
        "change": "",
        "better": bool(of) and 100 * part / of >= goal,
        "goal": f"{goal} %",
        "rows": f"{part:,} of {of:,} {what}",
        "url": url,
        "points": [],
        "goal_at": None,
    }


def _setup() -> dict[str, Any] | None:
    """What is left to set up; disappears when all is done."""
    rows = [
        ("Connect an identity source", "/sources/new/", Source.objects.filter(plane="identity")),
        ("Connect an AI trace source", "/sources/new/", Source.objects.filter(plane="ai")),
        (
            "Register an identity with an owner",
            "/identities/",
            Identity.objects.filter(owner__isnull=False),
        ),
        (
            "See a credential issued",
            "/credentials/",
            Credential.objects.filter(issued_at__isnull=False),
        ),
        ("Sign a delegation", "/requests/new/", DelegationVersion.objects.filter(signed=True)),
        ("Open the first review", "/identities/", Case.objects.filter(door="access_review")),
        ("Name a tie-breaker", "/identities/", Identity.objects.filter(sponsor__isnull=False)),
        (
            "Turn consequences on for one identity",
            "/identities/",
            Identity.objects.exclude(mode="observe"),
        ),
    ]
    done = [(words, url, found.exists()) for words, url, found in rows]
    count = sum(one for _, _, one in done)
    if count == len(done):
        return None
    return {
        "done": count,
        "of": len(done),
        "rows": [{"words": words, "url": url, "done": one} for words, url, one in done],
    }
