"""How a policy of AWS writes a resource that a delegation names. Pure tables.

Evidence and delegations name a resource by an ARN or shortly (`bucket/key`, a secret's name, a
table's); a policy takes ARNs only. Owns the way from the one to the other, for one permission, and
which ARNs a policy takes. What cannot be written safely is None: then all resources have to stay,
because a deny of everything outside a wrong ARN would cut what was left on purpose.

To teach it a type of resource, add its row to SHAPES. Types are the words of AWS's "Service
Authorization Reference" (aws_permissions.txt).
"""

import re
from typing import NamedTuple

from identities.authority import names

from .aws_permissions import types_of
from .patterns import overlaps

ANY = "*"


class Place(NamedTuple):
    """The account that a short name is a name in."""

    account: str
    partition: str = "aws"


_IAM = "arn:{p}:iam::{a}:{kind}/{n}", "arn:{p}:iam::{a}:{kind}/*/{n}"


def _iam(kind: str) -> tuple[str, ...]:
    # A name alone does not tell the path that the ARN has before it.
    return tuple(one.replace("{kind}", kind) for one in _IAM)


def _in(service: str, *resources: str) -> tuple[str, ...]:
    return tuple(f"arn:{{p}}:{service}:*:{{a}}:{one}" for one in resources)


# service -> the types of resources a permission is checked against, one of which a call names ->
# how a name of it is written. Types of which one call names several are not here.
SHAPES: dict[str, dict[str, tuple[str, ...]]] = {
    "athena": {"workgroup": _in("athena", "workgroup/{n}")},
    "bedrock": {
        "agent": _in("bedrock", "agent/{n}"),
        "guardrail": _in("bedrock", "guardrail/{n}"),
        "knowledge-base": _in("bedrock", "knowledge-base/{n}"),
    },
    "cloudformation": {"stack": _in("cloudformation", "stack/{n}/*")},
    "cloudtrail": {"trail": _in("cloudtrail", "trail/{n}")},
    "cloudwatch": {"alarm": _in("cloudwatch", "alarm:{n}")},
    "codebuild": {"project": _in("codebuild", "project/{n}")},
    "cognito-idp": {"userpool": _in("cognito-idp", "userpool/{n}")},
    "dynamodb": {
        "table": _in("dynamodb", "table/{n}"),
        "index,table": _in("dynamodb", "table/{n}", "table/{n}/index/*"),
    },
    "ec2": {
        "instance": _in("ec2", "instance/{n}"),
        "snapshot": ("arn:{p}:ec2:*::snapshot/{n}",),
        "volume": _in("ec2", "volume/{n}"),
        "vpc": _in("ec2", "vpc/{n}"),
    },
    "ecr": {"repository": _in("ecr", "repository/{n}")},
    "ecs": {"cluster": _in("ecs", "cluster/{n}")},
    "eks": {"cluster": _in("eks", "cluster/{n}")},
    "events": {
        "event-bus,event-busv2": _in("events", "event-bus/{n}"),
        "rule-on-custom-event-bus,rule-on-default-event-bus": _in(
            "events", "rule/{n}", "rule/*/{n}"
        ),
    },
    "glue": {"job": _in("glue", "job/{n}")},
    "iam": {
        kind: _iam(kind)
        for kind in ("group", "instance-profile", "policy", "role", "server-certificate", "user")
    },
    "kinesis": {"stream": _in("kinesis", "stream/{n}")},
    "kms": {"key": _in("kms", "key/{n}")},
    "lambda": {"function": _in("lambda", "function:{n}", "function:{n}:*")},
    "logs": {
        "log-group": _in("logs", "log-group:{n}", "log-group:{n}:*"),
        "log-stream": _in("logs", "log-group:{n}:*"),
    },
    "rds": {
        "cluster": _in("rds", "cluster:{n}"),
        "cluster-snapshot": _in("rds", "cluster-snapshot:{n}"),
        "db": _in("rds", "db:{n}"),
        "snapshot": _in("rds", "snapshot:{n}"),
    },
    "s3": {
        "bucket": ("arn:{p}:s3:::{n}",),
        "accesspoint,bucket": ("arn:{p}:s3:::{n}",),
        "object": ("arn:{p}:s3:::{n}",),
        "accesspointobject,object": ("arn:{p}:s3:::{n}",),
    },
    "secretsmanager": {"Secret": _in("secretsmanager", "secret:{n}")},
    "sns": {"topic": _in("sns", "{n}")},
    "sqs": {"queue": _in("sqs", "{n}")},
    "ssm": {"parameter": _in("ssm", "parameter/{n}")},
    "states": {"statemachine": _in("states", "stateMachine:{n}")},
    "sts": {"role": _iam("role")},
}
# Checked against what their records do not name: a path that they go down, a prefix of names.
UNSURE = frozenset(
    {
        "logs:describeloggroups",
        "secretsmanager:createsecret",
        "ssm:getparametersbypath",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
    }
)
# A call of a model is checked against the model, and through a profile against all of its models.
MODELS = frozenset({"bedrock:invokemodel", "bedrock:invokemodelwithresponsestream"})
_MODEL = re.compile(r"(?!(?:us|eu|apac|global|us-gov|jp|au|ca|sa|me|af|il|mx)\.)[a-z0-9-]+\.[^/]+")
# What looks into a bucket is checked against the bucket, whatever prefix is looked for.
LOOKS_IN = frozenset(names.action(one)[1] for one in names.LISTINGS)
# Of these a call may name the bucket alone, and the objects in its body.
IN_THE_BODY = frozenset({"s3:deleteobject", "s3:deleteobjectversion"})
_ARN = re.compile(
    r"arn:(?:aws|aws-[a-z]+(?:-[a-z]+)*|\*):([a-z0-9-]+):([a-z0-9*-]*):(\d{12}|\*|aws|):(.+)",
    re.DOTALL,
)
_PARTITION = re.compile(r"aws(?:-[a-z]+)*")
_OF_IAM = re.compile(
    r"\*|(?:user|federated-user|role|group|instance-profile|mfa|server-certificate|policy|sms-mfa"
    r"|saml-provider|oidc-provider|report|access-report)/.+",
    re.DOTALL,
)
_OF_S3 = re.compile(r"(?:accesspoint|job|storage-lens|storage-lens-group|access-grants)/.+")
# What no name of such a thing can have: a resource that is written otherwise is of another service.
_NAMES = {
    service: re.compile(shape, re.ASCII)
    for service, shape in {
        "dynamodb": r"[\w.*-]+",
        "ec2": r"[a-z]+-[0-9a-f]+|.*\*.*",
        "iam": r"[\w+=,.@*/-]+",
        "kinesis": r"[\w.*-]+",
        "kms": r"[\w/*-]+",
        "lambda": r"[\w:$*-]+",
        "rds": r"[\w*-]+",
        "secretsmanager": r"[\w/+=.@*-]+",
        "sns": r"[\w.*-]+",
        "sqs": r"[\w.*-]+|https?://.+",
        "sts": r"[\w+=,.@*/-]+",
    }.items()
}
# What these make is another thing of the same type than the one that their record names.
_MAKES = re.compile(r"(?:ec2|rds):(?:allocate|copy|create|import|register|request|restore|run)")
_QUEUE = re.compile(r"https?://[^/]+/(\d{12})/([^/]+)")
_FUNCTION = re.compile(r"(?:\d{12}:)?function:(.+)")
# Printable ASCII is what every policy takes; one wildcard stands for what else there is.
_OTHERS = re.compile(r"[^\x20-\x7e]+")
LONGEST = 2_048


