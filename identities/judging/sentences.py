"""The sentence of each finding, of its rule, its count and its details.

Pure: nothing is read or written. What a rule finds is identities/findings/'s.
"""

from collections.abc import Mapping
from typing import Any

from evidence.words import counted
from identities.findings import CONFLICT, conflict_words
from identities.models import Finding


def words(finding: Finding) -> str:
    """The sentence a person reads."""
    times = "once" if finding.count == 1 else f"{finding.count} times"
    said = {
        "no_authority": f"acted on {finding.family or 'no named resource'} {times}"
        " without a delegation for it",
        "outside_resources": f"used {finding.family} {times}, outside what was delegated",
        "after_expiry": f"used {finding.family} {times} after the delegation had ended",
        "after_revocation": f"used {finding.family} {times} after it was revoked or held",
        "left_task": f"one run did {counted(finding.count, 'thing')} outside its authority,"
        " among them reading a secret or minting a credential",
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
