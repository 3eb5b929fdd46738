"""What a source's system lists of itself, in a page's words: templates/inventory.html.

Owns the summary that the source's page shows as well, the lists with what was refused, and the
rows. Reads what was stored; asks no system.
"""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q

from evidence import second_person
from evidence.models import Connection, Source
from evidence.parameters import Known, understood, whole
from evidence.permissions import Reader
from identities.inventory import listing
from identities.inventory.systems import system_of
from identities.models import InventoryPlan, InventoryRead
from reviews.pages.claims import HINTS, short

ROWS = 50
OF_ROWS: Known = {"q": (), "before": ()}
READINGS = 5
STATES = {
    "done": ("done", ""),
    "refused": ("failed", "refused"),
    "absent": ("neutral", "not offered"),
    "": ("running", "under way"),
}


def summary(source: Source, by: Reader) -> dict[str, Any]:
    """How many identities, how many are new and gone, how old that is, and what can be done."""
    path = f"/sources/{source.name}/inventory/"
    link = Connection.objects.filter(source=source).first()
    system = None if link is None else system_of(link)
    plan = InventoryPlan.objects.filter(source=source).first()
    reads = listing.last_reads(source, READINGS)
    live = next((row for row in reads if row.state in InventoryRead.LIVE), None)
    last = next((row for row in reads if row.state in ("done", "partial")), None)
    failed = reads[0] if reads and reads[0].state == "failed" else None
    found = listing.counts(source) if reads else listing.Counts(0, 0)
    why_not = by.why_not_administer or ""
    paused = plan is not None and plan.paused
    acts = [
        _act("Read now", f"{path}read/", "refresh", why_not),
        _act(
            "Go on reading"
            if paused
            else "Propose a pause (a second person signs)"
            if second_person.waits(source, by)
            else "Pause",
            f"{path}pause/",
            "player-play" if paused else "player-pause",
            why_not,
            paused="0" if paused else "1",
        ),
    ]
    return {
        "url": path,
        "system": system.title if system else "",
        "identities": found.identities,
        "credentials": found.credentials,
        "last": None if last is None else _read(last),
        "live": None if live is None else _read(live),
        "failed": None if failed is None else _read(failed),
        "plan": plan and {
            "every_seconds": plan.every_seconds, "paused": plan.paused, "next_at": plan.next_at
        },
        # Before the first reading there is nothing to pause.
        "acts": (acts if plan else acts[:1]) if system else [],
    }  # fmt: skip


def context(source: Source, asked: dict[str, str], by: Reader) -> dict[str, Any]:
    """The whole page; its rows are everybody's, so only for who sees every event."""
    asked, left_out = understood(asked, OF_ROWS)
    q = asked.get("q", "").strip()[:200]
    found: dict[str, Any] = {
        "section": "sources",
        "left_out": left_out,
        "source": {"name": source.name, "title": source.title, "url": f"/sources/{source.name}/"},
        "inventory": summary(source, by),
        "lists": _lists(source),
        "q": q,
        "rows": [],
        "why_not_rows": "",
        "page": {"first": 0, "last": 0, "total": None, "prev_url": "", "next_url": ""},
    }
    if by.scope is not None:
        found["why_not_rows"] = "Who is listed is shown to reviewers, responders and auditors."
        return found
    rows = listing.current(source).select_related("actor", "holder").order_by("-pk")
    if q:
        rows = rows.filter(
            Q(title__icontains=q) | Q(actor__value__icontains=q) | Q(kind__icontains=q)
        )
    before = asked.get("before", "")
    if (least := whole(before)) is not None:
        rows = rows.filter(pk__lt=least)
    shown = list(rows[: ROWS + 1])
    rest = {"q": q} if q else {}
    found["rows"] = [_row(row) for row in shown[:ROWS]]
    found["page"]["prev_url"] = f"?{urlencode(rest)}" if before else ""
    if len(shown) > ROWS:
        found["page"]["next_url"] = f"?{urlencode({**rest, 'before': shown[ROWS - 1].pk})}"
    return found


def _act(words: str, url: str, icon: str, why_not: str, **hidden: str) -> dict[str, Any]:
    return {
        "words": words,
        "url": url,
        "icon": icon,
        "why_not": why_not,
        "hidden": [{"name": name, "value": value} for name, value in hidden.items()],
    }


def _read(row: InventoryRead) -> dict[str, Any]:
    return {
        "state": row.state,
        "found": row.found,
        "new": row.new,
        "changed": row.changed,
        "gone": row.gone,
        "pages": row.pages,
        "at": row.ended_at or row.started_at or row.asked_at,
        "by": row.asked_name or row.asked_by,
        "problem": row.problem,
        "fix": row.fix,
        "not_before": row.not_before if row.state == InventoryRead.WAITING else None,
        "refused": sorted(
            name
            for name, said in row.parts.items()
            if said.get("state") == "refused" or said.get("unread")
        ),
    }


def _lists(source: Source) -> list[dict[str, Any]]:
    """Each list of the last reading: what it brought, what was refused, and what to do."""
    row = next(iter(listing.last_reads(source, 1)), None)
    if row is None:
        return []
    found = []
    for name, said in row.parts.items():
        state, words = STATES.get(said.get("state", ""), ("running", "under way"))
        unread = len(said.get("unread", []))
        found.append(
            {
                "name": name,
                "state": state,
                "words": words,
                "found": said.get("found", 0),
                "new": said.get("new", 0),
                "gone": said.get("gone", 0),
                "unread": unread,
                "said": said.get("said", ""),
                "fix": said.get("fix", ""),
            }
        )
    return found


def _row(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": row.kind,
        "title": row.title,
        "value": row.actor.value,
        "short": short(row.actor.value) if row.credential else row.actor.value,
        "events_url": f"/events/?{urlencode({'actor': row.actor_id})}",
        "holder": row.holder.value if row.holder else "",
        "status": row.status,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "since": row.during.lower,
        "missing": row.missing,
        "hints": [
            {
                "words": HINTS.get(hint.get("kind", ""), "hint"),
                "value": hint.get("value", ""),
                "seen_in": hint.get("seen_in", ""),
            }
            for hint in row.hints
        ],
    }
