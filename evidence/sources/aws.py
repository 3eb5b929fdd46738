"""What every connector of AWS shares: its settings, its clients, and what AWS's errors mean here.

Owns how credentials are found (a key by its name, else what the process itself runs as, then a
role with its external id) and the table from error codes to Later and Stopped. Must not know what
is asked. Codes: AWS's "Common errors" and the references of S3, SQS, STS and CloudTrail.
Requests leave through aws_sending, which guards where they go.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import boto3
from botocore import exceptions as boto
from botocore.config import Config
from botocore.parsers import ResponseParserError

from evidence.sources import aws_session, outside
from evidence.sources.aws_sending import Sending
from evidence.sources.contract import Asked, Check, Field, failing, tried
from evidence.sources.failures import Later, Stopped

ROLE_SECONDS = 3600  # the longest that a role assumed by a role may last

# Adaptive: the SDK slows down by itself when it is throttled.
CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": 3},
    user_agent_extra="countersign",
    # Where credentials are sent is the source's setting alone, not AWS_ENDPOINT_URL's.
    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # botocore knows it, its stubs do not
)

FIELDS = (
    Field("region", "Region", default="us-east-1"),
    Field(
        "role_arn",
        "Role to assume",
        required=False,
        help="as in arn:aws:iam::123456789012:role/countersign-reads",
    ),
    Field("external_id", "External id", required=False, help="that the role's trust asks for"),
    Field(
        "access_key_id",
        "Access key id",
        required=False,
        help="empty: the AWS credentials that the server itself runs with",
    ),
    Field("secret_access_key", "Secret access key", "secret", required=False),
    Field(
        "endpoint",
        "Endpoint",
        "url",
        required=False,
        help="of something else that speaks this protocol; empty: AWS",
    ),
)

WAIT = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded",
     "RequestThrottled", "RequestThrottledException", "TooManyRequestsException", "SlowDown",
     "InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable",
     "ServiceFailure", "RequestTimeout", "RequestTimeoutException", "OperationAborted",
     # The role's hour is over: the next run assumes it anew.
     "ExpiredToken", "ExpiredTokenException"}
)  # fmt: skip
REFUSED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError",
     "NotAuthorized", "AllAccessDisabled", "KMS.AccessDeniedException", "403"}
)  # fmt: skip
CREDENTIALS = frozenset(
    {"InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException",
     "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignatureException",
     "MissingAuthenticationToken", "MissingAuthenticationTokenException", "AuthFailure",
     "InvalidToken", "OptInRequired"}
)  # fmt: skip
CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheRegionExpired"})
ELSEWHERE = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed",
     "IllegalLocationConstraintException"}
)  # fmt: skip
# What the SDK's parsers raise over an answer that is not in the shape they know.
MISSHAPEN = (ResponseParserError, TypeError, AttributeError, KeyError)
ABSENT = frozenset(
    {"NoSuchBucket", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
     "NonExistentQueue", "NoSuchKey", "NoSuchVersion", "404"}
)  # fmt: skip


def code_of(problem: boto.ClientError) -> str:
    """AWS's own word for what went wrong."""
    return str(problem.response.get("Error", {}).get("Code", ""))


@contextmanager
def asking(permission: str, resource: str) -> Iterator[None]:
    """What AWS or its SDK raises inside becomes Later or Stopped."""
    try:
        yield
    except (boto.ClientError, boto.BotoCoreError, ValueError, *MISSHAPEN) as problem:
        raise _failure(problem, permission, resource[:300]) from problem


def _failure(problem: Exception, permission: str, resource: str) -> Later | Stopped:
    if isinstance(problem, boto.ClientError):
        return _of_answer(problem, permission, resource)
    match problem:
        case boto.NoCredentialsError() | boto.PartialCredentialsError():
            return Stopped(
                "There are no AWS credentials for this source.",
                "Set an access key and its secret, or run Countersign with a role of its own.",
            )
        case boto.SSLError():
            return Stopped(
                "The certificate of the endpoint is not trusted.",
                "Check the endpoint, and the certificates this machine trusts.",
            )
        case (
            boto.ParamValidationError()
            | boto.InvalidRegionError()
            | boto.EndpointResolutionError()
            | boto.NoRegionError()
            | ValueError()
        ):
            said = " ".join(str(problem).split())[:300]
            return Stopped(f"{permission} cannot be asked for: {said}", "Check the settings.")
        case _:
            return Later(f"{permission} on {resource} failed ({type(problem).__name__})")


