"""The small numbers that events are stored with, and their words.

Owns the codes of plane, activity, outcome, time basis, link strength and proof. They are
written into millions of rows: a number here is never re-used. Knows nothing of Django.
"""

PLANE_IDENTITY, PLANE_AI, PLANE_POLICY, PLANE_OWN = 1, 2, 3, 4
PLANES = {
    PLANE_IDENTITY: "identity",
    PLANE_AI: "AI",
    PLANE_POLICY: "policy",
    PLANE_OWN: "own",
}

ISSUANCE, AUTHENTICATION, USE, CHANGE, REVOCATION = 1, 2, 3, 4, 5
AGENT_RUN, TOOL_CALL, MODEL_CALL, DECISION, STEP = 6, 7, 8, 9, 10
# A span that is a call to an outside API (the SDK span under a tool call).
API_CALL = 11
ACTIVITIES = {
    ISSUANCE: "issuance",
    AUTHENTICATION: "authentication",
    USE: "use",
    CHANGE: "change",
    REVOCATION: "revocation",
    AGENT_RUN: "agent run",
    TOOL_CALL: "tool call",
    MODEL_CALL: "model call",
    DECISION: "decision",
    STEP: "step",
    API_CALL: "API call",
}

OUTCOME_UNKNOWN, OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_FAILED = 0, 1, 2, 3
OUTCOMES = {
    OUTCOME_UNKNOWN: "unknown",
    OUTCOME_OK: "ok",
    OUTCOME_REFUSED: "refused",
    OUTCOME_FAILED: "failed",
}

TIME_STATED, TIME_RECEIVED = 1, 2
TIME_BASES = {TIME_STATED: "stated", TIME_RECEIVED: "received"}

# Ordered: the larger number is the stronger link.
INFERRED, KEY, EXACT = 1, 2, 3
STRENGTHS = {INFERRED: "inferred", KEY: "key", EXACT: "exact"}

# What proves a link.
PROOF_REQUEST_ID, PROOF_PARENT, PROOF_ISSUANCE, PROOF_CREDENTIAL = 1, 2, 3, 4
PROOF_CREDENTIAL_PARENT = 5
PROOFS = {
    PROOF_REQUEST_ID: "same request id",
    PROOF_PARENT: "same request id, and the span is a descendant of the tool call",
    PROOF_ISSUANCE: "its key was issued by this tool call, and the run had not ended",
    PROOF_CREDENTIAL: "same credential and operation, in the span's time",
    PROOF_CREDENTIAL_PARENT: (
        "same credential and operation, in the time of a span below the tool call"
    ),
}


def proof_words(proof: int, runs: int, surplus: int) -> str:
    """The proof of a link as people read it, with what cannot be told (evidence_shownlink)."""
    words = PROOFS[proof]
    if runs > 1:
        return f"{words}; one of {runs} runs, which cannot be told"
    if surplus:
        return f"{words}; {surplus} more such events than spans around it: maybe not the run's"
    return words
