"""What is in force, as rows of text that can be compared before and after a request.

Each kind is one table, or the part of it that counts, without the columns that say who looked when.
Drafts, proposals, comments, notices and the ledger are not in force, and are not here.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

# kind → (table, which of its rows count, the columns that count; none named: all of them)
KINDS: dict[str, tuple[str, str, str]] = {
    "authority": (
        "identities_delegationversion",
        "state = 'in_force' AND superseded_at IS NULL",
        "delegation_id actions resources conditions during",
    ),
    "grants": ("identities_grant", "true", "id state"),
    "break-glass": ("reviews_breakglass", "opened_at IS NOT NULL", "case_id ends_at"),
    "policies": ("reviews_reviewpolicy", "state = 'signed' AND recorded_by <> 'countersign'", "id"),
    "modes": ("reviews_moderule", "state IN ('in_force', 'ended')", "id state"),
    "automatic holds": ("reviews_holdrule", "state IN ('in_force', 'ended')", "id state"),
    "bundles": ("reviews_bundle", "state IN ('in_force', 'ended')", "id state"),
    "playbooks": ("reviews_playbook", "state IN ('in_force', 'ended')", "id state"),
    "freezes": ("reviews_freeze", "state IN ('in_force', 'ended')", "id state"),
    "sealed credentials": (
        "reviews_sealedcredential",
        "state IN ('in_force', 'ended')",
        "id state",
    ),
    "stop of all writes": (
        "identities_outgoingswitch",
        "state IN ('in_force', 'ended')",
        "id state",
    ),
    "outcomes": ("reviews_item", "outcome NOT IN ('', 'conflict', 'deny')", "id outcome"),
    "identities": (
        "identities_identity",
        "true",
        "id name owner_id sponsor_id backup_id service_id mode criticality evidence_boundary",
    ),
    "states of identities": ("identities_identity", "true", "id state"),
    "attestations": ("identities_identity", "true", "id purpose expires_at"),
    "services": ("identities_service", "true", "id owner_id ai_owner_id ai_system criticality"),
    "members of teams": (
        "identities_membership",
        "superseded_at IS NULL",
        "team_id person_id during",
    ),
    "people": ("identities_person", "true", "id name email left_at manager_id"),
    "logins": (
        "identities_user",
        "true",
        "id username person_id is_active is_superuser is_staff",
    ),
    "roles": ("identities_user_groups", "true", "user_id group_id"),
    "tokens": ("identities_apitoken", "true", "id user_id scopes revoked_at"),
    "outcomes that give nothing": (
        "reviews_item",
        "outcome = 'deny'",
        "id outcome",
    ),
    "break-glass accounts": ("reviews_breakglassaccount", "true", "id ended_at"),
    "receivers of signals": ("identities_signalreceiver", "true", "id ended_at"),
    "streams of signals": ("identities_signalstream", "true", "id status deleted_at"),
    "holds": ("identities_revocation", "step IN ('hold', 'release')", "id step state"),
    "cuts": ("identities_revocation", "step NOT IN ('hold', 'release')", "id step state"),
    "credentials": ("identities_credential", "true", "id identity_id state"),
    "quarantine": ("reviews_quarantine", "true", "*"),
    "links": (
        "identities_binding",
        "state = 'confirmed' AND superseded_at IS NULL",
        "identity_id actor_id shared during",
    ),
    "findings": ("identities_finding", "true", "id identity_id state"),
    "sources": (
        "evidence_source",
        "true",
        "id name realms format watermark completeness sampling keep_rules token_digest",
    ),
    "retention": ("evidence_source", "true", "id retention_days"),
    "connections": ("evidence_connection", "true", "source_id paused settings connector"),
    "when it is pulled": ("evidence_connection", "true", "source_id next_at"),
    "evidence": ("evidence_deposit", "true", "id"),
    "readings": ("evidence_mappingversion", "true", "id"),
    "erasures": ("evidence_erasure", "state IN ('confirmed', 'done')", "id"),
    "legal holds": ("evidence_legalhold", "true", "id released_at"),
    "seals": ("reviews_sealing", "true", "id unsealed_at"),
    "alerts": ("reviews_alert", "true", "id state"),
    "cases": ("reviews_case", "state = 'cancelled'", "id state"),
}
WRITES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM|COPY)\b")


def columns() -> dict[str, set[str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        )
        found: dict[str, set[str]] = {}
        for table, column in cursor.fetchall():
            found.setdefault(table, set()).add(column)
    return found


def unknown() -> list[str]:
    """What stands above and is in no table."""
    there = columns()
    return [
        f"{table}.{column}"
        for table, _, named in KINDS.values()
        for column in named.replace("*", "").split()
        if column not in there.get(table, set())
    ]


def question() -> str:
    """One statement that reads all of it."""
    parts = []
    for kind, (table, where, named) in KINDS.items():
        chosen = "*" if named == "*" else ", ".join(named.split())
        parts.append(
            f"SELECT '{kind}', (SELECT jsonb_agg(to_jsonb(x) ORDER BY to_jsonb(x)::text)::text"
            f" FROM (SELECT {chosen} FROM {table} WHERE {where}) x)"
        )
    return " UNION ALL ".join(parts)


def in_force() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(question())
        return {kind: rows or "" for kind, rows in cursor.fetchall()}


def differs(before: dict[str, str], after: dict[str, str]) -> frozenset[str]:
    return frozenset(kind for kind in before if before[kind] != after[kind])


@contextmanager
def writes() -> Iterator[Counter[str]]:
    """How many statements wrote something, while this is open."""
    seen: Counter[str] = Counter()

    def note(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        if WRITES.search(str(sql)) and "FOR UPDATE" not in str(sql):
            seen["writes"] += 1
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield seen
