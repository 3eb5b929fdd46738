"""The rules by which behaviour becomes a finding. Pure: no Django, no I/O."""

from .rules import (
    CONTROLS,
    REASONS,
    RULES,
    Candidate,
    Judged,
    candidates,
    family,
    needs_authority,
    sensitive,
    without_mfa,
)

__all__ = [
    "CONTROLS",
    "REASONS",
    "RULES",
    "Candidate",
    "Judged",
    "candidates",
    "family",
    "needs_authority",
    "sensitive",
    "without_mfa",
]
