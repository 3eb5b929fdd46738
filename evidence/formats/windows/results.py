"""How a Windows event ended, as its status and its keywords say it.

Owns which statuses mean that an account was refused, and which events fail by their nature. Source:
"Advanced security audit events" of the Windows documentation, event by event. Pure.
"""

from functools import lru_cache

from evidence.formats.tables import Row, getter
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED

status = getter(("status", "substatus"))
# Refused for what the account is, not for what was typed: locked, disabled, expired, not allowed.
_REFUSED = frozenset(
    {
        "0xc0000234",  # locked out
        "0xc0000072",  # disabled
        "0xc0000193",  # expired
        "0xc000015b",  # this type of logon is not granted
        "0xc000006e",  # restricted
        "0xc000006f",  # outside its hours
        "0xc0000070",  # from this workstation
        "0xc0000071",  # its password has expired
        "0xc0000413",  # not allowed by an authentication policy
        # Kerberos: not by policy, revoked, its key has expired.
        "0xc",
        "0x12",
        "0x17",
    }
)
_keywords, _event_type = getter(("keywords",)), getter(("eventtype",))
# The keyword's bit; XML and JSON write the number of them all in several ways, some as if it had
# sixteen digits.
_AUDIT_FAILURE, _ROUNDED, _LONGEST_NUMBER = 1 << 52, 1 << 20, 24
_FAILED = frozenset({"4625", "4771"})
# A certificate was denied, which is no failure of the audit.
_DENIED = "4888"
# Of these, the status tells whether they failed.
_DONE = frozenset({"0x0", "0", ""})
_TICKETS = frozenset({"4768", "4769", "4770", "4776"})


def ended(record: Row) -> int:
    """The outcome of an event."""
    event = record.get("eventid")
    if event == _DENIED:
        return OUTCOME_REFUSED
    failed = event in _FAILED or (event in _TICKETS and _said_status(record) not in _DONE)
    if not failed:
        kind = _event_type(record) or ""
        # A number that somebody rounded says less than a word.
        words = kind if "audit" in kind.lower() else _keywords(record) or kind
        failed = _says_failure(words)
    if not failed:
        return OUTCOME_OK
    return OUTCOME_REFUSED if _said_status(record) in _REFUSED else OUTCOME_FAILED


@lru_cache(maxsize=4096)
def _says_failure(words: str) -> bool:
    if "failure" in words.lower():
        return True
    try:
        return len(words) <= _LONGEST_NUMBER and int(words, 0) + _ROUNDED & _AUDIT_FAILURE != 0
    except ValueError:
        return False


def _said_status(record: Row) -> str:
    return (status(record) or "").lower()
