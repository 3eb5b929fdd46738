"""The names by which one action and one resource are known. Pure tables.

Owns what AWS calls the same thing: an operation in the audit log and the permission that AWS
checks for it; an S3 ARN and ``bucket/key``; a secret's ARN and its name. Both sides, what a
grant writes and what a request or an event says, pass through here, so that they meet. Every
name of a request is tried against every pattern of a grant.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
# Operation -> the permission that AWS checks for it, where the two are called differently.
# From "Required permissions for Amazon S3 API operations" and the services' authorization pages.
PERMISSIONS = {
    "bedrock:converse": "bedrock:invokemodel",
    "bedrock:conversestream": "bedrock:invokemodelwithresponsestream",
    "lambda:invoke": "lambda:invokefunction",
    "lambda:invokeasync": "lambda:invokefunction",
    "s3:completemultipartupload": "s3:putobject",
    "s3:copyobject": "s3:putobject",
    "s3:createmultipartupload": "s3:putobject",
    "s3:deletebucketcors": "s3:putbucketcors",
    "s3:deletebucketencryption": "s3:putencryptionconfiguration",
    "s3:deletebucketlifecycle": "s3:putlifecycleconfiguration",
    "s3:deletebucketreplication": "s3:putreplicationconfiguration",
    "s3:deletebuckettagging": "s3:putbuckettagging",
    "s3:deleteobjects": "s3:deleteobject",
    "s3:deletepublicaccessblock": "s3:putbucketpublicaccessblock",
    "s3:getbucketaccelerateconfiguration": "s3:getaccelerateconfiguration",
    "s3:getbucketencryption": "s3:getencryptionconfiguration",
    "s3:getbucketlifecycle": "s3:getlifecycleconfiguration",
    "s3:getbucketlifecycleconfiguration": "s3:getlifecycleconfiguration",
    "s3:getbucketnotificationconfiguration": "s3:getbucketnotification",
    "s3:getbucketreplication": "s3:getreplicationconfiguration",
    "s3:getobjectlockconfiguration": "s3:getbucketobjectlockconfiguration",
    "s3:getpublicaccessblock": "s3:getbucketpublicaccessblock",
    "s3:headbucket": "s3:listbucket",
    "s3:headobject": "s3:getobject",
    "s3:listbuckets": "s3:listallmybuckets",
    "s3:listmultipartuploads": "s3:listbucketmultipartuploads",
    "s3:listobjects": "s3:listbucket",
    "s3:listobjectversions": "s3:listbucketversions",
    "s3:listparts": "s3:listmultipartuploadparts",
    "s3:putbucketaccelerateconfiguration": "s3:putaccelerateconfiguration",
    "s3:putbucketencryption": "s3:putencryptionconfiguration",
    "s3:putbucketlifecycle": "s3:putlifecycleconfiguration",
    "s3:putbucketlifecycleconfiguration": "s3:putlifecycleconfiguration",
    "s3:putbucketnotificationconfiguration": "s3:putbucketnotification",
    "s3:putbucketreplication": "s3:putreplicationconfiguration",
    "s3:putobjectlockconfiguration": "s3:putbucketobjectlockconfiguration",
    "s3:putpublicaccessblock": "s3:putbucketpublicaccessblock",
    "s3:selectobjectcontent": "s3:getobject",
    "s3:uploadpart": "s3:putobject",
    "s3:uploadpartcopy": "s3:putobject",
}
# Services whose name in the audit log is not the prefix of their permissions.
PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
# What looks into a bucket. Everything else on a bucket alone acts on the bucket itself, and
# ``bucket/*`` does not cover that: a grant on objects is no grant to change the bucket's policy.
LISTINGS = frozenset(
    {
        "s3:headbucket",
        "s3:listbucket",
        "s3:listbucketmultipartuploads",
        "s3:listbucketversions",
        "s3:listmultipartuploads",
        "s3:listobjects",
        "s3:listobjectversions",
    }
)
# Lambda and CloudFront put the version of their API behind the operation's name.
_API_VERSION = re.compile(r"(?:\d{8}(?:v\d+)?|\d{4}_\d{2}_\d{2})$")
_S3_ARN = re.compile(r"arn:[^:]*:s3:::(.*)", re.DOTALL)
_SECRET_ARN = re.compile(r"(arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:)(.*)", re.DOTALL)
# "Secrets Manager appends a hyphen and six random characters to the name" (its ARN only).
_SECRET_TAIL = re.compile(r"-[A-Za-z0-9]{6}$")
S3 = "arn:aws:s3:::"
LONGEST_KNOWN = 512
# A secret that was asked for by its bare name has this name too: only secrets' ARNs as patterns
# reach it, so that ``…:secret:*`` does not come to mean everything that has no ARN.
SECRET = "secret by name:"  # noqa: S105 - a prefix of names; no secret is written here
_OF_ARNS = ("arn:", SECRET)


class Names(NamedTuple):
    """All names of one request; an empty one is matched only by what matches everything.

    Names of the one kind begin with ``arn:`` or with SECRET, names of the other do not, so that
    most patterns need to be compared with one kind only.
    """

    action: str
    permission: str
    name: str
    also: str = ""
    arn: str = ""
    also_arn: str = ""


NAME_FIELDS, ARN_FIELDS = ("name", "also"), ("arn", "also_arn")


def lower(text: str) -> str:
    """Lower case, ASCII only: other scripts have letters that fold into ours."""
    return text.translate(_ASCII_LOWER)


@lru_cache(maxsize=4_096)
def action(text: str) -> tuple[str, str]:
    """(operation, permission) in lower case; the same twice where AWS has one name."""
    name = lower(text)
    service, colon, operation = name.partition(":")
    if not colon:
        return name, name
    if service in ("lambda", "cloudfront"):
        operation = _API_VERSION.sub("", operation)
    name = f"{service}:{operation}"
    if name == "s3:listobjectsv2":
        name = "s3:listobjects"
    return name, PERMISSIONS.get(name, f"{PREFIXES.get(service, service)}:{operation}")


def names(asked: str, resource: str) -> Names:
    """What a request's action and resource are called."""
    # What is longer than evidence ever writes is not remembered: anybody can make it up.
    long = len(resource) > LONGEST_KNOWN or len(asked) > LONGEST_KNOWN
    return _names(asked, resource) if long else _known_names(asked, resource)


