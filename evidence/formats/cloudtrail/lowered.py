"""CloudTrail records whose member names went through a store that knows no capitals.

Owns the table of names: Athena, Glue and several lakes write `eventname` for `eventName`, and
members with members of their own as JSON text. To teach it a name, add it to NAMES. Pure.
"""

from typing import Any

import orjson

from evidence.formats.cloudtrail import resources

NAMES = """
    accessKey accessKeyId accountId additionalEventData apiVersion assumedRoleUser awsRegion
    bucketName creationDate credentialId credentialSet durationSeconds errorCode errorMessage
    eventCategory eventID eventName eventSource eventTime eventType eventVersion expirationDate
    federatedProvider federatedUser groupName identityProvider identityStoreArn insightContext
    insightDetails insightType instanceProfileName invokedBy managementEvent mfaAuthenticated onBehalfOf
    openIDConnectProviderArn policyArn policyDocument policyName principalId readOnly
    recipientAccountId requestID requestParameters responseElements roleArn roleCredentials
    roleName roleSessionName sAMLProviderArn secretId MFAUsed serialNumber serviceEventDetails
    serviceSpecificCredential serviceSpecificCredentialId sessionContext sessionIssuer
    sharedEventID sourceIPAddress sourceIdentity targetPrincipal tlsDetails userAgent userId
    userIdentity userName vpcEndpointId webIdFederationData webIdentityTokenId
"""
_WRITTEN: dict[str, str] = {
    name.lower(): name
    for name in (
        *NAMES.split(),
        *(name for told in resources.TELLING.values() for name in told),
        *(name for pair in resources.SETS for name in pair),
    )
}
# Members that such stores keep as JSON text.
_TEXTS = frozenset(
    {
        "requestParameters",
        "responseElements",
        "additionalEventData",
        "resources",
        "insightDetails",
    }
)
_DEEPEST = 24


def is_lowered(record: Any) -> bool:
    """Whether this is a record as such a store writes it."""
    if type(record) is not dict:
        return False
    return ("eventname" in record and "eventsource" in record) or "insightdetails" in record


def restored(value: Any, depth: int = _DEEPEST) -> Any:
    """The same with the names that AWS writes; an unknown name stays as it is."""
    if depth == 0:
        return value
    if type(value) is list:
        return [restored(inside, depth - 1) for inside in value]
    if type(value) is not dict:
        return value
    found: dict[str, Any] = {}
    for low, inside in value.items():
        name = _WRITTEN.get(low) or low
        found[name] = restored(_opened(inside) if name in _TEXTS else inside, depth - 1)
    return found


def _opened(value: Any) -> Any:
    if type(value) is str and value.startswith(("{", "[")):
        try:
            return orjson.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
