"""What the target's own policies allow beside what was delegated, in a page's words.

Reads kept entitlements; asks nothing. "Not known" is an answer: a policy that could not be read,
or a condition, never becomes a yes or a no.
"""

from collections.abc import Callable, Iterable, Sequence

from identities.authority.names import names
from identities.enforcers.contract import Permission
from identities.enforcers.possible_aws import Possible, possible_matches, summary
from identities.inventory.systems import SYSTEMS
from identities.models import DelegationVersion, Entitlement

WORDS = {"allowed": "yes", "denied": "no"}
# ``s3:GetObject``; ``get pods/log``.
SAME_WORDS: dict[str, Callable[[str], bool]] = {
    "aws": lambda action: ":" in action,
    "kubernetes": lambda action: " " in action and ":" not in action,
}
TITLES = {one.name: one.title for one in SYSTEMS}
NARROWED_BY = {one.name: one.narrowed_by for one in SYSTEMS}


def answer(readings: Sequence[Entitlement], action: str, resource: str) -> str:
    """`yes`, `no` or `unknown`: whether any principal of the identity may do this now.

    Only systems whose permissions are named as their log names calls can say: the scopes and
    roles of the others answer nothing about one call.
    """
    called = names(action, resource)
    told = {
        possible_matches(statements(one), called.permission, called.arn or resource)
        for one in readings
        if one.system in SAME_WORDS and SAME_WORDS[one.system](action)
    }
    if "allowed" in told:
        return "yes"
    return "no" if told == {"denied"} else "unknown"


def beyond(readings: Sequence[Entitlement], granted: Iterable[DelegationVersion]) -> str:
    """How much more than the delegations the target allows, as a sentence's part."""
    if not readings:
        return "possible: not known, never read"
    delegated = [
        Permission(tuple(row.actions), tuple(arn(one) for one in row.resources)) for row in granted
    ]
    names = {one.system for one in readings}
    systems = sorted(TITLES.get(one, one) for one in names)
    narrowed = " and ".join(sorted({NARROWED_BY.get(one, "") for one in names} - {""}))
    said = summary(
        [one for reading in readings for one in statements(reading)],
        delegated,
        whose=f"{' and '.join(systems)} {'allow' if len(systems) > 1 else 'allows'}",
    ).words
    return f"{said} (not read, and may leave less: {narrowed})" if narrowed else said


def allowed(readings: Iterable[Entitlement], *, most: int, effect: str = "allow") -> list[str]:
    """The action patterns the policies allow, each once; or those that are eligible."""
    found = (
        action
        for reading in readings
        for one in statements(reading)
        if one.effect == effect and one.layer == "identity"
        for action in one.actions
    )
    return list(dict.fromkeys(found))[:most]


def statements(reading: Entitlement) -> list[Possible]:
    """What a reading says, made once for each row that was read."""
    known: list[Possible] | None = reading.__dict__.get("_statements")
    if known is None:
        known = [Possible.from_json(one) for one in reading.possible]
        reading.__dict__["_statements"] = known
    return known


def arn(resource: str) -> str:
    """A delegated resource as the policies of the target write it: buckets have an ARN too."""
    if resource == "*" or resource.startswith("arn:"):
        return resource
    return names("s3:getobject", resource).arn or resource
