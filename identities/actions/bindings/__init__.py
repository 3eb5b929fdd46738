"""Bindings: proposed from exact links, confirmed or rejected by people, taken back.

A confirmed binding is a version row that is never rewritten: another meaning is another row.
People link through `linking`, which shows first what changes (`foreseeing`) and asks the owners of
others that use the actor (`shared`). Deciding is in `deciding`, proposals in `proposing`, what
nobody has claimed in `unclaimed`.
"""

from .deciding import Rule, Verdict, bind, confirm, preview, reject, settle_all, unbind
from .linking import confirm_by_rule
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
