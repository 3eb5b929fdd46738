"""What a CloudTrail record says was acted on, as one text per record.

Owns the tables from service and operation to the parameter that names the resource. To teach
it a service, add a row to TELLING; to teach it a shape of its own, add a reader to READERS.
Pure.

Shapes: S3 is ``bucket/key`` (the bucket alone ends in a slash), secrets are their names, IAM is
ARNs, everything else the ARN that the record lists, else the parameter that tells most.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from evidence.formats import aws


class Asked(NamedTuple):
    """What a resource is read from."""

    name: str  # the operation
    parameters: dict[str, Any]
    resources: Any
    account: str
    region: str
    caller: str  # the caller's own ARN, '' for none


# Asked(…) by name takes twice as long.
asked: Callable[[type[Asked], tuple[Any, ...]], Asked] = tuple.__new__

type Reader = Callable[[Asked], str | None]

# The parameters that name the resource, by service, the best first.
TELLING: dict[str, tuple[str, ...]] = {
    "ssm": (
        "name",
        "names",
        "instanceId",
        "instanceIds",
        "target",
        "documentName",
        "resourceId",
        "path",
    ),
    "kms": ("keyId", "aliasName"),
    "lambda": ("functionName", "layerName"),
    "dynamodb": ("tableName", "tableArn"),
    "sqs": ("queueUrl", "queueName"),
    "sns": ("topicArn", "name"),
    "bedrock": (
        "modelId",
        "agentId",
        "guardrailIdentifier",
        "knowledgeBaseId",
        "inferenceProfileId",
    ),
    "bedrock-agentcore": ("name", "workloadName", "agentRuntimeId", "gatewayId", "memoryId"),
    "logs": ("logGroupName", "logGroupIdentifier", "logGroupNamePrefix"),
    "cloudtrail": ("name", "trailName", "trailNameList", "eventDataStore"),
    "rds": ("dBInstanceIdentifier", "dBClusterIdentifier", "dBSnapshotIdentifier"),
    "ecr": ("repositoryName",),
    "eks": ("name", "clusterName"),
    "ecs": ("cluster", "taskDefinition"),
    "ec2": ("instanceId", "volumeId", "snapshotId", "imageId", "groupId", "vpcId", "subnetId"),
    "kinesis": ("streamName", "streamARN"),
    "states": ("stateMachineArn", "executionArn"),
    "organizations": ("accountId", "policyId", "targetId"),
    "cognito-idp": ("userPoolId",),
    "cognito-identity": ("identityPoolId", "identityId"),
    "rolesanywhere": ("trustAnchorId", "profileId", "profileArn", "trustAnchorArn", "name"),
    "glue": ("databaseName", "name", "jobName"),
    "athena": ("workGroup", "queryExecutionId"),
    "cloudformation": ("stackName", "stackSetName"),
}
# Lists of things, as the older query interfaces write them.
SETS: tuple[tuple[str, str], ...] = (
    ("instancesSet", "instanceId"),
    ("volumeSet", "volumeId"),
    ("snapshotSet", "snapshotId"),
    ("imagesSet", "imageId"),
    ("groupSet", "groupId"),
    ("networkInterfaceIdSet", "networkInterfaceId"),
)
_SETS = frozenset(name for name, _ in SETS)
# Parameters that end in Id, Name or Arn and name no resource.
_TELLS_NOTHING = re.compile(
    r"(?i)token|requestId|^client|^max|marker|attribute|region|x-amz|owner|version|principal"
)
_MAKES = ("Create", "Allocate", "Copy", "Import", "Register", "Request", "Restore", "Start")
_DEEPEST_ANSWER = 3
_REFUSED_ON = re.compile(r"on resource: (\S{1,600})")


def resource(service: str, asked: Asked, message: Any) -> str | None:
    """The resource of a record; None where the operation has none, such as a list of all."""
    reader = READERS.get(service, _by_parameters)
    found = reader(asked)
    if found is None and isinstance(message, str):
        # A refused call often comes without its parameters; AWS's sentence names the resource.
        match = _REFUSED_ON.search(message)
        if match is not None and match[1] != "*":
            found = _shaped(service, match[1].rstrip(".,;\"'"))
    return None if not found else aws.bounded(found)


def _shaped(service: str, text: str) -> str:
    if service == "s3":
        return aws.bucket_path(text)
    return aws.secret_of(text) if service == "secretsmanager" else text


def value_of(parameters: dict[str, Any], name: str) -> str | None:
    """A text parameter, written either way: `secretId` or `SecretId`; of a list, the first."""
    value = parameters.get(name)
    if value is None:
        value = parameters.get(_capital(name))
        if value is None:
            return None
    if isinstance(value, list):
        value = value[0] if value else None
    # AWS writes stars over what it hides.
    return value if isinstance(value, str) and value and value[0] != "*" else None


@lru_cache(maxsize=1024)
def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def listed_arn(resources: Any, kind: str = "") -> str | None:
    """The first ARN among a record's resources, of a type where one is asked for."""
    if not isinstance(resources, list):
        return None
    for entry in resources:
        if isinstance(entry, dict) and (not kind or entry.get("type") == kind):
            arn = entry.get("ARN") or entry.get("arn")
            if isinstance(arn, str) and arn:
                return arn
    return None


