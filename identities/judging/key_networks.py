"""Which networks a key is used from, and by which agents: learned from its exactly linked calls.

A key proves the key, not the run: a link by key from another network leaves open whether the run
made the call. Nothing is concluded from addresses before twenty exactly linked calls. A key that
an agent issued is held against the networks of the key that issued it until it has twenty of its
own. Names of services in place of an address are in no network, and teach nothing.

Owns `networks` and `agents` of CredentialWatch; the view evidence_shownlink reads both.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from evidence.models import Issuance
from evidence.queries import agents
from evidence.vocabulary import EXACT, PLANE_IDENTITY, PROOF_REQUEST_ID
from identities.models import CredentialAgent, CredentialWatch

# Exactly linked calls from which the networks of a key are known.
LEAST = 20
NOT_LEARNED = "addresses not yet learned"

# OFFSET 0: the view is asked of one call after the other, never as a whole, whatever the planner
# knows of new tables. Up to LEAST are counted, and no more once there were as many: a month that
# retention drops takes away nothing that was learned.
OWN = f"""
WITH place AS MATERIALIZED (
    SELECT t.id, evidence_network(t.value) AS network FROM evidence_term t
    WHERE t.id = ANY(%(addresses)s) AND evidence_network(t.value) IS NOT NULL
)
SELECT CASE WHEN %(counted)s >= {LEAST} THEN %(counted)s ELSE (SELECT count(*) FROM (
    SELECT FROM evidence_event e
    WHERE e.credential_id = %(key)s AND e.plane = {PLANE_IDENTITY}
      AND e.address_id IN (SELECT id FROM place)
      AND EXISTS (SELECT FROM evidence_link l WHERE l.effect_at = e.at AND l.effect_id = e.id
                  AND l.proof = {PROOF_REQUEST_ID} OFFSET 0)
      AND EXISTS (SELECT FROM evidence_shownlink v WHERE v.effect_at = e.at
                  AND v.effect_id = e.id AND v.strength = {EXACT} OFFSET 0)
    LIMIT {LEAST}) calls) END,
  ARRAY(SELECT DISTINCT network FROM place ORDER BY 1)
"""
ISSUER = f"""
SELECT i.by_credential_id, array_agg(DISTINCT d.agent)
FROM (SELECT at, event_id, by_credential_id FROM evidence_issuance
      WHERE credential_id = %s OFFSET 0) i
CROSS JOIN LATERAL (
    SELECT v.cause_at, v.cause_id FROM evidence_shownlink v
    WHERE v.effect_at = i.at AND v.effect_id = i.event_id AND v.strength = {EXACT} OFFSET 0) v
CROSS JOIN LATERAL (
    SELECT coalesce({agents.of("s")}, r.agent_id, s.principal_id) AS agent
    FROM evidence_event s
    LEFT JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
    WHERE s.at = v.cause_at AND s.id = v.cause_id OFFSET 0) d
WHERE d.agent IS NOT NULL
GROUP BY i.by_credential_id ORDER BY i.by_credential_id LIMIT 1
"""
NOT_KNOWN = """
SELECT e.at, e.id FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)
JOIN evidence_event e ON e.at = k.at AND e.id = k.id AND e.credential_id IS NOT NULL
LEFT JOIN identities_credentialwatch w ON w.credential_actor = e.credential_id
WHERE w.networks IS NULL
"""


class Issuer(NamedTuple):
    """The exactly linked call that issued a key."""

    credential: int | None  # that it was called with
    agents: list[int]  # whose run called


def issuer(credential: int) -> Issuer | None:
    """Who issued this key; None where no exact link says so."""
    with connection.cursor() as cursor:
        cursor.execute(ISSUER, [credential])
        row = cursor.fetchone()
    return None if row is None else Issuer(*row)


def learn(credential: int, linked: Sequence[CredentialAgent]) -> list[str] | None:
    """Note where this key is used from and by which agents; its networks, None: not yet learned.

    `linked`: its uses by agents that are linked to its account (key_users.linked).
    """
    row = CredentialWatch.objects.get(pk=credential)
    by = issuer(credential)
    users = {use.agent_actor for use in linked} | set(by.agents if by is not None else ())
    calls, own = 0, []
    if linked:
        facts: dict[str, Any] = {
            "key": credential,
            "addresses": sorted({use.address_id for use in linked}),
            # What was counted of an agent that is linked no more counts no more.
            "counted": row.exact_calls if users.issuperset(row.agents or ()) else 0,
        }
        with connection.cursor() as cursor:
            cursor.execute(OWN, facts)
            calls, own = cursor.fetchone()
    networks: list[str] | None = own if own and calls >= LEAST else None
    if networks is None and by is not None and by.credential is not None:
        given = CredentialWatch.objects.filter(pk=by.credential, networks__isnull=False)
        inherited = given.values_list("networks", flat=True).first()
        networks = None if inherited is None else sorted({*own, *inherited})
    _note(row, calls, networks, sorted(users) or None)
    return networks


def _note(
    row: CredentialWatch, calls: int, networks: list[str] | None, users: list[int] | None
) -> None:
    credential = row.pk
    if (row.exact_calls, row.networks, row.agents) == (calls, networks, users):
        return
    CredentialWatch.objects.filter(pk=credential).update(
        exact_calls=calls, networks=networks, agents=users
    )
    if row.networks != networks:
        issued = Issuance.objects.filter(by_credential=credential).values("credential")
        CredentialWatch.objects.filter(pk__in=issued).update(dirty=True)


def of_key(credential: int) -> str:
    """For people: the learned networks of a key, or that they are not."""
    row = CredentialWatch.objects.filter(pk=credential).first()
    if row is not None and row.networks is not None:
        return ", ".join(row.networks)
    calls = 0 if row is None else row.exact_calls
    return f"{NOT_LEARNED}: {calls} of {LEAST} exactly linked calls"


def not_learned(calls: Iterable[tuple[datetime, int]]) -> set[tuple[datetime, int]]:
    """Of these API events those with a key whose networks are not yet learned. One query."""
    wanted = sorted(set(calls))
    if not wanted:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(NOT_KNOWN, [[at for at, _ in wanted], [pk for _, pk in wanted]])
        return set(cursor.fetchall())
