"""What the pages of evidence show: contexts of sources, deposits and the ledger.

Owns the words around rows; the rows are queries'. Must not know of requests.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from evidence import (
    actions,
    anchoring,
    contradictions,
    custody_pages,
    doors,
    kept_old,
    known,
    pulling,
    second_person,
    verified,
)
from evidence.models import Anchor, Deposit, Source
from evidence.parameters import Known, understood, whole
from evidence.permissions import Reader
from evidence.queries import failures, ledger, sources
from evidence.sources.failures import Stopped
from evidence.stores import anchors
from evidence.withheld import Withheld

# What is wrong with a source, the worst first.
TROUBLE = ("silent", "gap", "late", "new_source", "ok")
# What the lists are narrowed by.
OF_SOURCES: Known = {"q": (), "state": TROUBLE, "page": ()}
OF_DEPOSITS: Known = {"rejects": (), "old": (), "before": ()}
OF_LEDGER: Known = {"q": (), "act": (), "subject": (), "before": ()}
GITHUB = "github_webhook"  # the format of what GitHub's webhooks send


def address(path: str, asked: Mapping[str, Any], **changed: Any) -> str:
    """The same page with these parts of its address changed; None takes one out."""
    said = {key: value for key, value in {**asked, **changed}.items() if value not in (None, "")}
    return f"{path}?{urlencode(said)}" if said else path


def pager(path: str, asked: Mapping[str, Any], before: int | None, **rest: Any) -> dict[str, Any]:
    """The way to the next page, and back to the newest."""
    return {
        "first": 0,
        "last": 0,
        "total": None,
        "prev_url": address(path, asked, before=None) if asked.get("before") else "",
        "next_url": address(path, asked, before=before, **rest) if before is not None else "",
    }


def source_list(asked: Mapping[str, str], by: Reader, *, now: datetime) -> dict[str, Any]:
    """The sources a page at a time, what is wrong first: nobody reads 500 rows to find one."""
    asked, left_out = understood(asked, OF_SOURCES)
    found = sources.rows(now=now)
    # Whoever sees some identities only, sees some findings only.
    against = contradictions.found() if by.scope is None else {}
    for row in found:
        row["contradictions"] = against.get(row["name"], [])
    counts = Counter(row["state"] for row in found)
    q, state = asked.get("q", "").strip().casefold(), asked.get("state", "")
    shown = sorted(
        (
            row
            for row in found
            if (not state or row["state"] == state)
            and (not q or q in f"{row['name']} {row['title']} {row['format']}".casefold())
        ),
        key=lambda row: (not row["contradictions"], TROUBLE.index(row["state"])),
    )
    number = max(1, min(whole(asked.get("page", "")) or 1, 1 + len(shown) // sources.PAGE))
    first = (number - 1) * sources.PAGE
    more = first + sources.PAGE < len(shown)
    return {
        "section": "sources",
        "left_out": left_out,
        "now": now,
        "rows": shown[first : first + sources.PAGE],
        "any": bool(found),
        "failures": failures.failed(),
        "over_quota": doors.spent(row["name"] for row in found),
        "failures_remedy": failures.REMEDY,
        # An error may quote the evidence that it is about.
        "may_read_errors": by.why_not_administer is None,
        "q": asked.get("q", ""),
        "filters": [
            {
                "name": "state",
                "words": "State",
                "options": [{"value": "", "words": f"all ({len(found):,})", "on": not state}]
                + [
                    {
                        "value": one,
                        "words": f"{one.replace('new_source', 'no evidence yet')} ({counts[one]:,})",
                        "on": one == state,
                    }
                    for one in TROUBLE
                    if counts[one] or one == state
                ],
            }
        ],
        "here_url": address("/sources/", asked),
        "page": {
            "first": first + 1 if shown else 0,
            "last": min(first + sources.PAGE, len(shown)),
            "total": len(shown),
            "prev_url": address("/sources/", asked, page=number - 1) if number > 1 else "",
            "next_url": address("/sources/", asked, page=number + 1) if more else "",
        },
        "head_acts": [
            {
                "words": "Add a source",
                "url": "/sources/new/",
                "why_not": by.why_not_administer or "",
                "icon": "plus",
                "get": True,
            },
            {
                "words": "Mappings",
                "url": "/mappings/",
                "why_not": "",  # everybody may read them
                "icon": "file-text",
                "get": True,
            },
        ],
    }


def source(
    source: Source, asked: Mapping[str, str], by: Reader, *, now: datetime
) -> dict[str, Any]:
    asked, left_out = understood(asked, OF_DEPOSITS)
    path = f"/sources/{source.name}/"
    detail = sources.detail(source, now=now)
    rows: list[dict[str, Any]] = []
    before: int | None = None
    if by.scope is None:
        rows, before = sources.deposits(
            source,
            before=whole(asked.get("before", "")),
            only=next((name for name in ("rejects", "old") if asked.get(name)), ""),
        )
    may = by.why_not_administer is None
    return {
        "section": "sources",
        "left_out": left_out,
        "source": detail,
        "drop_url": f"{path}drop/",
        "why_not_drop": by.why_not_send or "",
        "drop_waits": second_person.sending_waits(source, by),
        "formats": [
            {"value": name, "words": title}
            for name, title in known.titles()
            if source.format in ("", name)
        ],
        "declare_url": f"{path}declare/" if may else "",
        "rotate_url": f"{path}token/" if may else "",
        "takes_two": may and second_person.waits(source, by),
        "hook": _hook(source, by) if may else None,
        "acts": [],
        "gaps": sources.gaps(source),
        "contradictions": contradictions.found().get(source.name, []) if by.scope is None else [],
        "deposits": rows,
        "no_deposits": _no_deposits(by, filtered=any(asked.values())),
        "page": pager(path, asked, before),
        "pulling": pulling.context(source, by, now=now),
        "custody": custody_pages.of_source(source, by, now=now),
        **addresses(source),
    }


def _no_deposits(by: Reader, *, filtered: bool) -> dict[str, str]:
    """Why no deposit is shown: who sees some identities only sees none, however many there are."""
    if by.scope is not None:
        words, sub = "You see no deposits", "They are shown to people who see all evidence."
    elif filtered:
        words, sub = "No deposit fits", "Take the filter away to see all."
    else:
        words = "Nothing has been received yet"
        sub = "Send to it with the lines on the right, or drop a file."
    return {"words": words, "sub": sub}


def _hook(source: Source, by: Reader) -> dict[str, Any] | None:
    """Where GitHub sends to, and whether its secret can be shown; None: it sends otherwise."""
    if source.format not in ("", GITHUB):
        return None
    return {
        "url": f"{settings.BASE_URL}/api/evidence/{source.name}/github/",
        "secret_url": f"/sources/{source.name}/webhook-secret/",
        "why_not": actions.why_not_show_secret(source, by) or "",
    }


def secret(source: Source, secret: str, by: Reader) -> dict[str, Any]:
    return {
        "section": "sources",
        "source": {"name": source.name, "title": source.title, "url": f"/sources/{source.name}/"},
        "secret": secret,
        "hook": _hook(source, by),
    }


def addresses(source: Source) -> dict[str, str]:
    """Where a sender of this source sends to."""
    return {
        "otlp_url": f"{settings.BASE_URL}/v1/traces",
        "records_url": f"{settings.BASE_URL}/api/evidence/{source.name}/",
    }


def token(source: Source, token: str, waits: str = "") -> dict[str, Any]:
    """templates/source_token.html; `waits`: the proposal that a second person signs first."""
    return {
        "section": "sources",
        "source": {
            "name": source.name,
            "title": source.title,
            "url": f"/sources/{source.name}/",
        },
        "token": token,
        "waits": waits,
        "expires_at": None if waits else source.token_expires_at,
        **addresses(source),
    }


def deposit(deposit: Deposit, asked: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    kept = sources.kept(deposit)
    text, note = ("", "") if kept.body is None else sources.excerpt(kept.body, deposit.format)
    rejects, after = sources.rejects(deposit, after=whole(asked.get("after", "")) or 0)
    path = f"/deposits/{deposit.pk}/"
    return {
        "section": "sources",
        "deposit": {
            "id": deposit.pk,
            "source": deposit.source.name,
            "source_url": f"/sources/{deposit.source.name}/",
            "received_at": deposit.received_at,
            "received_by": deposit.received_by,
            "name": deposit.name,
            "format": deposit.format,
            "received_digest": bytes(deposit.received_digest),
            "received_bytes": deposit.received_bytes,
            "kept_digest": bytes(deposit.kept_digest),
            "kept_bytes": deposit.kept_bytes,
            "rule_version": deposit.rule_version,
            "records": deposit.records,
            "events": deposit.events,
            "events_url": f"/events/?deposit={deposit.pk}" if deposit.events else "",
            "duplicates": deposit.duplicates,
            "rejects": deposit.rejects,
            "old": deposit.old,
            "old_words": kept_old.words(deposit.source, deposit.old, deposit.old_from, now=now),
            "first_at": deposit.first_at,
            "last_at": deposit.last_at,
            "place": deposit.place,
            "intact": kept.intact,
            "away": kept.away,
        },
        "redactions": sources.redactions(deposit),
        "rejects": rejects,
        "excerpt": text,
        "excerpt_note": note,
        "page": {
            "first": 0,
            "last": 0,
            "total": None,
            "prev_url": path if asked.get("after") else "",
            "next_url": address(path, {}, after=after) if after is not None else "",
        },
    }


def ledger_page(asked: Mapping[str, str], by: Reader) -> dict[str, Any]:
    asked, left_out = understood(asked, OF_LEDGER)
    wanted = ledger.Filter(
        q=asked.get("q", ""), act=asked.get("act", ""), subject=asked.get("subject", "")
    )
    hidden = Withheld(by.sealed, by.sealed_keys, by.sealed_rows)
    rows, before = ledger.rows(wanted, hidden=hidden, before=whole(asked.get("before", "")))
    acts = [{"value": "", "words": "all acts", "on": not wanted.act}]
    acts += [{"value": act, "words": act, "on": act == wanted.act} for act in ledger.acts()]
    return {
        "section": "ledger",
        "left_out": left_out,
        "q": wanted.q or wanted.subject,
        "acts_filter": acts,
        "rows": rows,
        "page": pager("/ledger/", asked, before),
        "sealed": ledger.sealed(),
        "verification": verified.last(),
        "anchors": anchored(),
        "export_url": "/ledger/export/",
    }


KINDS_OF_PLACES = {
    "rfc3161": "time-stamping authority",
    "s3": "locked bucket",
    "webhook": "signed webhook",
    "mail": "mailbox",
}


def anchored() -> dict[str, Any]:
    """Where the ledger's head is kept outside: up to which row, and what waits."""
    try:
        set_up, problem = anchors.configured.read(), ""
    except Stopped as stopped:
        set_up, problem = None, f"{stopped.what} {stopped.fix}"
    gone = next(iter(anchoring.faults(newest=1)), None)
    last = Anchor.objects.order_by("-number").first()
    return {
        "set_up": set_up is not None,
        "problem": problem or (f"Row {gone.number:,} {gone.what}." if gone else ""),
        "last": last
        and {
            "row": last.number,
            "at": last.made_at,
            "url": f"/ledger/anchors/{last.number}.jws",
        },
        "rows": [
            {
                "place": one.name,
                "kind": KINDS_OF_PLACES[one.kind],
                "row": one.kept and one.kept.anchor_id,
                "at": one.kept and one.kept.kept_at,
                "words": one.kept.words if one.kept else "",
                "waits": one.waits and one.waits.anchor_id,
                "why": one.waits.why if one.waits else "",
            }
            for one in anchoring.standing()
        ],
    }
