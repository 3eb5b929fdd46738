"""How aligned we are, in words a board reads: of everything, of each AI system, of each source.

Owns the context of templates/alignment.html. What is counted: reviews/shares.py; how soon:
reviews/alignment.py.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from evidence.words import percent
from identities import visible
from identities.models import Service, User
from reviews import alignment, shares
from reviews.incidents.clocks import spoken
from reviews.models import ShareDay
from reviews.pages import aligned

# As people outside of identity management say it.
WORDS = {
    "seats": "has both owners",
    "attested": "purpose and end date set",
    "stated": "delegated for a purpose, with an end",
    "issuance": "we saw it being issued",
    "short": "short-lived credentials",
    "alone": "credentials of one identity",
    "joint": "signed by both sides",
    "decided": "decided before the deadline",
    "runs": "calls that reach a run by an exact key",
    "proved": "stopped within 15 minutes",
}
MOST_SYSTEMS = 200


def context(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/alignment.html. Of everything for who sees all; of AI systems those one sees."""
    everything = visible.sees_all(user)
    systems = list(
        visible.services(user, now=now).filter(ai_system=True).order_by("name")[:MOST_SYSTEMS]
    )
    stopped = alignment.stopped(now=now) if everything else None
    answered = alignment.answered(now=now) if everything else None
    return {
        "section": "front",
        "title": "Alignment",
        "crumbs": [{"words": "Home", "url": "/"}],
        "now": now,
        "kpis": [
            one | {"title": WORDS[share.name].capitalize()}
            for share, one in zip(
                shares.EVERY, aligned.of(user, now=now, which=shares.EVERY), strict=True
            )
        ],
        "soon": []
        if stopped is None or answered is None
        else [
            _soon("From the act to effectively stopped", stopped, "/revocations/?state=effective"),
            _soon("From the alarm to who it was", answered, "/cases/?door=incident"),
        ],
        "columns": [WORDS[one.name] for one in shares.EVERY],
        "systems": _systems(systems, stopped, now=now),
        "systems_more": len(systems) == MOST_SYSTEMS,
        "sources": [_source(one) for one in alignment.reached(now=now)] if everything else None,
        "newest": f"{alignment.MOST:,}",
    }


def _soon(title: str, found: alignment.Medians, url: str) -> dict[str, Any]:
    points = [None if one is None else one.took.total_seconds() for one in found.weeks]
    return {
        "title": title,
        "value": "–" if found.all is None else spoken(found.all.took),
        "of": "none in twelve weeks" if found.all is None else f"median of {found.all.of:,}",
        "url": url,
        "points": points if sum(one is not None for one in points) > 1 else [],
    }


def _systems(
    systems: list[Service], stopped: alignment.Medians | None, *, now: datetime
) -> list[dict[str, Any]]:
    """A row for each, from what was counted last today, with its change in thirty days."""
    since = now.date() - aligned.CHANGE
    by: dict[tuple[UUID | None, str], list[ShareDay]] = {}
    for row in ShareDay.objects.filter(
        service__in=systems, day__gte=since, day__lte=now.date()
    ).order_by("day"):
        by.setdefault((row.service_id, row.name), []).append(row)
    # In its first hour an installation has counted nothing yet.
    live = {} if by else shares.by_system(now=now)
    return [
        {
            "name": system.name,
            "url": f"/identities/?service={system.slug}",
            "cells": [
                _cell(
                    share,
                    by.get((system.pk, share.name), []),
                    live.get((system.pk, share.name), shares.Counted(0, 0)),
                    system.slug,
                )
                for share in shares.EVERY
            ],
            "stopped": _took(stopped, system.pk),
        }
        for system in systems
    ]


def _took(stopped: alignment.Medians | None, service: UUID) -> str:
    one = stopped.services.get(service) if stopped is not None else None
    return "" if one is None else spoken(one.took)


def _cell(
    share: shares.Share, days: list[ShareDay], live: shares.Counted, slug: str
) -> dict[str, Any]:
    """Of one share of one system; nothing to count is not 0 %."""
    last = shares.Counted(days[-1].part, days[-1].whole) if days else live
    first = shares.Counted(days[0].part, days[0].whole) if days else last
    change = 0.0
    if last.percent is not None and first.percent is not None:
        change = round(last.percent - first.percent, 1)
    lacking = last.whole - last.part
    return {
        "column": WORDS[share.name],
        "value": "–" if last.percent is None else f"{int(last.percent)} %",
        "whole": last.whole,
        "whole_url": f"{share.whole}&service={slug}",
        "lacking": lacking,
        "lacking_url": f"{share.lacks}&service={slug}",
        "way": (change > 0) - (change < 0),
        "change": f"{abs(change):.1f}",
        "short": last.percent is not None and last.percent < share.goal,
    }


def _source(one: alignment.Reached) -> dict[str, Any]:
    return {
        "name": one.title or one.source,
        "url": f"/sources/{one.source}/",
        "value": f"{percent(one.exact, one.calls)} %",
        "of": f"{one.exact:,} of {one.calls:,}",
        "events_url": f"/events/?source={one.source}",
        "since": one.since,
        "until": one.until,
    }
