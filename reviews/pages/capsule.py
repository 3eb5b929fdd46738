"""A capsule as a page: what was shown when somebody signed, and what became of it since.

What it says is what was frozen. Beside it stands what two people erased of it, and which of its
links pages do not show any more; neither changes what was signed.
"""

from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from evidence import capsules
from evidence.intake.admitting import micros
from evidence.models import Capsule, CapsuleTombstone
from evidence.vocabulary import LINK_STRENGTHS
from reviews.models import Case

# Rows of one page; all of them are in the data.
SHOWN = 1_000
WEAKEST_FIRST = [LINK_STRENGTHS[one] for one in sorted(LINK_STRENGTHS)]


def page(case: Case, capsule: Capsule) -> dict[str, Any]:
    """For templates/capsule.html, of one that was frozen for a case."""
    address = f"/cases/{case.key}"
    return shown(capsule, f"{address}/capsules/{capsule.key}.json") | {
        "case": {"key": case.key, "url": f"{address}/", "title": case.title},
    }


def shown(capsule: Capsule, url: str) -> dict[str, Any]:
    """What a capsule says, whatever it was frozen for. `url`: where it is as data."""
    body = capsule.body
    stones = list(capsule.tombstones.order_by("pk"))
    return {
        "capsule": {
            "key": capsule.key,
            "what": body["query"].get("title", ""),
            "made_at": capsule.made_at,
            "digest": bytes(capsule.digest),
            "intact": capsules.intact(capsule),
            "url": url,
        },
        "tombstones": [_stone(one) for one in stones],
        "chosen": _chosen(body) if "window" in body else None,
        "many": len(body["events"]),
        "events": _events(body)[:SHOWN],
        "missing": " ".join(body["missing"]),
        "links": _links(capsule),
    }


def _chosen(body: dict[str, Any]) -> dict[str, Any]:
    """Of a selection: what it was chosen by, and how much of that time its sources are known in."""
    formats = {(one["format"], one["format_version"]) for one in body["deposits"]}
    return {
        "asked": [
            {"name": str(key).capitalize(), "value": str(value)}
            for key, value in dict(body["query"].get("asked") or {}).items()
        ],
        "from": parse_datetime(body["window"]["from"]),
        "to": parse_datetime(body["window"]["to"]),
        "formats": [f"{name}, version {version}" for name, version in sorted(formats)],
        "policies": list(body["shown"].get("policies", ())),
        "sources": [
            {
                "name": one["source"],
                "complete": one["complete"],
                "complete_to": parse_datetime(one["complete_to"]) if one["complete_to"] else None,
                "shown_by": one["shown_by"],
                "gaps": len(one["gaps"]),
            }
            for one in body["completeness"]
        ],
        "clocks": body["clocks"],
    }


def as_data(capsule: Capsule) -> dict[str, Any]:
    """The same for programs: the body, its seal, and the tombstones that lead to its digest."""
    return {
        "key": capsule.key,
        "digest": bytes(capsule.digest).hex(),
        "body": capsule.body,
        "tombstones": [
            {
                "erasure": str(one.erasure_id),
                "events": one.events,
                "why": one.why,
                "asked_by": one.asked_by,
                "confirmed_by": one.confirmed_by,
                "at": one.at,
                "gone_digest": bytes(one.gone_digest).hex(),
                "left_digest": bytes(one.left_digest).hex(),
            }
            for one in capsule.tombstones.order_by("pk")
        ],
    }


def _stone(row: CapsuleTombstone) -> dict[str, Any]:
    return {
        "events": row.events,
        "at": row.at,
        "asked": row.asked_name,
        "confirmed": row.confirmed_name,
        "why": row.why,
        "left": bytes(row.left_digest),
    }


def _events(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of components/events.html, newest first."""
    strongest: dict[tuple[str, str], int] = {}
    for one in body["links"]:
        key = one["effect"]["at"], one["effect"]["id"]
        strongest[key] = max(strongest.get(key, 0), WEAKEST_FIRST.index(one["strength"]))
    rows = []
    for line in reversed(body["events"]):
        found = strongest.get((line["at"], line["id"]))
        rows.append(
            {
                "at": _at(line),
                "plane": line["plane"].lower(),
                "action": line["action"],
                "resource": line["resource"] or "",
                "caller": line["credential"] or line["agent"] or line["principal"] or "",
                "outcome": line["outcome"],
                "strength": "" if found is None else WEAKEST_FIRST[found],
                "url": _url(line),
                "deposit_url": f"/deposits/{line['deposit']}/",
            }
        )
    return rows


def _links(capsule: Capsule) -> list[dict[str, Any]]:
    return [
        {
            "effect_at": _at(one["effect"]),
            "effect_url": _url(one["effect"]),
            "cause_at": _at(one["cause"]),
            "cause_url": _url(one["cause"]),
            "strength": one["strength"],
            "proof": one["proof"],
            "gone": why,
        }
        for one, why in zip(capsule.body["links"], capsules.no_longer_shown(capsule), strict=True)
    ]


def _at(line: dict[str, Any]) -> datetime:
    found = parse_datetime(line["at"])
    assert found is not None  # noqa: S101 - written by evidence/capsules.py
    return found


def _url(line: dict[str, Any]) -> str:
    return f"/events/{micros(_at(line))}-{line['id']}/"
