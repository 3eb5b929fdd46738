"""Event rows as pages show them: one bounded query, with links, verdicts and runs beside."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from evidence.intake.admitting import micros
from evidence.queries import agents
from evidence.vocabulary import (
    ACTIVITIES,
    LINK_STRENGTHS,
    OUTCOMES,
    PLANE_AI,
    PLANES,
    TIME_RECEIVED,
)

SELECT = """
SELECT e.at, e.id, e.plane, e.activity, t.value, coalesce(r.value, ''), coalesce(c.value, ''),
       coalesce(ad.value, ''), e.outcome, e.deposit_id, %s AS verdict, l.strength, run.id,
       coalesce(p.value, ''), coalesce(g.value, ''), EXISTS (
           SELECT 1 FROM identities_findingevent fe
           JOIN identities_finding f ON f.id = fe.finding_id
           WHERE fe.at = e.at AND fe.event_id = e.id AND f.rule = 'no_run'
             AND f.state IN ('open', 'confirmed')), e.time_basis
FROM (%s) k
JOIN evidence_event e ON e.at = k.at AND e.id = k.id
JOIN evidence_term t ON t.id = e.action_id
LEFT JOIN evidence_term r ON r.id = e.resource_id
LEFT JOIN evidence_term ad ON ad.id = e.address_id
LEFT JOIN evidence_actor c ON c.id = e.credential_id
LEFT JOIN evidence_actor p ON p.id = e.principal_id
LEFT JOIN evidence_actor g ON g.id = @agent@
LEFT JOIN LATERAL (
    SELECT l.strength, s.trace, s.source_id, l.runs = 1 AND l.surplus = 0 AS told
    FROM evidence_shownlink l
    JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
    WHERE l.effect_at = e.at AND l.effect_id = e.id
    ORDER BY l.strength DESC, l.proof DESC LIMIT 1) l ON true
LEFT JOIN evidence_run run ON run.trace = coalesce(l.trace, e.trace)
    AND run.source_id = coalesce(l.source_id, e.source_id)
    -- Where it cannot be told which run it is, none is named.
    AND coalesce(l.told, true)
ORDER BY e.at DESC, e.id DESC
""".replace("@agent@", agents.of("e"))
VERDICTS = {0: "unknown", 1: "inside", 2: "outside", None: ""}


def of_identity(number: int, *, until: datetime, limit: int) -> list[dict[str, Any]]:
    """The newest events of an identity, up to a moment."""
    keys = (
        "SELECT at, event_id AS id, verdict FROM identities_attribution"
        " WHERE identity_no = %s AND at <= %s ORDER BY at DESC, event_id DESC LIMIT %s"
    )
    return _rows(
        SELECT.replace("%s AS verdict", "k.verdict AS verdict").replace("(%s) k", f"({keys}) k"),
        [number, until, limit],
    )


def of_keys(
    keys: Iterable[tuple[datetime, int]], number: int | None = None
) -> list[dict[str, Any]]:
    """These events, newest first; with the verdict for one identity when it is named."""
    wanted = list(keys)
    if not wanted:
        return []
    inner = (
        "SELECT u.at, u.id, a.verdict FROM unnest(%s::timestamptz[], %s::bigint[]) AS u(at, id)"
        " LEFT JOIN identities_attribution a ON a.identity_no = %s AND a.at = u.at"
        " AND a.event_id = u.id"
    )
    return _rows(
        SELECT.replace("%s AS verdict", "k.verdict AS verdict").replace("(%s) k", f"({inner}) k"),
        [[at for at, _ in wanted], [event for _, event in wanted], number],
    )


def _rows(sql: str, parameters: list[Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found = cursor.fetchall()
    rows = []
    for row in found:
        at, event = row[0], row[1]
        verdict = "no_run" if row[15] else VERDICTS[row[10]]
        if row[2] == PLANE_AI and verdict == "unknown":
            verdict = ""  # spans are not judged: what they caused is
        key = row[6]
        short = f"{key[:4]}…{key[-4:]}" if len(key) > 12 else key
        who = short or row[14] or row[13].rsplit("/", 1)[-1]
        ref = f"{micros(at)}-{event}"
        rows.append(
            {
                "at": at,
                # Its own time is not known: `at` is when it was first received.
                "undated": row[16] == TIME_RECEIVED,
                "plane": "ai" if row[2] == 2 else PLANES[row[2]],
                "activity": ACTIVITIES[row[3]],
                "action": row[4],
                "resource": row[5],
                "caller": " / ".join(part for part in (who, row[7]) if part),
                "outcome": OUTCOMES[row[8]],
                "strength": LINK_STRENGTHS[row[11]] if row[11] is not None else "",
                "verdict": verdict,
                "url": f"/events/{ref}/",
                "deposit_url": f"/deposits/{row[9]}/",
                "run": {"key": f"RUN-{row[12]}", "url": f"/runs/RUN-{row[12]}/"}
                if row[12]
                else None,
                "looked_by": "",
                "ref": ref,
                "pinned": False,
            }
        )
    return rows