def _s3(asked: Asked) -> str | None:
    bucket = asked.parameters.get("bucketName")
    if isinstance(bucket, str) and bucket:
        inside = value_of(asked.parameters, "key") or value_of(asked.parameters, "prefix") or ""
        return f"{bucket.removeprefix('arn:aws:s3:::')}/{inside}"
    arn = listed_arn(asked.resources, "AWS::S3::Object") or listed_arn(asked.resources)
    return aws.bucket_path(arn) if arn else None


def _secrets(asked: Asked) -> str | None:
    names = ("secretId", "name", "secretIdList")
    text = next(filter(None, (value_of(asked.parameters, name) for name in names)), None)
    text = text or listed_arn(asked.resources)
    return aws.secret_of(text) if text else None


# IAM's operations on the caller itself when they name no user.
_OWN = frozenset(
    {
        "ChangePassword",
        "CreateAccessKey",
        "CreateServiceSpecificCredential",
        "CreateVirtualMFADevice",
        "DeactivateMFADevice",
        "DeleteAccessKey",
        "DeleteServiceSpecificCredential",
        "DeleteSigningCertificate",
        "EnableMFADevice",
        "GetUser",
        "ListAccessKeys",
        "ListMFADevices",
        "ListServiceSpecificCredentials",
        "ListSigningCertificates",
        "ListSSHPublicKeys",
        "ResetServiceSpecificCredential",
        "UpdateAccessKey",
        "UpdateServiceSpecificCredential",
        "UpdateSigningCertificate",
        "UploadSigningCertificate",
    }
)
_IAM_KINDS = (
    ("userName", "user"),
    ("roleName", "role"),
    ("groupName", "group"),
    ("instanceProfileName", "instance-profile"),
    ("policyName", "policy"),
)


def _iam(asked: Asked) -> str | None:
    parameters = asked.parameters
    for parameter, kind in _IAM_KINDS:
        name = value_of(parameters, parameter)
        if name is None:
            continue
        if kind == "policy" and value_of(parameters, "policyArn"):
            break
        own = asked.caller
        if kind == "user" and own.endswith(f"/{name}") and ":user/" in own:
            # The caller's own ARN has the path that the parameter leaves out.
            return own
        path = parameters.get("path")
        inner = path.strip("/") + "/" if isinstance(path, str) and path.strip("/") else ""
        partition = aws.partition_of(asked.region)
        return f"arn:{partition}:iam::{asked.account}:{kind}/{inner}{name}"
    if asked.name in _OWN and (":user/" in asked.caller or asked.caller.endswith(":root")):
        return asked.caller
    for parameter in ("policyArn", "openIDConnectProviderArn", "sAMLProviderArn", "serialNumber"):
        text = value_of(parameters, parameter)
        if text:
            return text
    return _by_parameters(asked)


def _sts(asked: Asked) -> str | None:
    role = value_of(asked.parameters, "roleArn") or value_of(asked.parameters, "targetPrincipal")
    if role:
        return role
    if asked.name == "GetFederationToken" and (name := value_of(asked.parameters, "name")):
        return f"arn:{aws.partition_of(asked.region)}:sts::{asked.account}:federated-user/{name}"
    return listed_arn(asked.resources, "AWS::IAM::Role") or listed_arn(asked.resources)


