"""What AWS's errors mean for us: try again, or who must act.

Owns the table from error codes to temporary and permanent failures; must not know which step
was being made. Codes are those of AWS's "Common errors" and of the IAM and STS references.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as boto
from django.conf import settings

from .contract import NotSetUp, PermanentFailure, TemporaryFailure, plain

# Seconds to wait when the answer does not say. Throttling of IAM is per account and shared with
# everybody else who administers it, so we do not press.
TEMPORARY: dict[str, float] = {
    "Throttling": 15,
    "ThrottlingException": 15,
    "ThrottledException": 15,
    "RequestLimitExceeded": 15,
    "RequestThrottled": 15,
    "RequestThrottledException": 15,
    "TooManyRequestsException": 15,
    "SlowDown": 15,
    "PriorRequestNotComplete": 5,
    "ConcurrentModification": 5,
    "EntityTemporarilyUnmodifiable": 10,
    "InternalError": 10,
    "InternalFailure": 10,
    "InternalServerError": 10,
    "InternalServiceError": 10,
    "ServiceFailure": 30,
    "ServiceUnavailable": 30,
    "RequestTimeout": 10,
    "RequestTimeoutException": 10,
    "TransactionInProgressException": 10,
}
REFUSED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
        "NotAuthorized",
    }
)
OUR_CREDENTIALS = frozenset(
    {
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "OptInRequired",
    }
)
OUR_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheRegionExpired"})
ABSENT = frozenset({"NoSuchEntity", "NoSuchEntityException"})

ADMINISTRATOR = "the administrator of Countersign"
ACCOUNT = "the administrator of the AWS account"


class Absent(PermanentFailure):
    """The thing is not there. Whether that is success, the caller knows."""


class Refused(PermanentFailure):
    """AWS says we may not. Carries the permission that is missing."""

    def __init__(self, reason: str, *, permission: str, resource: str) -> None:
        super().__init__(reason, who_must_act=ACCOUNT)
        self.permission = permission
        self.resource = resource


def code_of(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def sentence(permission: str, resource: str) -> str:
    """What to add, as a sentence for the person who administers the account."""
    return plain(f"Allow {permission} on {resource} for Countersign's own role or user.")


def _retry_after(metadata: dict[str, Any], otherwise: float) -> float:
    """The seconds the answer asks for, at most an hour; dates are not sent by AWS here."""
    raw = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
    return float(min(int(raw), 3600)) if raw.isascii() and raw.isdigit() else otherwise


def translated(
    error: Exception, *, permission: str, resource: str
) -> TemporaryFailure | PermanentFailure:
    """Our failure for an error of boto3."""
    if isinstance(error, boto.ClientError):
        return _of_answer(error, permission=permission, resource=resource)
    match error:
        case boto.NoCredentialsError() if settings.AWS_CREDENTIALS == "default":
            return NotSetUp(
                "No AWS credentials were found, and COUNTERSIGN_AWS_CREDENTIALS is not set.",
                who_must_act=ADMINISTRATOR,
            )
        case boto.NoCredentialsError() | boto.PartialCredentialsError():
            return PermanentFailure(
                "No AWS credentials were found for this enforcer.", who_must_act=ADMINISTRATOR
            )
        case boto.CredentialRetrievalError() | boto.MetadataRetrievalError():
            return TemporaryFailure("AWS credentials could not be fetched.", retry_after=30)
        case boto.SSLError():
            return PermanentFailure(
                "The certificate of the AWS endpoint is not trusted.", who_must_act=ADMINISTRATOR
            )
        case boto.ConnectionError() | boto.HTTPClientError():
            # A read timeout leaves "maybe sent"; verification settles it, and the step is
            # idempotent, so it counts as temporary.
            return TemporaryFailure(
                f"AWS could not be reached for {permission}: {type(error).__name__}.",
                retry_after=15,
            )
        case _:
            return PermanentFailure(
                f"{permission} could not be asked for: {type(error).__name__}: {error}",
                who_must_act=ADMINISTRATOR,
            )


def _of_answer(
    error: boto.ClientError, *, permission: str, resource: str
) -> TemporaryFailure | PermanentFailure:
    code = code_of(error)
    message = plain(str(error.response.get("Error", {}).get("Message", "")))
    metadata: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
    status = int(metadata.get("HTTPStatusCode", 0) or 0)
    if code in REFUSED:
        return Refused(
            f"AWS refused {permission} on {resource}. {sentence(permission, resource)}",
            permission=permission,
            resource=resource,
        )
    if code in ABSENT:
        return Absent(f"{resource} is not there: {message}", who_must_act=ACCOUNT)
    if code in OUR_CREDENTIALS:
        return PermanentFailure(
            f"AWS does not accept Countersign's own credentials ({code}). Renew them and change "
            "the reference in the enforcer's settings.",
            who_must_act=ADMINISTRATOR,
        )
    if code in OUR_CLOCK:
        return PermanentFailure(
            f"AWS says this machine's clock is wrong ({code}).", who_must_act=ADMINISTRATOR
        )
    if code in TEMPORARY or status == 429 or status >= 500:
        return TemporaryFailure(
            f"AWS answered {code or status} to {permission}: {message}",
            retry_after=_retry_after(metadata, TEMPORARY.get(code, 15)),
        )
    if code == "LimitExceeded":
        return PermanentFailure(
            f"{resource} has no room for another policy or is at a limit of AWS: {message}",
            who_must_act=ACCOUNT,
        )
    return PermanentFailure(
        f"AWS answered {code or status} to {permission}: {message}", who_must_act=ACCOUNT
    )


@contextmanager
def asking(permission: str, resource: str) -> Iterator[None]:
    """Everything AWS or boto3 raises inside becomes one of our two failures."""
    try:
        yield
    except (boto.ClientError, boto.BotoCoreError) as error:
        raise translated(error, permission=permission, resource=resource) from error
