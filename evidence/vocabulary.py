"""The small numbers that events are stored with, and their words.

Owns the codes of plane, activity, outcome, time basis, link strength and proof. They are
written into millions of rows: a number here is never re-used. Knows nothing of Django.
"""

from collections.abc import Mapping

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
# An authentication that went well without a second factor, where the log says so.
SIGN_IN_WITHOUT_MFA = 12
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
    SIGN_IN_WITHOUT_MFA: "sign-in without MFA",
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
# Of links also: what one record states, while nobody has linked its agent to the account that
# called. It is shown, and counted in no verdict.
CLAIMED = 0
LINK_STRENGTHS = STRENGTHS | {CLAIMED: "claimed"}
_COUNTED = {INFERRED: "inferred", KEY: "by key", EXACT: "exact"}

# What proves a link.
PROOF_REQUEST_ID, PROOF_PARENT, PROOF_ISSUANCE, PROOF_CREDENTIAL = 1, 2, 3, 4
PROOF_CREDENTIAL_PARENT, PROOF_TOKEN, PROOF_TOKEN_PARENT = 5, 6, 7
PROOFS = {
    PROOF_REQUEST_ID: "same request id",
    PROOF_PARENT: "same request id, and the span is a descendant of the tool call",
    PROOF_ISSUANCE: "its key was issued by this tool call, and the run had not ended",
    PROOF_CREDENTIAL: "same credential and operation, in the span's time",
    PROOF_CREDENTIAL_PARENT: (
        "same credential and operation, in the time of a span below the tool call"
    ),
    PROOF_TOKEN: "same token or pod, in the span's time",
    PROOF_TOKEN_PARENT: "same token or pod, in the time of a span below the tool call",
}


def mixed_strengths(strengths: Mapping[str, int]) -> str:
    """Such as "4 exact, 3 by key", the strongest first; empty where all are of one strength."""
    parts = [
        f"{strengths[STRENGTHS[one]]:,} {_COUNTED[one]}"
        for one in sorted(STRENGTHS, reverse=True)
        if strengths.get(STRENGTHS[one])
    ]
    return ", ".join(parts) if len(parts) > 1 else ""


# The proof of an inferred link is this number and the bits of its reasons; each counts points.
PROOF_INFERRED = 128
BECAUSE_OPERATION, BECAUSE_WITHIN, BECAUSE_ADDRESS, BECAUSE_CLIENT = 1, 2, 4, 8
BECAUSE_NAMED, BECAUSE_KNOWN, BECAUSE_SPAN = 16, 32, 64
REASONS = {
    BECAUSE_OPERATION: (10, "the span has the operation's name"),
    BECAUSE_WITHIN: (10, "it happened while the span lasted"),
    BECAUSE_ADDRESS: (10, "it came from the address of calls that are surely this agent's"),
    BECAUSE_CLIENT: (10, "its user agent names the agent"),
    BECAUSE_NAMED: (10, "its caller is named like the agent"),
    BECAUSE_KNOWN: (15, "other calls of its caller in that hour are surely this agent's"),
    BECAUSE_SPAN: (25, "a call outside any run, of the same service and in that time, made it"),
}
# A fitting span in a fitting time, before any reason; never as sure as what states a key.
POINTS, MOST_POINTS = 20, 95


def score_of(proof: int) -> int:
    """How likely an inferred link is, of 100 points; 0 where the proof is no inference."""
    if proof < PROOF_INFERRED:
        return 0
    return min(MOST_POINTS, POINTS + sum(more for bit, (more, _) in REASONS.items() if proof & bit))


def reasons_of(proof: int) -> list[str]:
    """Why a link was inferred, the weightiest first; nothing where the proof is no inference."""
    if proof < PROOF_INFERRED:
        return []
    return [words for bit, (_, words) in reversed(REASONS.items()) if proof & bit]


PROOFS |= {
    proof: f"score {score_of(proof)} of 100: the span's name fits the action"
    + "".join(f", {words}" for words in reasons_of(proof))
    for proof in range(PROOF_INFERRED, 2 * PROOF_INFERRED)
}


# Of inferred links, in place of a surplus (evidence_unsure, in a migration of identities).
MORE_CALLS = -4
# Of claims: another record tells the request otherwise (identities_told_otherwise, in a migration).
TOLD_OTHERWISE = -5
# Of links by key, in place of a surplus (evidence_doubt, in a migration).
CLOCKS_APART = -2
# No exactly linked call of the key came from this network (identities_new_address, in a migration).
NEW_ADDRESS = -3


def proof_words(proof: int, runs: int, surplus: int, *, learned: bool = True) -> str:
    """The proof of a link as people read it, with what cannot be told (evidence_shownlink).

    `learned`: of links by key, whether it is known which networks the key is used from."""
    words = PROOFS[proof]
    if runs == 0 and surplus == TOLD_OTHERWISE:
        return f"{words}; claimed: another record tells this request otherwise"
    if runs == 0:
        return f"{words}; claimed: its agent is not linked to the account that called"
    if surplus == NEW_ADDRESS:
        return f"{words}; same key, new address: maybe not the run's"
    if not learned and PROOF_PARENT < proof < PROOF_INFERRED:
        words = f"{words}; addresses not yet learned"
    if runs > 1:
        return f"{words}; one of {runs} runs, which cannot be told"
    if surplus == MORE_CALLS:
        return f"{words}; more such calls than spans that they fit: maybe not the run's"
    if surplus and proof >= PROOF_INFERRED:
        return f"{words}; such calls came from {surplus + 1} addresses: maybe not the run's"
    if surplus == CLOCKS_APART:
        return f"{words}; the clocks of log and traces were further apart: maybe not the run's"
    if surplus and proof in (PROOF_TOKEN, PROOF_TOKEN_PARENT):
        return f"{words}; {surplus + 1} programs or addresses called with it: maybe not the run's"
    if surplus < 0:
        return f"{words}; too many such calls at once to tell: maybe not the run's"
    if surplus:
        return f"{words}; {surplus} more such events than spans around it: maybe not the run's"
    return words
