"""What can be done to a case, as verbs in modules named by noun. The only writer of Case.state.

Every act locks the case, asks permissions, asks the machine, writes named fields and the ledger
in one transaction, and says its name afterwards (evidence/nudge.py).
"""

from .attention import look_again, tell_provisional_next
from .carrying import carry_again, carry_out_next
from .clock import beat
from .closing import cancel, pin
from .commenting import comment
from .deadlines import deadlines_next, remind_due
from .deciding import decide, tie_break, undo
from .due import open_due
from .handing import hand_over
from .opening import open_from_findings_next, open_review, start
from .quarantining import restore
from .requests import Wanted, request_access
from .rungs import drop, release
from .withdrawing import give_back, tell_withdrawn_next

__all__ = [
    "Wanted",
    "beat",
    "cancel",
    "carry_again",
    "carry_out_next",
    "comment",
    "deadlines_next",
    "decide",
    "drop",
    "give_back",
    "hand_over",
    "look_again",
    "open_due",
    "open_from_findings_next",
    "open_review",
    "pin",
    "release",
    "remind_due",
    "request_access",
    "restore",
    "start",
    "tell_provisional_next",
    "tell_withdrawn_next",
    "tie_break",
    "undo",
]
