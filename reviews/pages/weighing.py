"""Delegated, possible and used, side by side: what the evidence of an item rests on.

Owns the reading (once for a case, a constant number of queries) and the rows. What was not read
is "not known"; what is in no evidence is "not seen" where there is evidence of the identity at
all, else "no evidence": never "unused".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from identities.combinations import Row
from identities.findings.rules import needs_authority
from identities.models import DelegationVersion, Entitlement, Identity
from reviews import combined, shown, used
from reviews.exports import moment
from reviews.models import Case, Item
from reviews.pages import freshness, possible
from reviews.shown import covers
from reviews.used import Use

KINDS = ("delegation", "grant", "entitlement")
MOST_READINGS = 10
MOST_ROWS = 60
MOST_OUTSIDE = 20
MOST_BEYOND = 12


@dataclass
class Weighed:
    """What was delegated to an identity, what its targets allow, what it did, how fresh it is."""

    key: str = ""
    versions: list[DelegationVersion] = field(default_factory=list)
    readings: list[Entitlement] = field(default_factory=list)
    used: list[Use] = field(default_factory=list)
    fresh: dict[str, Any] = field(default_factory=dict)
    own: tuple[Row, ...] = ()  # what this installation calls dangerous together

    @property
    def calls(self) -> list[Use]:
        return [one for one in self.used if one.called]


def read(case: Case, *, now: datetime) -> Weighed:
    """Of the identity of a case at `now`; nothing of a case on none."""
    if case.identity is None:
        return Weighed()
    found = of_identity(case.identity, now=now)
    found.fresh = freshness.of_cases([case], now=now)[case.pk]
    return found


def of_identity(identity: Identity, *, now: datetime) -> Weighed:
    """The same of an identity, but for how fresh it is."""
    return Weighed(
        key=identity.key,
        versions=list(
            DelegationVersion.objects.filter(
                delegation__grantee=identity,
                superseded_at__isnull=True,
                state="in_force",
                during__contains=now,
                revoked_at__isnull=True,
            )
            .select_related("delegation")
            .order_by("delegation__number", "version")
        ),
        readings=list(
            Entitlement.objects.filter(
                identity=identity, superseded_at__isnull=True, during__contains=now
            ).order_by("principal")[:MOST_READINGS]
        ),
        used=used.of(identity, now=now),
        own=combined.own_rows(),
    )


def of_item(item: Item, weighed: Weighed) -> dict[str, Any] | None:
    """The rows beside an item; None for what is no permission."""
    if item.kind not in KINDS or not weighed.key:
        return None
    mine = item.kind == "delegation"
    patterns = _patterns(item, of_delegation(item, weighed) if mine else weighed.versions)
    everything = [one for row in weighed.versions for one in row.actions]
    rows = [_of_pattern(*one, weighed) for one in patterns[:MOST_ROWS]]
    named = [action for action, *_ in patterns]
    outside = _by_action(
        weighed,
        lambda action: needs_authority(action) and not covers([*named, *everything], action),
    )
    rows += [_of_action(action, uses, weighed) for action, uses in outside[:MOST_OUTSIDE]]
    beyond = {
        action: how
        for how, effect in (("eligible", "eligible"), ("yes", "allow"))
        for action in possible.allowed(weighed.readings, most=1_000, effect=effect)
        if action not in named
        and not covers(named, action)
        and not any(covers([action], one.action) for one in weighed.calls)
    }
    # What is possible now before what has to be activated first.
    first = sorted(beyond.items(), key=lambda one: one[1] != "yes")
    rows += [_only_possible(*one) for one in first[:MOST_BEYOND]]
    more = max(0, len(patterns) - MOST_ROWS) + max(0, len(outside) - MOST_OUTSIDE)
    return {
        "rows": rows,
        "more": more + max(0, len(beyond) - MOST_BEYOND),
        "fresh": weighed.fresh,
        "possible": possible.beyond(weighed.readings, weighed.versions),
    }


def of_delegation(item: Item, weighed: Weighed) -> list[DelegationVersion]:
    """The versions in force of the delegation that the item is about."""
    if item.ref is None:
        return [shown.stated(item)]
    return [row for row in weighed.versions if row.delegation_id == item.ref]


type Pattern = tuple[str, list[str], str]


def _patterns(item: Item, versions: Sequence[DelegationVersion]) -> list[Pattern]:
    """Each action pattern once: (pattern, its resources, how it is delegated)."""
    found: dict[str, Pattern] = {}
    if item.kind == "grant" or (item.kind == "delegation" and not versions):
        # What is asked for, or was in force when the item was made and is no more.
        wanted = [*item.proposal.get("actions", []), *item.snapshot.get("unseen", [])]
        on = [str(one) for one in item.proposal.get("resources", [])]
        how = "asked" if item.kind == "grant" or item.note.startswith("proposed") else "no"
        return [(str(one), on, how) for one in wanted]
    for row in versions:
        for action in row.actions:
            at = found.setdefault(action, (action, [], "yes" if row.signed else "unsigned"))
            at[1].extend(one for one in row.resources if one not in at[1])
    return list(found.values())


def _by_action(weighed: Weighed, wanted: Callable[[str], bool]) -> list[tuple[str, list[Use]]]:
    found: dict[str, list[Use]] = {}
    for one in weighed.calls:
        if wanted(one.action):
            found.setdefault(one.action, []).append(one)
    return list(found.items())


def _of_pattern(action: str, resources: list[str], how: str, weighed: Weighed) -> dict[str, Any]:
    uses = [one for one in weighed.calls if covers([action], one.action)]
    told = {possible.answer(weighed.readings, action, one) for one in resources or ["*"]}
    may = told.pop() if len(told) == 1 else "unknown"
    return {
        "action": action,
        "resource": _on(resources),
        "delegated": how,
        "possible": may,
        **_use(uses, weighed, exact="*" not in action),
    }


def _of_action(action: str, uses: list[Use], weighed: Weighed) -> dict[str, Any]:
    told = {possible.answer(weighed.readings, action, one.family) for one in uses}
    families = list(dict.fromkeys(one.family for one in uses if one.family))
    return {
        "action": action,
        "resource": _on(families),
        "delegated": "no",
        "possible": told.pop() if len(told) == 1 else "unknown",
        **_use(uses, weighed, exact=True),
    }


def _on(resources: list[str]) -> str:
    more = f" and {len(resources) - 3} more" if resources[3:] else ""
    return f"on {', '.join(resources[:3])}{more}" if resources else ""


def _only_possible(action: str, how: str) -> dict[str, Any]:
    return {
        "action": action,
        "resource": "",
        "delegated": "no",
        "possible": how,
        "seen": "not_seen",
        "count": None,
    }


def _use(uses: list[Use], weighed: Weighed, *, exact: bool) -> dict[str, Any]:
    said = used.together(uses)
    if said is None:
        # Only where something was seen of the identity does "not seen" say anything.
        return {"seen": "not_seen" if weighed.calls else "no_evidence", "count": None}
    query = {"identity": weighed.key} | ({"action": uses[0].action} if exact else {})
    return {
        "seen": "seen",
        "count": said.calls,
        "first_at": said.first,
        "last_at": said.last,
        "resources": said.resources,
        "actions": len({one.action for one in uses}),
        "url": f"/events/?{urlencode(query)}",
    }


def as_data(item: Item, weighed: Weighed) -> dict[str, Any] | None:
    """The same as JSON: the member `weighed` of an item."""
    found = of_item(item, weighed)
    if found is None:
        return None
    words = {"unknown": "not known", "eligible": "after activation"}
    return {
        "evidence_to": moment(found["fresh"].get("at")),
        "evidence_doubt": found["fresh"].get("why") or None,
        "possible": found["possible"],
        "more": found["more"],
        "rows": [
            {
                "action": row["action"],
                "on": row["resource"].removeprefix("on ") or None,
                "delegated": row["delegated"],
                "possible": words.get(row["possible"], row["possible"]),
                "used": row["seen"].replace("_", " "),
                "count": row["count"],
                "resource_families": row.get("resources"),
                "first_at": moment(row.get("first_at")),
                "last_at": moment(row.get("last_at")),
            }
            for row in found["rows"]
        ],
    }
