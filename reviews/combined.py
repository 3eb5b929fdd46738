"""Which of the three legs an identity has: delegated, possible, used, each with what is behind it.

Owns the words and how sure they are: never surer than the evidence. What was not read is "not
known", what is in no evidence is "not seen". The table is identities/combinations.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from evidence.formats import mapping
from evidence.formats.mapping_text import MappingError
from evidence.models import MappingVersion
from identities.combinations import LEGS, Legs, Reason, Row, legs
from identities.enforcers.possible_aws import Possible, possible_matches
from identities.models import DelegationVersion, Entitlement, Identity
from reviews import shown

SIDES = ("delegated", "possible", "used")
HAS = ("yes", "maybe")
MOST_ACTIONS = 300
MOST_REASONS = 6
# How a leg that was not found is said of each side.
NONE = {"delegated": "no", "possible": "no", "used": "not_seen"}


class Leg(NamedTuple):
    """One leg of one side: yes, maybe, no, not_known, not_seen or no_evidence, and the reasons."""

    state: str
    reasons: list[Reason]


type Sides = dict[str, dict[str, Leg]]


def of(
    delegated: Iterable[str],
    readings: Sequence[Entitlement],
    seen: Sequence[str],
    own: tuple[Row, ...] = (),
) -> Sides:
    """All sides of one identity. `delegated`: patterns of actions; `seen`: actions in its logs and
    tools of its agents."""
    granted, used = legs(delegated, own), legs(seen, own)
    none = "not_seen" if seen else "no_evidence"
    return {
        "delegated": {leg: _leg(found, "no") for leg, found in granted.items()},
        "possible": _possible(readings, own),
        "used": {leg: _leg(found, none) for leg, found in used.items()},
    }


def of_many(identities: Sequence[Identity], *, now: datetime) -> dict[UUID, dict[str, str]]:
    """On which sides each identity has all three; those with none are left out. Four queries."""
    own = own_rows()
    granted: dict[UUID, list[str]] = {}
    current = {"superseded_at__isnull": True, "during__contains": now}
    for pk, actions in DelegationVersion.objects.filter(
        delegation__grantee__in=identities, state="in_force", revoked_at__isnull=True, **current
    ).values_list("delegation__grantee", "actions"):
        granted.setdefault(pk, []).extend(actions)
    readings: dict[UUID, list[Entitlement]] = {}
    for one in Entitlement.objects.filter(identity__in=identities, **current):
        readings.setdefault(one.identity_id, []).append(one)
    used = shown.used_by(identities)
    found = {
        one.pk: complete(
            of(
                granted.get(one.pk, ()),
                readings.get(one.pk, ()),
                [name for name, _ in used.get(one.number, {}).values()],
                own,
            )
        )
        for one in identities
    }
    return {pk: sides for pk, sides in found.items() if sides}


def _leg(found: list[Reason], none: str) -> Leg:
    if not found:
        return Leg(none, [])
    return Leg("yes" if any(one.sure for one in found) else "maybe", found)


def _possible(readings: Sequence[Entitlement], own: tuple[Row, ...]) -> dict[str, Leg]:
    if not readings:
        return dict.fromkeys(LEGS, Leg("not_known", []))
    whole = not any(one.missing for one in readings)
    found: Legs = {leg: [] for leg in LEGS}
    maybe: Legs = {leg: [] for leg in LEGS}
    for reading in readings:
        statements = [Possible.from_json(one) for one in reading.possible]
        whole = whole and not any(one.effect == "unknown" for one in statements)
        # What has to be activated first is never sure (possible_matches).
        allows = [
            one
            for one in statements
            if one.effect in ("allow", "eligible") and one.layer == "identity"
        ]
        for one in allows:
            if one.not_actions:
                whole = False
            for leg, reasons in legs(one.actions[:MOST_ACTIONS], own).items():
                for reason in reasons:
                    told = _told(statements, reason, one.resources or ("*",))
                    if told != "denied":
                        (found if told == "allowed" and reason.sure else maybe)[leg].append(reason)
    none = "no" if whole else "not_known"
    return {
        leg: Leg("yes", found[leg])
        if found[leg]
        else Leg("maybe", maybe[leg])
        if maybe[leg]
        else Leg(none, [])
        for leg in LEGS
    }


def _told(statements: Sequence[Possible], reason: Reason, resources: Sequence[str]) -> str:
    """The best answer over what it reaches: allowed before not known before denied."""
    answers = {
        possible_matches(statements, action, resource)
        for action in reason.reached[:MOST_REASONS]
        for resource in resources[:MOST_REASONS]
    }
    return next((one for one in ("allowed", "not known") if one in answers), "denied")


def complete(sides: Sides) -> dict[str, str]:
    """The sides on which all three legs are: side -> yes, or maybe where one is not sure."""
    return {
        side: "yes" if all(one.state == "yes" for one in found.values()) else "maybe"
        for side, found in sides.items()
        if all(one.state in HAS for one in found.values())
    }


def sentence(whole: Mapping[str, str]) -> str:
    """What the sides together say, never more than that."""
    if not whole:
        return "Nothing shows all three together."
    words = {"delegated": "delegated", "possible": "possible at the target", "used": "used"}
    surely = [words[side] for side, sure in whole.items() if sure == "yes"]
    perhaps = [words[side] for side, sure in whole.items() if sure != "yes"]
    said = f"All three are {' and '.join(surely)}" if surely else ""
    if perhaps:
        said += f"{', perhaps' if said else 'All three are perhaps'} {' and '.join(perhaps)}"
    return f"{said}: an instruction hidden in what it reads could carry data away."


def own_rows() -> tuple[Row, ...]:
    """What the mapping files of this installation say about their own actions. One query."""
    newest = MappingVersion.objects.order_by("name", "-version").distinct("name")
    texts = newest.values_list("name", "version", "text")
    return tuple(row for one in texts if "legs" in one[2] for row in _rows(*one))


@lru_cache(maxsize=256)
def _rows(name: str, version: int, text: str) -> tuple[Row, ...]:
    try:
        said = mapping.of(text).legs
    except MappingError:
        return ()
    by_legs: dict[tuple[str, ...], list[str]] = {}
    for action in dict.fromkeys(one for listed in said.values() for one in listed):
        which = tuple(leg for leg in LEGS if action in said.get(leg, ()))
        by_legs.setdefault(which, []).append(action.lower())
    source = f"mapping {name}, version {version}"
    return tuple(
        Row(
            f"{' and '.join(LEGS[leg] for leg in which)}, by {source}",
            which,
            tuple(found),
            "",
            source,
        )
        for which, found in by_legs.items()
    )


def as_data(sides: Sides) -> dict[str, Any]:
    """The same as JSON: the member `combination` of a case and of the line."""
    return {
        "complete": complete(sides),
        "words": sentence(complete(sides)),
        "legs": {
            leg: {
                side: {
                    "state": sides[side][leg].state.replace("_", " "),
                    "because": [
                        {"what": one.what, "because": one.because, "source": one.source}
                        for one in sides[side][leg].reasons[:MOST_REASONS]
                    ],
                }
                for side in SIDES
            }
            for leg in LEGS
        },
    }