def _telling(service: str) -> Reader:
    names = TELLING[service]
    known = frozenset((*names, *map(_capital, names)))

    def read(asked: Asked) -> str | None:
        # Asked first: most calls that reach this name nothing in the table.
        if not known.isdisjoint(asked.parameters):
            for name in names:
                found = value_of(asked.parameters, name)
                if found:
                    return found
        return _by_parameters(asked)

    return read


def _listed_first(service: str) -> Reader:
    telling = _telling(service)

    def read(asked: Asked) -> str | None:
        return listed_arn(asked.resources) or telling(asked)

    return read


def _by_parameters(asked: Asked) -> str | None:
    """What no table knows: a listed ARN, else the parameter whose name tells most."""
    if asked.resources:
        arn = listed_arn(asked.resources)
        if arn:
            return arn
    parameters = asked.parameters
    if not parameters:
        return None
    for name, member in () if _SETS.isdisjoint(parameters) else SETS:
        found = _first_item(parameters.get(name), (member,))
        if found:
            return found
    for name in _most_telling(asked.name, tuple(parameters)):
        found = value_of(parameters, name)
        if found:
            return found
    return _elsewhere(asked)


def _elsewhere(asked: Asked) -> str | None:
    """What EC2's newer operations put into a request of their own, and its older ones into sets."""
    wrapped = asked.parameters.get(f"{asked.name}Request")
    if isinstance(wrapped, dict):
        if asked.name.startswith(_MAKES):
            return None  # what is made is named by the answer
        for name in _most_telling(asked.name, tuple(wrapped)):
            value = wrapped[name]
            if isinstance(value, list):
                value = value[0] if value else None
            # An element of a list is written with its number.
            found = value_of(value, "content") if isinstance(value, dict) else value
            if isinstance(found, str) and found:
                return found
        return None
    for name, value in asked.parameters.items():
        if name.endswith("Set") and name != "filterSet":
            found = _first_item(value)
            if found:
                return found
    return None


def _first_item(value: Any, members: tuple[str, ...] = ()) -> str | None:
    """What names the first thing of a set: one of these members, or what it says that tells most."""
    items = value.get("items") if isinstance(value, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    if not isinstance(first, dict):
        return None
    for member in members or _most_telling("", tuple(first)):
        found = first.get(member)
        if isinstance(found, str) and found:
            return found
    return None


def opened(value: Any) -> dict[str, Any]:
    """Parameters or an answer, also where a table writes them as text; empty for no object."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = orjson.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def created(name: str, response: Any) -> str | None:
    """What an operation made that only its answer names: the id that is nearest to its name."""
    inside = response if response and name.startswith(_MAKES) else None
    depth = 0
    while isinstance(inside, dict) and depth < _DEEPEST_ANSWER:
        for member in _most_telling(name, tuple(inside)):
            found = inside.get(member)
            if isinstance(found, str) and found:
                return aws.bounded(found)
        only = inside.get("item")
        if isinstance(only, str) and only:
            return aws.bounded(only)
        held = (name for name, value in inside.items() if isinstance(value, dict))
        inside = inside.get(next((name for name in held if name != "credentials"), ""))
        depth += 1
    return None


@lru_cache(maxsize=8192)
def _most_telling(operation: str, parameters: tuple[str, ...]) -> tuple[str, ...]:
    """The parameters whose names say that they name something, the best first: of several of a
    kind, what the operation itself is named after."""
    named = operation.lower()
    names = sorted(name for name in parameters if not _TELLS_NOTHING.search(name))
    return tuple(
        name
        for ending in ("arn", "id", "identifier", "name")
        for own in (True, False)
        for name in names
        if name.lower().endswith(ending)
        and (named != "" and name.lower().removesuffix(ending) in named) is own
    )


READERS: dict[str, Reader] = {
    **{service: _telling(service) for service in TELLING},
    # These list the ARN of what was touched, which is better than an alias in a parameter.
    **{service: _listed_first(service) for service in ("kms", "ssm", "dynamodb", "sns", "lambda")},
    "s3": _s3,
    "s3express": _s3,
    "secretsmanager": _secrets,
    "iam": _iam,
    "sts": _sts,
    "eks-auth": _by_parameters,
}
