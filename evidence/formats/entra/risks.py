"""What Entra's identity protection found: who is at risk, and with which program they came.

Owns the members in which only such a record says it. Sources: the resource types riskDetection,
riskyUser and riskyServicePrincipal of Microsoft Graph. Pure.
"""

from typing import Any

from evidence.formats import microsoft
from evidence.formats.members import NOTHING
from evidence.formats.paths import text
from evidence.formats.tables import Row

# Whose own id the id of a record is, by its category and its table.
_WHOSE = {
    "RiskyUsers": "userId",
    "AADRiskyUsers": "userId",
    "RiskyServicePrincipals": "servicePrincipalId",
    "AADRiskyServicePrincipals": "servicePrincipalId",
}
_USER_AGENT, _FURTHEST = "userAgent", 200


def said(low: Row) -> Row:
    """What a record says, under the names that sign-ins have for it.

    `low`: the record, the names of its own members in lower case.
    """
    found = _user_agent(low.get("additionalinfo"))
    if found is not None:
        return {_USER_AGENT: found}
    whose = _WHOSE.get(text(low.get("category")) or "") or _WHOSE.get(text(low.get("type")) or "")
    return {whose: low.get("id")} if whose is not None else NOTHING


def _user_agent(info: Any) -> str | None:
    """The program, in a list of keys and values that most exports write as text."""
    if type(info) is str and _USER_AGENT not in info:
        return None
    info = microsoft.loaded(info)
    for one in info[:_FURTHEST] if type(info) is list else ():
        if type(one) is dict and _USER_AGENT in (one.get("Key"), one.get("key")):
            return text(one.get("Value")) or text(one.get("value"))
    return None
