"""The badge set: one row for each word that pages show as a badge.

Owns the words, the icon and the tone of each kind (screens.md, "Vocabulary": word + icon + shape,
then colour). Knows no model and no page. Pure: imports no Django.
"""

from typing import NamedTuple


class Look(NamedTuple):
    """How one kind is drawn. `bars` is 3, 2 or 1 for the strength of a link, else 0."""

    words: str
    icon: str
    tone: str  # green, red, ring (red, not filled), grey, hatch, amber, inferred, plain, blue, …
    bars: int = 0


NEUTRAL = Look("", "", "plain")

LOOKS: dict[str, Look] = {
    # The strength of a link.
    "exact": Look("exact", "", "outline", 3),
    "key": Look("key", "", "outline", 2),
    "inferred": Look("inferred", "", "inferred", 1),
    "claimed": Look("claimed", "help-circle", "grey"),
    # Behaviour beside authority.
    "inside": Look("inside", "check", "green"),
    "outside": Look("outside", "alert-triangle", "red"),
    "no_run": Look("no run behind it", "help-circle", "ring"),
    "unknown": Look("not known", "help-circle", "grey"),
    # What evidence there is.
    "no_evidence": Look("no evidence", "eye-off", "hatch"),
    "not_known": Look("not known", "eye-off", "hatch"),
    "gap": Look("gap", "eye-off", "hatch"),
    "silent": Look("silent", "eye-off", "hatch"),
    "late": Look("late", "clock", "amber"),
    "ok": Look("ok", "check", "green"),
    "new_source": Look("no evidence yet", "hourglass", "outline"),
    # What waits.
    "waits": Look("waits", "hourglass", "outline"),
    "held_not_effective": Look("held, not effective yet", "hourglass", "amber"),
    "your_turn": Look("your turn", "pencil", "outline"),
    "stale": Look("stale answer", "clock", "amber"),
    "provisional": Look("provisional", "hourglass", "amber"),
    "overdue": Look("overdue", "clock", "solid"),
    "bypass": Look("opened by bypass", "bolt", "amber"),
    "you": Look("you", "user", "blue"),
    "new": Look("new", "bell", "blue"),
    # Answers and what they add up to.
    "keep": Look("keep", "check", "green"),
    "narrow": Look("narrow", "scissors", "blue"),
    "replace": Look("replace", "refresh", "blue"),
    "revoke": Look("revoke", "ban", "red"),
    "investigate": Look("investigate", "search", "amber"),
    "together": Look("dangerous together", "alert-triangle", "amber"),
    "dont_know": Look("don't know", "help-circle", "grey"),
    "approve": Look("approve", "check", "green"),
    "deny": Look("deny", "ban", "red"),
    "conflict": Look("conflict", "arrows-split-2", "red"),
    "agreed": Look("agreed", "check", "green"),
    # Revocations, requested to effective.
    "requested": Look("requested", "hourglass", "amber"),
    "sending": Look("sending", "send", "amber"),
    "sent": Look("sent", "send", "amber"),
    "effective": Look("effective", "check", "green"),
    "proved": Look("effective", "check", "green"),
    "failed": Look("failed", "circle-x", "red"),
    "undone": Look("undone", "arrow-back-up", "grey"),
    # Pulls.
    "waiting": Look("waiting", "hourglass", "outline"),
    "running": Look("running", "refresh", "blue"),
    "done": Look("done", "check", "green"),
    # Kinds of identity.
    "agent": Look("AI agent", "robot", "violet"),
    "service_account": Look("service account", "server", "teal"),
    "workload": Look("workload", "cube", "teal"),
    "integration": Look("integration", "plug-connected", "teal"),
    "human": Look("human", "user", "blue"),
    # Planes.
    "identity": Look("identity", "", "teal"),
    "ai": Look("AI", "", "violet"),
    "AI": Look("AI", "", "violet"),
    "policy": Look("policy", "", "blue"),
    "own": Look("own", "", "blue"),
    # States of identities and credentials.
    "active": Look("active", "check", "green"),
    "held": Look("held", "player-pause", "amber"),
    "suspended": Look("suspended", "player-pause", "amber"),
    "retired": Look("retired", "archive", "grey"),
    "draft": Look("draft", "pencil", "outline"),
    "revoked": Look("revoked", "ban", "grey"),
    "expired": Look("expired", "clock", "grey"),
    "unclaimed": Look("unclaimed", "user-question", "amber"),
    "no_owner": Look("no owner", "user-x", "red"),
    # Modes.
    "observe": Look("observe", "eye", "outline"),
    "ask": Look("ask", "message", "blue"),
    "enforce": Look("enforce", "shield-check", "blue"),
    # Authority.
    "delegated": Look("delegated", "check", "green"),
    "not_delegated": Look("not delegated", "alert-triangle", "red"),
    "unsigned": Look("imported, unsigned", "hourglass", "amber"),
    "imported": Look("imported, unsigned", "hourglass", "amber"),
    "proposed": Look("proposed", "hourglass", "outline"),
    "in_force": Look("in force", "check", "green"),
    "rejected": Look("rejected", "ban", "grey"),
    "possible": Look("possible", "check", "outline"),
    "eligible": Look("after activation", "hourglass", "outline"),
    "not_possible": Look("not possible", "minus", "grey"),
    # Dispositions of findings.
    "open": Look("open", "circle-dashed", "outline"),
    "confirmed": Look("confirmed", "alert-triangle", "red"),
    "expected": Look("expected", "check", "green"),
    "false": Look("false", "x", "grey"),
    "duplicate": Look("duplicate", "copy", "grey"),
    "withdrawn": Look("withdrawn", "arrow-back-up", "grey"),
    # Cases.
    "access_review": Look("access review", "clipboard-check", "outline"),
    "access_request": Look("access request", "door-enter", "outline"),
    "break_glass": Look("break-glass", "bolt", "amber"),
    "incident": Look("incident", "flame", "red"),
    "joint": Look("joint, both must sign", "signature", "outline"),
    "sealed": Look("sealed", "lock", "outline"),
    "decided": Look("decided", "signature", "blue"),
    "carrying_out": Look("carrying out", "hourglass", "amber"),
    "in_review": Look("in review", "eye", "amber"),
    "closed": Look("closed", "check", "green"),
    "cancelled": Look("cancelled", "x", "grey"),
    # Outcomes of events.
    "refused": Look("refused", "ban", "grey"),
    "neutral": NEUTRAL,
}


def look(kind: str, words: str = "") -> Look:
    """The look of a kind, in your own words when given. An unknown kind is shown as it is."""
    found = LOOKS.get(kind)
    if found is None:
        return NEUTRAL._replace(words=words or kind.replace("_", " "))
    return found._replace(words=words or found.words)
