"""What only the log of one kind of Azure's resources says: which call it was, and who made it.

Owns the members of those logs that have no place in the common schema, and the view that brings
what they say to where the other logs say it: gateway logs of API Management, logs of Azure AI
services, and logs of a tenant. Sources: "Reference: Gateway log schema"; "Monitoring data reference
for Azure OpenAI"; "Common and service-specific schemas for resource logs". What a caller claims is
azure_claims.py's. Pure.
"""

from typing import Any

from evidence.formats import azure_claims, microsoft
from evidence.formats.paths import text
from evidence.formats.tables import Row

# Every call through a gateway is this operation.
_GATEWAY = ("Microsoft.ApiManagement/GatewayLogs", "MICROSOFT.APIMANAGEMENT/GATEWAYLOGS")
_OPERATIONS = ("operationName", "operationname", "OperationName")
# In the order in which the reading finds them, in every spelling.
_RESOURCE_IDS = ("resourceId", "resourceid", "ResourceId", "_ResourceId", "_resourceid")
# The table that many kinds of resources share writes the type of a column behind its name.
_TYPES = ("", "_s", "_d", "_b")
# Bodies of calls and of what was asked of models, as members of a record's properties, as columns
# of a table of their own, and as columns of the shared one.
_BODIES = ("requestBody", "responseBody", "backendRequestBody", "backendResponseBody")
_MESSAGES = ("requestMessages", "responseMessages")
CONTENT = (
    *(f"properties.{body}" for body in (*_BODIES, *_MESSAGES)),
    *(f"{body[0].upper()}{body[1:]}" for body in (*_BODIES, *_MESSAGES)),
    *(f"{body}_s" for body in (*_BODIES, *_MESSAGES)),
)


def view(record: Row) -> Row:
    """The record as azure_claims.py views it, with what its resource says in members of its own."""
    record = azure_claims.view(record)
    operation = (
        record.get("operationName") or record.get("operationname") or record.get("OperationName")
    )
    if operation in _GATEWAY:
        return _through_gateway(record)
    resource = record.get("resourceId") or record.get("resourceid")
    if type(resource) is str and resource[1:4].lower() == "ten":
        return _of_tenant(record, resource)
    if record.get("identity") is None:
        return _of_models(record)
    return record


def _through_gateway(record: Row) -> Row:
    """A call through API Management: which operation of which API, and how it was answered."""
    inside = record.get("properties")
    low = {name.lower(): value for name, value in record.items()}
    if type(inside) is dict:
        low |= {name.lower(): value for name, value in inside.items()}

    def said(name: str) -> Any:
        return next((found for end in _TYPES if (found := low.get(name + end)) is not None), None)

    made = dict(record)
    if operation := text(said("operationid")):
        name = next(name for name in _OPERATIONS if record.get(name))
        made[name] = f"{record[name]} {operation}"
    resource = next((name for name in _RESOURCE_IDS if text(record.get(name))), None)
    # An operation is one of an API, which has this path among Azure's resources.
    if resource is not None and (api := text(said("apiid"))):
        made[resource] = f"{record[resource]}/apis/{api}"
    code = text(said("responsecode"))
    if code is not None:
        made["statusCode"] = code
    if str(said("isrequestsuccess")).lower() == "false":
        made["resultType"] = "Failed"
    if not low.get("resultdescription"):
        last = said("lasterror")
        reason = last.get("reason") if type(last) is dict else None
        made["resultDescription"] = text(said("lasterrorreason")) or text(reason) or code
    return made


def _of_tenant(record: Row, resource: str) -> Row:
    """A record of a tenant says in its resource which one, if nowhere else."""
    tenant = microsoft.tenant_in(resource)
    if tenant is None or azure_claims.stated_tenant(record) is not None:
        return record
    return {**record, "tenantId": tenant}


def _of_models(record: Row) -> Row:
    """A call of an Azure AI service names its caller by an object id, or by nothing where a key of
    the account was used. Whether that is a person or an application is not said."""
    inside = record.get("properties")
    if inside is None:
        inside = microsoft.loaded(record.get("properties_s"))
    if type(inside) is not dict:
        return record
    number = inside.get("objectId") or inside.get("objectid")
    if type(number) is not str or number == microsoft.NOBODY:
        return record
    resource = next((found for name in _RESOURCE_IDS if (found := text(record.get(name)))), None)
    if resource is None or "/microsoft.cognitiveservices/" not in resource.lower():
        return record
    return {**record, "identity": {"claims": {"oid": number}}}