def written(permission: str, resource: str, place: Place) -> tuple[str, ...] | None:
    """How a policy writes this resource for this permission; None: it cannot, so all must stay.

    Nothing at all for what can only be of another service.
    """
    if resource == ANY:
        return None
    low = permission.lower()
    service, types = low.partition(":")[0], types_of(permission)
    resource = _plain(resource)
    if low in UNSURE or _MAKES.match(low) or not types or len(resource) > LONGEST:
        return None
    if _of_another(service, types, resource):
        return ()
    if low in MODELS:
        found = _model(resource, place)
    elif service == "s3":
        found = _in_s3(low, types, resource, place)
    elif resource.startswith("arn:"):
        found = _of_arn(service, types, resource)
    else:
        found = _of_name(service, types, resource, place)
    return found if found and all(taken(one) for one in found) else None


def _of_another(service: str, types: frozenset[str], resource: str) -> bool:
    """Whether no resource of this service can be meant."""
    match = _ARN.fullmatch(resource)
    if match is not None:
        own = "iam" if service == "sts" else service
        known = service in ("s3", "bedrock") or bool(_shapes(service, types))
        return known and match[1] != own
    name = _NAMES.get(service)
    return not resource.startswith("arn:") and name is not None and not name.fullmatch(resource)


def taken(arn: str) -> bool:
    """Whether a policy takes this as a resource (IAM User Guide: "Resource ARNs")."""
    match = _ARN.fullmatch(arn)
    if match is None:
        return False
    service, region, account, inside = match.groups()
    if service == "iam":
        return not region and _OF_IAM.fullmatch(inside) is not None
    if service == "s3" and (region or account):
        return _OF_S3.fullmatch(inside) is not None
    return True


