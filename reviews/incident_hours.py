"""How long the seats of an incident have, by how severe it is; and how a policy says otherwise.

Pure: owns the hours where nothing is said, and what is wrong with others.
"""

from collections.abc import Mapping
from typing import Any

from reviews.ladder import MOST_HOURS
from reviews.policy_reading import Problem, members, whole

# In the order of reviews.models.incidents.SEVERITIES: what is graver never has more.
HOURS: Mapping[str, int] = {"low": 72, "medium": 24, "high": 12, "critical": 4}


def read(value: Any) -> dict[str, int]:
    """The hours of each severity, as `incident_hours` of a policy has them; or Problem."""
    found = {**HOURS, **members(value, dict.fromkeys(HOURS, whole(2, MOST_HOURS)))}
    hours = list(found.values())
    if hours != sorted(hours, reverse=True):
        said = ", ".join(f"{name} {many}" for name, many in found.items())
        raise Problem(f"What is more severe may not have more time; together these are {said}.")
    return found


def words(hours: Mapping[str, int]) -> str:
    """As a part of a sentence, the gravest first."""
    return ", ".join(f"{name} {hours[name]} h" for name in reversed(list(HOURS)))
