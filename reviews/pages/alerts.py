"""Alerts as pages: which came, whom each is about, and what became of it.

Owns the contexts of templates/alerts.html and alert.html. A constant number of queries.
"""

from datetime import datetime
from typing import Any

from django.conf import settings

from evidence.formats.alerts import NAME
from evidence.models import Connection
from evidence.parameters import Known, understood
from identities import visible
from identities.models import ProposedChange, User
from reviews.incidents import alert_rights, alerts
from reviews.models import Alert, AlertDeposit
from reviews.models.alerts import ALERT_SEVERITIES, ALERT_STATES
from reviews.pages import lists

PATH = "/alerts/"
CRUMBS = [{"words": "Alerts", "url": PATH}]
STATE_WORDS = {
    "unmatched": "unmatched",
    "noted": "noted",
    "opened": "opened an incident",
    "joined": "joined an incident",
    "dismissed": "dismissed",
}
BADGES = {"unmatched": "unclaimed", "noted": "neutral", "opened": "incident", "joined": "incident"}
SHAPES = {
    "ocsf": "OCSF finding",
    "sigma": "hit of a Sigma rule",
    "plain": "alert",
    "signal": "signal",
}
ASKS: Known = {"state": ALERT_STATES, "severity": ALERT_SEVERITIES, "source": (), "page": ()}
MOST_WRONG = 20


def overview(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/alerts.html."""
    said, left_out = understood(asked, ASKS)
    seen = alert_rights.alerts(user, now=now)
    rows = seen.order_by("-number")
    for name, path in (("state", "state"), ("severity", "severity"), ("source", "source__name")):
        if said.get(name):
            rows = rows.filter(**{path: said[name]})
    found, page = lists.page_of(rows, said, PATH)
    waiting = seen.filter(state="unmatched").count()
    return {
        "section": "alerts",
        "title": "Alerts",
        "now": now,
        "lead": "What other systems noticed. Each is kept, whatever becomes of it.",
        "rows": [row_of(one) for one in found],
        "page": page,
        "left_out": left_out,
        "controls": [
            lists.choice("state", "State", STATE_WORDS, said.get("state", "")),
            lists.choice("severity", "Severity", ALERT_SEVERITIES, said.get("severity", "")),
        ],
        "source": said.get("source", ""),
        "waiting": waiting,
        "filtered": any(said.get(name) for name in ("state", "severity", "source")),
        "sources": _sources() if visible.sees_all(user) else [],
        "wrong": _wrong() if visible.sees_all(user) else [],
    }


def row_of(one: Alert) -> dict[str, Any]:
    return {
        "key": one.key,
        "url": f"{PATH}{one.key}/",
        "title": one.title,
        "severity": one.severity,
        "source": one.source.name,
        "shape": SHAPES[one.shape],
        "rule": one.rule,
        "at": one.at,
        "repeats": one.repeats,
        "state": one.state,
        "badge": {"kind": BADGES.get(one.state, "neutral"), "words": STATE_WORDS[one.state]},
        "why": one.why,
        "identity": None
        if one.identity is None
        else {"words": one.identity.name, "url": f"/identities/{one.identity.key}/"},
        "case": None
        if one.case is None
        else {"words": one.case.key, "url": f"/cases/{one.case.key}/room/"},
    }


def _sources() -> list[dict[str, Any]]:
    """Where alerts come by webhook, and from which severity on they open incidents."""
    links = Connection.objects.filter(connector=NAME).select_related("source")
    return [
        {
            "name": link.source.name,
            "url": f"/sources/{link.source.name}/",
            "address": f"{settings.BASE_URL}/api/alerts/from/{link.source.name}/",
            "opens": alerts.opens_from(link),
        }
        for link in links.order_by("source__name")[:200]
    ]


def _wrong() -> list[dict[str, Any]]:
    """What lately came and was no alert: where, and what to do."""
    rows = AlertDeposit.objects.exclude(wrong=[]).order_by("-deposit_id")[:MOST_WRONG]
    return [
        {
            "deposit": row.deposit_id,
            "url": f"/deposits/{row.deposit_id}/",
            "at": row.read_at,
            "words": "; ".join(f"{place}: {what}" for place, what in row.wrong[:5]),
        }
        for row in rows
    ]


def one(
    alert: Alert, user: User, *, now: datetime, typed: dict[str, str] | None = None
) -> dict[str, Any]:
    """templates/alert.html."""
    why_not = alert_rights.why_not_settle_alert(user, now=now) or ""
    over = alert.state in ("opened", "joined", "dismissed")
    known = [] if over else alerts.known_of(alert)
    seen = visible.identities(user, now=now).filter(pk__in=[found.pk for found in known])
    return {
        "section": "alerts",
        "crumbs": CRUMBS,
        "heading": alert.title,
        "row": row_of(alert),
        "alert": alert,
        "names": [
            dict(zip(("realm", "kind", "value"), parts, strict=True)) for parts in alert.names
        ],
        "deposit_url": f"/deposits/{alert.deposit_id}/" if visible.sees_all(user) else "",
        "over": over,
        "why_not": why_not,
        "known": [{"key": found.key, "name": found.name} for found in seen.order_by("number")],
        "typed": typed or {},
        "waits": ProposedChange.objects.filter(
            kind=alerts.KIND, state="proposed", subject=alert.key
        ).last(),
    }
