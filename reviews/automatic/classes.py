"""Which classes of findings may hold by themselves, and why the others never do. Pure."""

from identities.findings import RULES

# Absence accuses nobody by itself (product.md, rule 5).
_ABSENCE = "it says that something was not seen, and absence holds nothing by itself"
NEVER = {
    "no_run": _ABSENCE,
    "interactive_use": _ABSENCE,
    "conflicting_trace": "it says that one of two sources is wrong, and not which",
}
MAY_HOLD = tuple(rule for rule in RULES if rule not in NEVER)


def why_not(name: str) -> str:
    """Why findings of this class hold nothing by themselves; "" where they may."""
    if name in NEVER:
        return f"{RULES[name]} cannot be marked: {NEVER[name]}."
    if name not in RULES:
        return f"{name[:40]!r} is no class of findings; choose from {', '.join(MAY_HOLD)}."
    return ""


def words(names: list[str]) -> str:
    """ "Left its task, After expiry": the titles of these classes."""
    return ", ".join(RULES[one] for one in RULES if one in names)