def _plain(resource: str) -> str:
    """Without what a policy does not take, or reads as a variable."""
    return _OTHERS.sub("*", resource).replace("${", "*")


def _shapes(service: str, types: frozenset[str]) -> tuple[str, ...]:
    return SHAPES.get(service, {}).get(",".join(sorted(types)), ())


def _of_arn(service: str, types: frozenset[str], arn: str) -> tuple[str, ...] | None:
    """An ARN stays as it is, with what belongs to it."""
    shapes = _shapes(service, types)
    if not shapes and len(types) > 1:
        return None
    if service == "kms":
        inside = arn.split(":", 5)[-1]
        return None if inside != ANY and overlaps(inside, "alias/*") else (arn,)
    if service == "secretsmanager":
        head, mark, name = arn.partition(":secret:")
        # With its tail or without it: which of the two this is cannot be seen.
        ends = name.endswith(("*", "-??????"))
        return (arn,) if not mark or ends else (arn, f"{head}{mark}{name}-??????")
    if service in ("lambda", "logs") and shapes:
        bare = arn.removesuffix(":*")
        return (arn,) if arn.endswith("*") and bare == arn else (bare, f"{bare}:*")
    if service == "dynamodb" and len(types) > 1:
        return (arn,) if arn.endswith("*") or "/index/" in arn else (arn, f"{arn}/index/*")
    return (arn,)


def _of_name(
    service: str, types: frozenset[str], name: str, place: Place
) -> tuple[str, ...] | None:
    shapes = _shapes(service, types)
    if service == "kms" and overlaps(name, "alias/*"):
        return None  # an alias is no resource of a policy: which key is behind it can change
    if service == "sqs" and name.startswith("http"):
        queue = _QUEUE.fullmatch(name)
        if queue is None:
            return None
        place, name = place._replace(account=queue[1]), queue[2]
    if service == "lambda":
        function = _FUNCTION.fullmatch(name)
        name = function[1] if function else name
    if service == "rds":
        name = name.lower()  # as RDS keeps it
    if service == "ssm":
        name = name.removeprefix("/")
    if service == "secretsmanager" and not name.endswith("*"):
        name += "-??????"  # its ARN ends in six characters that the name has not
    return _filled(shapes, name, place)


def _filled(shapes: tuple[str, ...], name: str, place: Place) -> tuple[str, ...] | None:
    if not name or not _PARTITION.fullmatch(place.partition):
        return None
    return tuple(
        one.replace("{p}", place.partition).replace("{a}", place.account).replace("{n}", name)
        for one in shapes
    )


def _in_s3(
    permission: str, types: frozenset[str], resource: str, place: Place
) -> tuple[str, ...] | None:
    shapes = _shapes("s3", types)
    prefix = f"arn:{place.partition}:s3:::"
    match = re.fullmatch(r"arn:[^:]*:s3:::(.+)", resource, re.DOTALL)
    if resource.startswith("arn:") and match is None:
        # Of objects behind an access point the record and the policy write different ARNs.
        return (resource,) if len(types) == 1 else None
    if not shapes:
        return None
    path = resource if match is None else match[1]
    bucket, slash, inside = path.partition("/")
    if not bucket:
        return None
    if permission in LOOKS_IN:
        return (prefix + bucket,)
    if not inside and "*" not in bucket:
        return (f"{prefix}{bucket}/*",) if permission in IN_THE_BODY else (prefix + bucket,)
    if not inside and slash:
        path = bucket
    return (prefix + path,)


def _model(resource: str, place: Place) -> tuple[str, ...] | None:
    if resource.startswith("arn:"):
        return (resource,) if "::foundation-model/" in resource else None
    if not _MODEL.fullmatch(resource):
        return None
    return (f"arn:{place.partition}:bedrock:*::foundation-model/{resource}",)
