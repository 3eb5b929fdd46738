"""How AWS writes names: ARNs, keys, sessions, services. Shared by the formats that meet them.

Owns the turning of AWS's names into actors and resources, so that an audit record and a span
that mean the same thing say the same words. Pure; everything is remembered in bounded caches,
because the same few thousand names fill millions of records.
"""

import re
from functools import lru_cache
from hashlib import blake2b

from evidence.formats.record import ActorName

REALM = "aws"
# Names longer than this are cut and told apart by a digest of the whole.
LONGEST = 512
_REMEMBERED = 65_536
_SECRET_TAIL = re.compile(r"-[A-Za-z0-9]{6}$")


def bounded(text: str) -> str:
    """The text, or its beginning and a digest of all of it when it is too long to keep."""
    if len(text) <= LONGEST:
        return text
    mark = blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"{text[: LONGEST - 17]}…{mark}"


@lru_cache(maxsize=_REMEMBERED)
def account_of(arn: str) -> str:
    """The account in an ARN, '' when it has none."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[0] == "arn" else ""


def realm_of(account: str) -> str:
    """The realm of an account's names; without an account, AWS itself."""
    return f"{REALM}:{account[:64]}" if account else REALM


@lru_cache(maxsize=_REMEMBERED)
def arn_actor(arn: str, account: str = "") -> ActorName:
    """A standing name: user, role or root. `account` is used when the ARN names none."""
    return ActorName(realm_of(account_of(arn) or account), "arn", bounded(arn))


@lru_cache(maxsize=_REMEMBERED)
def named(kind: str, value: str, account: str, parent: ActorName | None = None) -> ActorName:
    """Any other name inside an account."""
    return ActorName(realm_of(account), kind, bounded(value), parent)


@lru_cache(maxsize=_REMEMBERED)
def service_actor(name: str) -> ActorName:
    """An AWS service as a caller: ``rds.amazonaws.com``. AWS itself issued that name."""
    return ActorName(REALM, "service", bounded(name))


@lru_cache(maxsize=_REMEMBERED)
def access_key(key: str, parent: ActorName | None = None) -> ActorName:
    """An access key. Only a temporary one has a parent: people bind the role or user."""
    return ActorName(REALM, "access_key", bounded(key), parent if is_temporary(key) else None)


def is_temporary(key: str) -> bool:
    """Keys of STS begin with ASIA; long-lived ones with AKIA."""
    return key.startswith("ASIA")


@lru_cache(maxsize=_REMEMBERED)
def role_of_session(arn: str) -> str:
    """The role's ARN of an assumed-role session's ARN; '' when it is none.

    The session's ARN leaves out the role's path, so a record that names the role is better.
    """
    parts = arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("assumed-role/"):
        return ""
    name = parts[5].split("/")[1]
    return f"{parts[0]}:{parts[1]}:iam::{parts[4]}:role/{name}" if name else ""


@lru_cache(maxsize=_REMEMBERED)
def role_session(arn: str, role: str = "") -> ActorName:
    """A session of a role; its parent is the role."""
    above = role or role_of_session(arn)
    parent = arn_actor(above, account_of(arn)) if above else None
    return ActorName(realm_of(account_of(arn)), "role_session", bounded(arn), parent)


@lru_cache(maxsize=_REMEMBERED)
def session_arn(role: str, session: str) -> str:
    """The ARN that a session of this role will have."""
    parts = role.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("role/"):
        return ""
    name = parts[5].rsplit("/", 1)[-1]
    return f"{parts[0]}:{parts[1]}:sts::{parts[4]}:assumed-role/{name}/{session}"


def partition_of(region: str) -> str:
    """The ARN partition of a region."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


@lru_cache(maxsize=_REMEMBERED)
def secret_of(text: str) -> str:
    """A secret's name, also from its ARN: AWS appends six characters to the name there."""
    if not text.startswith("arn:"):
        return bounded(text)
    parts = text.split(":", 6)
    if len(parts) != 7 or parts[5] != "secret":
        return bounded(text)
    return bounded(_SECRET_TAIL.sub("", parts[6]))


@lru_cache(maxsize=_REMEMBERED)
def bucket_path(text: str) -> str:
    """``bucket/key`` from an S3 ARN; a bucket alone ends in a slash."""
    rest = text.split(":::", 1)[-1]
    return bounded(rest if "/" in rest else f"{rest}/")


# Service ids of the SDKs whose audit source is called otherwise than the id in lower case.
SOURCES = {
    "amazon s3": "s3",
    "api gateway": "apigateway",
    "apigatewayv2": "apigateway",
    "bedrock agent": "bedrock",
    "bedrock agent runtime": "bedrock",
    "bedrock agentcore": "bedrock-agentcore",
    "bedrock agentcore control": "bedrock-agentcore",
    "bedrock runtime": "bedrock",
    "cloudwatch": "monitoring",
    "cloudwatch events": "events",
    "cloudwatch logs": "logs",
    "cognito identity": "cognito-identity",
    "cognito identity provider": "cognito-idp",
    "cost explorer": "ce",
    "database migration service": "dms",
    "directory service": "ds",
    "dynamodb streams": "dynamodb",
    "efs": "elasticfilesystem",
    "elastic load balancing": "elasticloadbalancing",
    "elastic load balancing v2": "elasticloadbalancing",
    "emr": "elasticmapreduce",
    "eventbridge": "events",
    "lex runtime v2": "lex",
    "pricing": "api.pricing",
    "rds data": "rdsdata",
    "redshift data": "redshift-data",
    "s3 control": "s3",
    "service catalog": "servicecatalog",
    "sesv2": "ses",
    "sfn": "states",
    "sso admin": "sso",
    "transcribe service": "transcribe",
}
# Calls that AWS's audit log names otherwise than the SDK.
_CALLS = {
    ("s3", "DeletePublicAccessBlock"): "DeleteBucketPublicAccessBlock",
    ("s3", "GetBucketLifecycleConfiguration"): "GetBucketLifecycle",
    ("s3", "GetBucketNotificationConfiguration"): "GetBucketNotification",
    ("s3", "GetPublicAccessBlock"): "GetBucketPublicAccessBlock",
    ("s3", "ListObjectsV2"): "ListObjects",
    ("s3", "PutBucketLifecycleConfiguration"): "PutBucketLifecycle",
    ("s3", "PutBucketNotificationConfiguration"): "PutBucketNotification",
    ("s3", "PutPublicAccessBlock"): "PutBucketPublicAccessBlock",
}


@lru_cache(maxsize=4096)
def action_of(service: str, method: str) -> str:
    """``s3:GetObject`` of an SDK's service id and method, as the audit log would write it."""
    if not service or "/" in method:
        service, _, method = method.rpartition("/") if "/" in method else (service, "", method)
    words = service.lower().removeprefix("aws.").strip()
    words = words.removeprefix("amazon ").removeprefix("aws ") if " " in words else words
    if words not in SOURCES and words.startswith(("amazon", "aws")):
        # SDKs of Java write AmazonS3 and AWSSecretsManager.
        words = words.removeprefix("amazon").removeprefix("aws")
    source = SOURCES.get(words) or words.replace(" ", "")
    return bounded(f"{source}:{_CALLS.get((source, method), method)}")
