"""How far a revocation is in plain words: what is true, who must act, when it is tried again.

Owns those sentences, and what a person does where Countersign cannot: the words that the enforcer
itself gave, with the place. Reads rows that were fetched already; asks nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from identities.models import Revocation, Statement

NOBODY = "nobody: it is tried by itself"
TWO_PEOPLE = "two people, who let outgoing writes go on"
SYSTEMS = {
    "aws": "AWS",
    "oauth": "the OAuth server",
    "entra": "Microsoft Entra",
    "gcp": "Google Cloud",
    "vault": "Vault",
    "okta": "Okta",
    "github": "GitHub",
    "kubernetes": "Kubernetes",
    "scim": "the SCIM provider",
    "webhook": "the system",
    "pull_request": "the repository",
}


class Standing(NamedTuple):
    """`next_at`: when it is tried or looked at next; None: not before somebody acts."""

    words: str
    must_act: str
    next_at: datetime | None


def standing(
    row: Revocation,
    *,
    silent: Mapping[tuple[str, str], str],
    stopped: bool,
    proposed: Statement | None = None,
) -> Standing:
    """How far it is. `silent`: accounts that do not answer (circuits.py); `stopped`: nothing goes
    out; `proposed`: what somebody states about it, for which a second person is missing."""
    if proposed is not None:
        said = f"{proposed.stated_by_name} states that it was done by hand"
        return Standing(said, "a second person, who signs or refuses that", None)
    if row.state == "failed":
        return Standing(f"failed: {row.failed_why}", row.who_must_act or "somebody", None)
    if stopped and row.state in ("requested", "sending"):
        return Standing("not sent: all outgoing writes are stopped", TWO_PEOPLE, None)
    away = silent.get((row.system, str(row.target.get("account", ""))), "")
    if away:
        return Standing(f"{_how_far(row)}. {away}", NOBODY, row.not_before)
    why = f" ({row.failed_why})" if row.failed_why else ""
    return Standing(f"{_how_far(row)}{why}", NOBODY, row.not_before)


def _how_far(row: Revocation) -> str:
    match row.state:
        case "requested":
            return "asked for, not sent yet"
        case "sending":
            return "being sent; whether it arrived is looked at"
        case "sent":
            return "sent; the target does not show it yet"
        case "confirmed":
            lives = "; ".join(_lives(one) for one in row.residual)
            return f"the target shows it; {lives or 'whether anything lives on is looked at'}"
    return row.state


def _lives(left: Mapping[str, str | None]) -> str:
    until = left.get("until")
    said = f" until {until[:16].replace('T', ' ')} UTC" if until else ""
    return f"{left.get('what', '')} lives{said}"


def place_of(row: Revocation) -> str:
    """Where it has to be done."""
    account = str(row.target.get("account", ""))
    return f"{SYSTEMS.get(row.system, row.system)} {account}".strip()


def steps(row: Revocation, missing: Mapping[tuple[str, str], str]) -> list[str]:
    """What a person does by hand, in order. `missing`: the right that each account lacks, in the
    sentence of its enforcer (rights.py)."""
    kind, name = row.target.get("kind", "thing"), row.target.get("name", "")
    found = [f"Why not from here: {row.failed_why}"] if row.failed_why else []
    lacking = missing.get((row.system, str(row.target.get("account", ""))), "")
    if lacking:
        found.append(f"So that it goes from here the next time: {lacking}")
    found.append(f"At {place_of(row)}, find the {str(kind).replace('_', ' ')} {name}.")
    found.append(f"{row.words}. {_AFTERWARDS.get(row.step, '')}".strip())
    found.append("Look that it is so, and take a picture or the lines of the log that show it.")
    found.append("State it here, with that file: who did it, and when.")
    return found


_AFTERWARDS = {
    "hold": "Nothing new may work with it, and it can be let go later.",
    "suspend": "Nothing may work with it, and it can be resumed later.",
    "revoke": "It cannot be taken back.",
    "narrow": "What is left is what the revocation says.",
    "release": "It works again afterwards.",
    "resume": "It works again afterwards.",
}