def _names(asked: str, resource: str) -> Names:
    operation, permission = action(asked)
    in_s3 = _S3_ARN.fullmatch(resource)
    if in_s3 is not None or (
        operation.startswith(("s3:", "s3express:")) and not resource.startswith("arn:")
    ):
        return _in_s3(operation, permission, in_s3[1] if in_s3 is not None else resource)
    secret = _SECRET_ARN.fullmatch(resource)
    if secret is not None:
        bare = _SECRET_TAIL.sub("", secret[2])
        return Names(operation, permission, bare, secret[2], resource, secret[1] + bare)
    if resource.startswith(_OF_ARNS):
        # Nobody but us writes SECRET in front of a name; whoever does gets no other names by it.
        return Names(operation, permission, "", arn=resource)
    if operation.startswith("secretsmanager:") and resource:
        return Names(operation, permission, resource, arn=SECRET + resource)
    return Names(operation, permission, resource)


_known_names = lru_cache(maxsize=16_384)(_names)


def _in_s3(operation: str, permission: str, path: str) -> Names:
    bucket, _, inside = path.partition("/")
    if not bucket:
        return Names(operation, permission, path, arn=S3 + path if path else "")
    if operation in LISTINGS:
        # A listing is of the bucket, and of what lies under its prefix.
        path = f"{bucket}/{inside}"
        return Names(operation, permission, path, bucket, S3 + path, S3 + bucket)
    if not inside:
        path = bucket
    return Names(operation, permission, path, arn=S3 + path)


@lru_cache(maxsize=4_096)
def written_action(pattern: str) -> str:
    """An action as the judge compares it; a whole name as requests are called."""
    return lower(pattern) if "*" in pattern else action(pattern)[0]


@lru_cache(maxsize=4_096)
def written_resource(pattern: str) -> tuple[str, ...]:
    """The patterns that one written resource stands for."""
    in_s3 = _S3_ARN.fullmatch(pattern)
    if in_s3 is not None:
        # One namespace in every partition, and one name for a bucket.
        return (S3 + in_s3[1],)
    secret = _SECRET_ARN.fullmatch(pattern)
    if secret is not None:
        inside = secret[2]
        # The tail is random: with it, without it, or as policies write it, it is this secret.
        bare = _SECRET_TAIL.sub("", inside.removesuffix("-*").removesuffix("-??????"))
        found = (inside, bare) if "?" not in inside else (bare,)
        return tuple(
            dict.fromkeys(prefix + name for prefix in (secret[1], SECRET) for name in found)
        )
    if pattern.find("/") == len(pattern) - 1 > 0 and not pattern.startswith("arn:"):
        # Evidence writes a bucket alone with a slash. A slash alone names no bucket: without it
        # nothing would be left, and an empty pattern matches whatever has no second name.
        return (pattern, pattern[:-1])
    return (pattern,)


def fields_of(pattern: str) -> tuple[str, ...]:
    """The fields of Names that this pattern can match, besides the empty ones."""
    head = pattern.partition("*")[0]
    arns = any(start.startswith(head) or head.startswith(start) for start in _OF_ARNS)
    others = not head.startswith(_OF_ARNS)
    return (NAME_FIELDS if others else ()) + (ARN_FIELDS if arns else ())


@lru_cache(maxsize=4_096)
def equivalents(pattern: str, service: str) -> tuple[str, ...]:
    """Patterns that match a request of this service wherever this one does.

    Each rests on a name that `names` always gives beside the matched one.
    """
    found = [pattern]
    if pattern.startswith(S3):
        found.append(pattern.removeprefix(S3))
    elif service == "s3" and not pattern.startswith(("arn:", "*")):
        found.append(S3 + pattern)
    if pattern.startswith(SECRET):
        found.append(pattern.removeprefix(SECRET))
    secret = _SECRET_ARN.fullmatch(pattern)
    if secret is not None:
        found.append(secret[2])
    return tuple(found)
