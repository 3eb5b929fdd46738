"""Bindings: proposed from exact links, confirmed or rejected by people, taken back.

A confirmed binding is a version row that is never rewritten: another meaning is another row.
Deciding is in `deciding`, proposals in `proposing`, what nobody has claimed in `unclaimed`.
"""

from .deciding import (
    Rule,
    Verdict,
    bind,
    confirm,
    confirm_by_rule,
    preview,
    reject,
    settle_all,
    unbind,
)
from .proposing import propose_from_links
from .unclaimed import Unclaimed, proposals, proposed_count, unclaimed

__all__ = [
    "Rule",
    "Unclaimed",
    "Verdict",
    "bind",
    "confirm",
    "confirm_by_rule",
    "preview",
    "proposals",
    "propose_from_links",
    "proposed_count",
    "reject",
    "settle_all",
    "unbind",
    "unclaimed",
]
