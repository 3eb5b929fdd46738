"""Credentials of an EC2 instance that are used from elsewhere while the instance itself calls.

The session of an instance is named by the instance (`assumed-role/<role>/i-…`), whichever key it has.
Its own address is the one of most of its calls. A call from another address, between calls from its
own, came from outside: an instance that was given another address does not go back to the first. It
is never stronger than inferred, as an instance may reach AWS by a VPC endpoint as well as by a
gateway: it asks, and cuts nothing. Names of AWS's services are no addresses.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from django.db import connection

from evidence.models import Actor
from evidence.vocabulary import INFERRED, PLANE_IDENTITY, TIME_STATED
from identities.models import Finding, FindingEvent

from . import found, holders, scope

RULE = "outside_instance"
# Looked at before and after the events of a deposit: keys of an instance last some hours.
AROUND = timedelta(days=2)
INSTANCE = r"^arn:[a-z-]+:sts::[0-9]{12}:assumed-role/[^/]+/i-[0-9a-f]{8,17}$"
ADDRESSES = """
SELECT e.address_id, a.value, count(*), min(e.at), max(e.at) FROM evidence_event e
JOIN evidence_term a ON a.id = e.address_id
WHERE e.principal_id = %(actor)s AND e.plane = %(plane)s AND e.time_basis = %(stated)s
  AND e.at BETWEEN %(since)s AND %(until)s
GROUP BY 1, 2 ORDER BY 3 DESC, 4, 1
"""
CALLS = """
SELECT e.at, e.id, e.address_id FROM evidence_event e
WHERE e.principal_id = %(actor)s AND e.plane = %(plane)s AND e.time_basis = %(stated)s
  AND e.at BETWEEN %(first)s AND %(last)s AND e.address_id = ANY(%(others)s)
ORDER BY e.at, e.id LIMIT %(most)s
"""


def judge(events: Iterable[scope.Seen], *, now: datetime) -> None:
    """Open, extend and take back what is found of the instances that these events name."""
    times: dict[int, list[datetime]] = {}
    for seen in events:
        if seen.principal is not None and seen.plane == PLANE_IDENTITY:
            times.setdefault(seen.principal, []).append(seen.at)
    if not times:
        return
    instances = Actor.objects.filter(pk__in=times, kind="role_session", value__regex=INSTANCE)
    for actor, arn in instances.order_by("pk").values_list("pk", "value"):
        since, until = min(times[actor]) - AROUND, max(times[actor]) + AROUND
        groups, details = _outside(actor, arn.rpartition("/")[2], since, until)
        found.extend(
            {key: found.Asked(told, "", details[key]) for key, told in groups.items()}, now=now
        )
        _take_back(actor, groups, since, until, now=now)


def _outside(
    actor: int, instance: str, since: datetime, until: datetime
) -> tuple[dict[found.Key, list[found.Told]], dict[found.Key, dict[str, str]]]:
    facts: dict[str, Any] = {
        "actor": actor,
        "plane": PLANE_IDENTITY,
        "stated": TIME_STATED,
        "since": since,
        "until": until,
        "most": found.MOST_EVENTS,
    }
    with connection.cursor() as cursor:
        cursor.execute(ADDRESSES, facts)
        rows = [row for row in cursor.fetchall() if _is_address(row[1])]
        if len(rows) < 2:
            return {}, {}
        own, others = rows[0], {row[0]: row[1] for row in rows[1:]}
        cursor.execute(CALLS, {**facts, "first": own[3], "last": own[4], "others": list(others)})
        calls = cursor.fetchall()
    bound = holders.Holders({actor})
    groups: dict[found.Key, list[found.Told]] = {}
    details: dict[found.Key, dict[str, str]] = {}
    for at, event, address in calls:
        whose = bound.at(actor, at)
        identity = whose[0].identity if len(whose) == 1 else None
        key = found.Key(identity, actor, RULE, f"{instance} {others[address]}")
        groups.setdefault(key, []).append((at, event, INFERRED, others[address]))
        details[key] = {"instance": instance, "address": others[address], "own": own[1]}
    return groups, details


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _take_back(
    actor: int,
    groups: Mapping[found.Key, list[found.Told]],
    since: datetime,
    until: datetime,
    *,
    now: datetime,
) -> None:
    """Events of this time that no longer hold: which address is the instance's own is told by all
    its calls, and whose the session is may have become known."""
    for finding in (
        Finding.objects.filter(actor_id=actor, rule=RULE, state__in=found.LIVE)
        .select_related("identity")
        .select_for_update(of=("self",))
    ):
        number = finding.identity.number if finding.identity else None
        told = groups.get(found.Key(number, actor, RULE, finding.family), [])
        kept = {(at, event) for at, event, _, _ in told}
        gone = [
            row.pk
            for row in finding.events.filter(at__range=(since, until))
            if (row.at, row.event_id) not in kept
        ]
        if gone:
            FindingEvent.objects.filter(pk__in=gone).delete()
            found.total([finding], now=now)