def _of_answer(problem: boto.ClientError, permission: str, resource: str) -> Later | Stopped:
    code = code_of(problem)
    error = problem.response.get("Error", {})
    metadata: Any = problem.response.get("ResponseMetadata", {})
    headers: dict[str, str] = metadata.get("HTTPHeaders", {})
    status = int(metadata.get("HTTPStatusCode", 0) or 0)
    message = " ".join(str(error.get("Message", "")).split())[:300]
    if status == 501:
        return Stopped(f"{permission} is not offered there.", "Ask AWS itself, or do without.")
    if code in WAIT or status == 429 or status >= 500:
        return Later(f"AWS answered {code or status} to {permission}")
    if code in REFUSED and "kms:" in message:
        return Stopped(
            f"AWS refused to decrypt {resource}.",
            "Allow kms:Decrypt on its key for the user or role of this source.",
        )
    if code in REFUSED:
        return Stopped(
            f"AWS refused {permission} on {resource}.",
            f"Allow {permission} on {resource} for the user or role of this source.",
        )
    if code in CREDENTIALS:
        return Stopped(
            f"AWS does not accept the credentials of this source ({code}).",
            "Set an access key that is active, and its secret.",
        )
    if code in CLOCK:
        return Stopped(
            f"AWS says that this machine's clock is wrong ({code}).",
            "Run a time service (chrony, systemd-timesyncd).",
        )
    if code in ELSEWHERE or status == 301:
        region = str(headers.get("x-amz-bucket-region") or error.get("Region") or "another region")
        return Stopped(f"{resource} lies in {region[:40]}.", f"Set the region to {region[:40]}.")
    if code in ABSENT:
        return Stopped(
            f"AWS says that {resource} does not exist.",
            "Check its name, its region and its account.",
        )
    return Stopped(
        f"AWS answered {code or status} to {permission}: {message}",
        "Check the settings of this source.",
    )


class Clients:
    """The clients of one pull; credentials are looked at when the first one is made."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._session: boto3.Session | None = None
        self._sending = Sending(asked.http)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sending.close()

    def client(self, service: str, region: str = "") -> Any:
        """A client of any service: the SDK makes its classes at run time, so it has no type.

        Raises Stopped or Later.
        """
        if self._session is None:
            self._session = self._with_role(self._own())
        return self._made(self._session, service, region)

    def who(self) -> str:
        """The ARN these clients act as."""
        sts = self.client("sts")
        with asking("sts:GetCallerIdentity", "itself"):
            return str(sts.get_caller_identity()["Arn"])

    def _made(self, session: boto3.Session, service: str, region: str = "") -> Any:
        endpoint = self._endpoint()
        make: Any = session.client
        # A bucket's name in front of somebody's own host would be a name nobody resolves.
        config = CONFIG.merge(Config(s3={"addressing_style": "path"})) if endpoint else CONFIG
        with asking(service, "its endpoint"):
            return make(service, region_name=region or None, endpoint_url=endpoint, config=config)

    def _endpoint(self) -> str | None:
        url = self._asked.settings.get("endpoint", "").rstrip("/")
        if not url:
            return None
        with failing(url[:200]):
            # Said before anything is asked; each request is looked at again when it leaves.
            outside.place_of(url, allow_private=self._asked.http.allow_private)
        return url

    def _own(self) -> boto3.Session:
        said = self._asked.settings
        key, secret = said.get("access_key_id", ""), said.get("secret_access_key", "")
        if bool(key) != bool(secret):
            raise Stopped(
                f"There is an {'access key id' if key else 'secret access key'}, but not the"
                " other half.",
                "Set both, or neither to use what the server itself runs with.",
            )
        with asking("credentials", "this source"):
            return self._attached(
                aws_session.session(
                    key=key or None,
                    secret=self._asked.secret("secret_access_key") if key else None,
                    region=said.get("region") or "us-east-1",
                )
            )

    def _attached(self, session: boto3.Session) -> boto3.Session:
        self._sending.attach(session)
        return session

    def _with_role(self, session: boto3.Session) -> boto3.Session:
        said = self._asked.settings
        role = said.get("role_arn", "")
        if not role:
            return session
        outside_id = said.get("external_id", "")
        sts = self._made(session, "sts")
        with asking("sts:AssumeRole", role):
            given = sts.assume_role(
                RoleArn=role,
                RoleSessionName="countersign",
                DurationSeconds=ROLE_SECONDS,
                **({"ExternalId": outside_id} if outside_id else {}),
            )["Credentials"]
        return self._attached(
            aws_session.session(
                key=given["AccessKeyId"],
                secret=given["SecretAccessKey"],
                token=given["SessionToken"],
                region=session.region_name,
            )
        )


def credentials_check(clients: Clients, asked: Asked) -> Check:
    """Whether the credentials work; a store that only speaks S3 has nobody to ask."""
    if asked.settings.get("endpoint") and not asked.settings.get("role_arn"):
        return tried("credentials", lambda: _are_there(clients))
    return tried("credentials", lambda: f"act as {clients.who()}")


def _are_there(clients: Clients) -> str:
    clients.client("s3")
    return "are there"
