"""One event with everything that hangs on it: who it names, links, findings, where it may be pinned.

Evidence gives the facts within the reader's scope; identities, verdicts, findings and the cases
it may be pinned to come from here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evidence.intake.admitting import micros
from evidence.models import Actor, Deposit
from evidence.permissions import Reader
from evidence.queries import events, sources
from evidence.vocabulary import (
    ACTIVITIES,
    KEY,
    LINK_STRENGTHS,
    OUTCOMES,
    STRENGTHS,
    TIME_RECEIVED,
    mixed_strengths,
    proof_words,
)
from identities import visible
from identities.findings import RULES
from identities.judging import key_networks
from identities.models import User
from reviews.models import Case
from reviews.pages import judged, lists
from reviews.pages.events import judged_rows
from reviews.permissions import why_not_pin
from reviews.visible import cases

MOST_CASES = 50
ROLES = (
    ("credential_id", "credential"),
    ("principal_id", "principal"),
    ("agent_id", "agent"),
    ("on_behalf_id", "on behalf of"),
)


def event(ref: str, user: User, by: Reader, *, now: datetime) -> dict[str, Any] | None:
    """One event whole; None when this reader may not see it, or it is not there."""
    key = events.key_in(ref)
    found = events.one(key, scope=by.scope) if key is not None else None
    if key is None or found is None:
        return None
    row = judged_rows([key])[0]
    deposit = Deposit.objects.select_related("source").get(pk=found["deposit_id"])
    return {
        "section": "events",
        "event": row
        | {
            "outcome": OUTCOMES[found["outcome"]],
            "activity": ACTIVITIES[found["activity"]],
            "received_at": found["received_at"],
            "request_id": found["request_id"],
            "trace": found["trace"].hex if found["trace"] else "",
            "span": f"{found['span'] % 2**64:016x}" if found["span"] is not None else "",
            "address": found["address"],
            "user_agent": found["user_agent"],
            "error": found["error"],
            "source": found["source"],
            "source_url": f"/sources/{found['source']}/",
            "deposit_url": f"/deposits/{deposit.pk}/" if by.scope is None else "",
            "time_basis": "received" if found["time_basis"] == TIME_RECEIVED else "stated",
            "actors": _actors(found, user, now=now),
            # The body holds everybody's records; one of them is the reader's to see.
            "excerpt": sources.record_excerpt(deposit, found["ordinal"]),
            "redactions": sum(
                kind["count"] for kind in deposit.redactions.get("kinds", {}).values()
            ),
        },
        "links": _links(key),
        "findings": _findings(key, user, now=now),
        "sightings": [
            {
                "source": name,
                "url": f"/sources/{name}/",
                "deposit_url": f"/deposits/{number}/" if by.scope is None else f"/sources/{name}/",
            }
            for name, number in events.sightings(key)
        ],
        "pin": _pin(key, user, now=now),
    }


def _actors(found: Mapping[str, Any], user: User, *, now: datetime) -> list[dict[str, Any]]:
    """Everybody the record names, with the identity that each is; None: unclaimed."""
    numbers = {found[column] for column, _ in ROLES if found[column] is not None}
    actors = Actor.objects.in_bulk(numbers)
    mine = frozenset(visible.identities(user, now=now).values_list("number", flat=True))
    whose = judged.holders_of((found["at"], found["id"]), actors, visible=mine)
    rows_ = []
    for column, role in ROLES:
        actor = actors.get(found[column]) if found[column] is not None else None
        if actor is None:
            continue
        holder = whose.get(actor.pk)
        rows_.append(
            {
                "role": role,
                "value": actor.value,
                "kind": actor.kind.replace("_", " "),
                "realm": actor.realm,
                "identity": None if holder is None else {"words": holder.words, "url": holder.url},
                "strength": "" if holder is None else holder.strength,
            }
        )
    return rows_


def _links(key: events.Key) -> list[dict[str, Any]]:
    found = events.linked(key)
    unlearned = key_networks.not_learned(one.effect(key) for one in found if one.strength == KEY)
    return [_link(one, key, learned=one.effect(key) not in unlearned) for one in found]


def _link(one: events.Linked, key: events.Key, *, learned: bool) -> dict[str, Any]:
    return {
        "strength": LINK_STRENGTHS[one.strength],
        "words": one.action,
        "url": f"/events/{events.ref_of(one.key)}/",
        "proof": proof_words(one.proof, one.runs, one.surplus, learned=learned),
        "at": one.key[0],
        "difference_us": micros(one.key[0]) - micros(key[0]),
        "direction": "caused by" if one.is_cause else "caused",
    }


def _findings(key: events.Key, user: User, *, now: datetime) -> list[dict[str, Any]]:
    found = list(
        visible.findings(user, now=now)
        .filter(events__at=key[0], events__event_id=key[1])
        .order_by("number")[:20]
    )
    asked = lists.cases_of(found, user, now=now)
    return [
        {
            "key": one.key,
            "url": f"/findings/{one.key}/",
            "kind_words": RULES[one.rule],
            "rule": one.rule,
            "what": one.words,
            "at": one.last_at,
            "count": one.count,
            "strength": STRENGTHS[one.strength],
            "strengths": mixed_strengths(one.strengths),
            "state": one.state,
            "case_key": asked[one.pk].key if one.pk in asked else "",
            "case_url": f"/cases/{asked[one.pk].key}/" if one.pk in asked else "",
        }
        for one in found
    ]


def _pin(key: events.Key, user: User, *, now: datetime) -> dict[str, Any] | None:
    """The open cases that this event can be kept for as evidence."""
    open_ = cases(user, now=now).exclude(state__in=["closed", "cancelled"]).order_by("-number")
    may: list[Case] = [one for one in open_[:MOST_CASES] if why_not_pin(user, one) is None]
    if not may:
        return None
    return {
        "url": f"/events/{events.ref_of(key)}/pin/",
        "cases": [{"key": one.key, "title": one.title} for one in may],
    }
