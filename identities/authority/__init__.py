"""Authority: may it, and might it have? One compiler and one judge for both (decisions 10).

Owns the way from delegations to Cedar policies and from a request to a verdict with its reason.
`judge_asked` answers questions before the act and `judge` what a log says was done.
Knows nothing of models, of HTTP or of where grants and events come from. Pure: no Django, no
clock of its own, no I/O.
"""

from .asking import judge_asked
from .compiling import Slice, compile_slice, instants
from .judging import judge, judge_many
from .narrowing import meet, narrower
from .terms import AuthorityError, Forbid, Grant, Request, Verdict

__all__ = [
    "AuthorityError",
    "Forbid",
    "Grant",
    "Request",
    "Slice",
    "Verdict",
    "compile_slice",
    "instants",
    "judge",
    "judge_asked",
    "judge_many",
    "meet",
    "narrower",
]
