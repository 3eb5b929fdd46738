"""The rules by which behaviour becomes a finding. Pure: no Django, no I/O."""

from .rules import (
    AGAINST,
    BESIDE,
    CONFLICT,
    CONTROLS,
    REASONS,
    RULES,
    UNDONE,
    UNLIKE,
    Candidate,
    Judged,
    candidates,
    conflict_words,
    family,
    needs_authority,
    sensitive,
    without_mfa,
)

__all__ = [
    "AGAINST",
    "BESIDE",
    "CONFLICT",
    "CONTROLS",
    "REASONS",
    "RULES",
    "UNDONE",
    "UNLIKE",
    "Candidate",
    "Judged",
    "candidates",
    "conflict_words",
    "family",
    "needs_authority",
    "sensitive",
    "without_mfa",
]
