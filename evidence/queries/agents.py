"""Which agent a span is of: the one it names, else the nearest above it, whenever that one came.

Owns how every reader asks for it. Within one body the format has walked already
(evidence/formats/otlp); of a span whose agent came in another body the row never changes, and
evidence/runs.py writes beside it whose it is (evidence_agentabove).
"""


def of(event: str) -> str:
    """SQL: the id of the agent of an event that a statement calls so, or NULL. Costs a look-up for
    spans that name none."""
    return (
        f"coalesce({event}.agent_id, CASE WHEN {event}.parent_span IS NOT NULL THEN"  # noqa: S608 - our own names
        f" (SELECT n.agent_id FROM evidence_agentabove n"
        f" WHERE n.at = {event}.at AND n.id = {event}.id) END)"
    )


# SQL: the column of an agent above, where events are looked for by actor (evidence/queries/looking).
ABOVE = "above_id"
EVENTS_ABOVE = f"""evidence_event e JOIN (
    SELECT at, id, agent_id AS {ABOVE} FROM evidence_agentabove) above USING (at, id)"""  # noqa: S608 - our own names
