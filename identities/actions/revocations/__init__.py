"""Revocations: one change in one outside system, asked for once, made once, looked at afterwards.

requested → sending → sent → confirmed → effective, or failed until a person acts. Asking is in
`asking`, its rules for one or many in `together`, the worker's part in `claiming`,
`carrying`, `outlasting` and `circuits`, which enforcers exist in `reach`, what use of a dead
credential does in `reopening`, and what a credential issued in `along` and `late`. Must not know of
cases, but for the words of one.
"""

from .asking import (
    hold_keys_all,
    request,
    request_all,
    resume_all_with_keys,
    retry,
    suspend_all_with_keys,
    suspend_with_keys,
    try_out,
)
from .asks import Ask, Made, why_not
from .carrying import enforce_next
from .circuits import not_answering
from .late import take_along
from .outlasting import record_probe
from .reopening import reopen_on_use

__all__ = [
    "Ask",
    "Made",
    "enforce_next",
    "hold_keys_all",
    "not_answering",
    "record_probe",
    "reopen_on_use",
    "request",
    "request_all",
    "resume_all_with_keys",
    "retry",
    "suspend_all_with_keys",
    "suspend_with_keys",
    "take_along",
    "try_out",
    "why_not",
]
