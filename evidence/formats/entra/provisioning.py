"""What Entra's provisioning service did in another system: by whom, to whose account, how it ended.

Owns the members in which only such a record says it, as the members in which a directory audit
does. Exports write the names inside them with capitals, Microsoft Graph without. Source: the
resource type provisioningObjectSummary of Microsoft Graph. Pure.
"""

from typing import Any

from evidence.formats import microsoft
from evidence.formats.paths import text
from evidence.formats.tables import Row

ACTION = "Provisioning activity"
_APPLICATION = frozenset({"app", "application", "serviceprincipal"})


def said(low: Row) -> Row:
    """What a record says, under the names that audits and sign-ins have for it.

    `low`: the record, the names of its own members in lower case.
    """
    made: Row = {"initiatedBy": _by(low.get("initiatedby"))}
    if not low.get("operationname"):
        made["operationName"] = ACTION
    if not low.get("correlationid"):
        made["correlationId"] = low.get("changeid")
    if resource := _resource(low):
        made["resourceDisplayName"] = resource
    info = _inside(low.get("provisioningstatusinfo"))
    if status := text(info.get("status")):
        # The result beside it has been seen to say that what failed went well.
        made["result"] = status
        if status.lower() == "failure":
            code = text(_inside(info.get("errorinformation")).get("errorcode"))
            made["resultType"] = code or status
    return made


def _by(value: Any) -> Row:
    """Who began it, as a directory audit says it: the service itself has a name and no id."""
    by = _inside(value)
    if "user" in by or "app" in by:
        return by
    number, name = text(by.get("id")), _name(by)
    kind = (text(by.get("type")) or text(by.get("initiatortype")) or "").lower()
    if kind == "user":
        return {"user": {"id": number, "displayName": name}}
    if kind in _APPLICATION:
        return {"app": {"servicePrincipalId": number, "displayName": name}}
    return {"app": {"displayName": name or number}}


def _resource(low: Row) -> str:
    """Whose account it was, within the system: ``Dropbox/its id there``; before there is one, the
    name or id of whom it is for."""
    source = _inside(low.get("sourceidentity"))
    account = (
        text(_inside(low.get("targetidentity")).get("id"))
        or text(_inside(source.get("details")).get("userprincipalname"))
        or _name(source)
        or text(source.get("id"))
    )
    system = _name(_inside(low.get("targetsystem"))) or _name(_inside(low.get("serviceprincipal")))
    return "/".join(part for part in (system, account) if part)


def _name(said: Row) -> str | None:
    return text(said.get("name")) or text(said.get("displayname"))


def _inside(value: Any) -> Row:
    """An object, or the text that an export made of it, with the names of its own members in lower
    case; an empty one for any other."""
    value = microsoft.loaded(value)
    return {name.lower(): inside for name, inside in value.items()} if type(value) is dict else {}
