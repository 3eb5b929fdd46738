"""The sentence of each finding, of its rule, its count and its details.

Pure: nothing is read or written. What a rule finds is identities/findings/'s.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from evidence.words import counted, listed
from identities.findings import CONFLICT, conflict_words
from identities.models import Finding

MOST_OPERATIONS = 3


def words(finding: Finding, *, undone: int = 0, operations: Sequence[str] = ()) -> str:
    """The sentence a person reads.

    `undone`: how many of its calls were refused or failed. `operations`: what was called, where no
    resource was named.
    """
    times = "once" if finding.count == 1 else f"{finding.count} times"
    how = _how(finding.count, undone)
    used = (
        f"{'tried to use' if how.none else 'used'} {finding.family or _called(operations)} {times}"
    )
    said = {
        "no_authority": _no_authority(finding, times, operations, how) + how.words,
        "outside_resources": f"{used}, outside what was delegated{how.words}",
        "after_expiry": f"{used} after the delegation had ended{how.words}",
        "after_revocation": f"{used} after it was revoked or held{how.words}",
        "left_task": f"one run {'tried' if how.none else 'did'}"
        f" {counted(finding.count, 'thing')} outside its authority,"
        f" among them reading a secret or minting a credential{how.words}",
        "shared_credential": f"key {finding.details.get('credential', finding.family)} was used"
        f" by {' and '.join(finding.details.get('agents', []))},"
        " which are not bound to it together",
        "no_run": _no_run(finding),
        "after_refusal": f"used {finding.family} on {counted(finding.count, 'day')} after"
        f" {finding.details.get('case', 'its owners')} had refused it",
        "no_mfa": f"signed in to the console {times} without MFA",
        "outside_instance": f"the credentials of {finding.details.get('instance', 'an instance')}"
        f" were used {times} from {finding.details.get('address', 'elsewhere')}, while the instance"
        f" called from {finding.details.get('own', 'its own address')}",
        CONFLICT: conflict_words(finding.family, finding.count),
        "interactive_use": _interactive(finding.details, times, finding.count),
    }
    return said[finding.rule]


class _How(NamedTuple):
    """How much of it was done: `none` of it, and the words to add."""

    none: bool
    words: str


def _how(count: int, undone: int) -> _How:
    if not undone:
        return _How(False, "")
    if undone < count:
        return _How(
            False, f"; {undone:,} of the calls {'was' if undone == 1 else 'were'} refused or failed"
        )
    return _How(True, f"; {'it' if count == 1 else 'each call'} was refused or failed")


def _no_authority(finding: Finding, times: str, operations: Sequence[str], how: _How) -> str:
    if finding.family:
        did = "tried to act" if how.none else "acted"
        return f"{did} on {finding.family} {times} without a delegation for it"
    did = "tried to call" if how.none else "called"
    return f"{did} {_called(operations)} {times} without a delegation for it"


def _called(operations: Sequence[str]) -> str:
    if not operations:
        return "an operation that names no resource"
    named = list(operations[:MOST_OPERATIONS])
    if more := len(operations) - len(named):
        named.append(f"{more} more")
    return f"{listed(named)}, which {'names' if len(operations) == 1 else 'name'} no resource,"


def _no_run(finding: Finding) -> str:
    calls = counted(finding.count, "call")
    address = finding.details.get("address", "an address")
    if "day" in finding.details:
        alive = finding.details.get("calls_while_a_run_was_alive", 0)
        run = "no run of that key was known to be alive"
        if alive:
            part = "" if alive >= finding.count else f" at {alive:,} of them"
            run = f"a run of that key was alive{part}"
        said = f"{calls} on {finding.details['day']}: same key, new address {address}; {run}"
    else:
        behind = "it" if finding.count == 1 else "them"
        said = (
            f"{calls} from {address} with no run behind {behind}, from an address never seen with"
            " one"
        )
    return said + _unsure(finding)


def _unsure(finding: Finding) -> str:
    """Of how many calls it can no longer be concluded that no run is behind them."""
    unsure = int(finding.details.get("unsure", 0))
    if not unsure:
        return ""
    of = "" if unsure == finding.count else f" of {unsure:,} of them"
    return f"; since then it is no longer sure{of}: spans of that time may be missing or could not be read"


def _interactive(details: Mapping[str, Any], times: str, count: int) -> str:
    by = " and ".join(details.get("clients", []))
    network = details.get("network", "")
    beside = f", the {network}," if network.startswith("same network") else ""
    return (
        f"{details.get('credential', 'the credential')} was used {times}{f' with {by}' if by else ''}"
        f" from {details.get('address', 'an address')}{beside}"
        f" with no run behind {'it' if count == 1 else 'them'}"
    )
