"""What can be done to a case, as verbs in modules named by noun. The only writer of Case.state.

Every act locks the case, asks permissions, asks the machine, writes named fields and the ledger
in one transaction, and says its name afterwards (evidence/nudge.py).
"""

from .carrying import carry_again, carry_out_next
from .closing import cancel, pin
from .deadlines import deadlines_next
from .deciding import decide, tie_break, undo
from .opening import open_from_findings_next, open_review, start
from .reminders import remind_due
from .requests import Wanted, request_access

__all__ = [
    "Wanted",
    "cancel",
    "carry_again",
    "carry_out_next",
    "deadlines_next",
    "decide",
    "open_from_findings_next",
    "open_review",
    "pin",
    "remind_due",
    "request_access",
    "start",
    "tie_break",
    "undo",
]
