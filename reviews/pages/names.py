"""From what somebody typed to an identity, or to an actor that nobody has claimed yet."""

import re
from typing import Any, NamedTuple

from django.db import connection

from evidence.models import Actor
from evidence.names import plain
from evidence.queries.events import MOST_CHILDREN, family
from evidence.words import counted
from identities.models import Binding, Identity
from reviews.exports import moment
from reviews.pages import line_data


class Unclaimed(NamedTuple):
    """Seen in evidence, bound to nobody."""

    actor: Actor


def resolve(name: str) -> Identity | Unclaimed | None:
    """An identity by key or name, else by an actor bound to it (or its parents), else the actor."""
    name = plain(name)
    key = re.fullmatch(r"NHI-0*(\d{1,18})", name.strip(), re.IGNORECASE)
    if key:
        return Identity.objects.filter(number=int(key.group(1))).first()
    by_name = Identity.objects.filter(name=name).first()
    if by_name is not None:
        return by_name
    actors = list(Actor.objects.filter(value=name).select_related("parent__parent")[:10])
    for actor in actors:
        line = [
            one.pk for one in (actor, actor.parent, actor.parent and actor.parent.parent) if one
        ]
        for row in (
            Binding.objects.filter(actor_id__in=line, state="confirmed", superseded_at__isnull=True)
            .select_related("identity")
            .order_by("shared", "pk")
        ):
            return row.identity
        issued = actor.issuances.select_related("issued_to").order_by("at").first()
        if issued is not None and issued.issued_to_id is not None:
            row2 = (
                Binding.objects.filter(
                    actor_id=issued.issued_to_id, state="confirmed", superseded_at__isnull=True
                )
                .select_related("identity")
                .first()
            )
            if row2 is not None:
                return row2.identity
    return Unclaimed(actors[0]) if actors else None


def unclaimed_line(found: Unclaimed) -> dict[str, Any]:
    """What can be said of an actor nobody has claimed: issuance and use; no authority."""
    actor = found.actor
    # A role acts by its sessions, a session by its keys.
    acting = family([actor.pk])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(at), max(at) FROM ("
            " SELECT at FROM evidence_event e WHERE e.credential_id = ANY(%(who)s)"
            "  OR e.principal_id = ANY(%(who)s) OR e.agent_id = ANY(%(who)s)"
            " UNION ALL SELECT e.at FROM evidence_agentabove a"
            "  JOIN evidence_event e ON e.at = a.at AND e.id = a.id WHERE a.agent_id = ANY(%(who)s)"
            "  AND coalesce(e.credential_id = ANY(%(who)s), false) IS FALSE"
            "  AND coalesce(e.principal_id = ANY(%(who)s), false) IS FALSE) seen",
            {"who": acting},
        )
        count, first, last = cursor.fetchone()
    least = "at least " if len(acting) == MOST_CHILDREN else ""
    return {
        "identity": None,
        "actor": {"realm": actor.realm, "kind": actor.kind, "value": actor.value},
        "what_identity": {
            "answer": f"{actor.value}: seen in evidence, claimed by nobody",
            "chain": line_data.chain(actor.pk),
        },
        "what_authority": {"answer": "not known: no identity is bound to it", "delegations": []},
        "what_behaviour": {
            "answer": f"{least}{counted(count, 'event')}, not judged",
            "events": count,
            "first_at": moment(first),
            "last_at": moment(last),
        },
    }
