"""Write `identities/enforcers/aws_permissions.txt` from the data of cfn-lint.

AWS publishes the permissions of every service with the types of resources that each is checked
against ("Service Authorization Reference"); cfn-lint, which comes with moto, keeps a copy. Ours
holds the services that narrowing knows. Run it when its test says that AWS has changed them.
"""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import botocore.session

INTO = Path(__file__).parent.parent / "identities" / "enforcers" / "aws_permissions.txt"
SERVICES = (
    "athena", "bedrock", "cloudformation", "cloudtrail", "cloudwatch", "codebuild", "cognito-idp",
    "config", "dynamodb", "ec2", "ecr", "ecs", "eks", "events", "glue", "guardduty", "iam",
    "kinesis", "kms", "lambda", "logs", "organizations", "rds", "rolesanywhere", "s3",
    "secretsmanager", "sns", "sqs", "ssm", "states", "sts",
)  # fmt: skip
# Names that are no operations, so that the SDK does not spell them.
SPELT = (
    "BypassGovernanceRetention", "ConditionCheckItem", "DeleteObjectVersion",
    "DeleteObjectVersionTagging", "GetAccelerateConfiguration", "GetAnalyticsConfiguration",
    "GetBucketNotification", "GetBucketObjectLockConfiguration", "GetBucketPublicAccessBlock",
    "GetEncryptionConfiguration", "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration", "GetLifecycleConfiguration", "GetMetricsConfiguration",
    "GetObjectVersion", "GetObjectVersionAcl", "GetObjectVersionAttributes",
    "GetObjectVersionTagging", "GetReplicationConfiguration", "GetStorageLensDashboard",
    "InvokeFunction", "ListAllMyBuckets", "ListBucket", "ListBucketMultipartUploads",
    "ListBucketVersions", "ListMultipartUploadParts", "PartiQLDelete", "PartiQLInsert",
    "PartiQLSelect", "PartiQLUpdate", "PassRole", "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration", "PutBucketNotification", "PutBucketObjectLockConfiguration",
    "PutBucketPublicAccessBlock", "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration", "PutInventoryConfiguration",
    "PutLifecycleConfiguration", "PutMetricsConfiguration", "PutObjectVersionAcl",
    "PutObjectVersionTagging", "PutReplicationConfiguration", "ReEncryptFrom", "ReEncryptTo",
    "SetSourceIdentity", "TagSession",
)  # fmt: skip
# Names of the SDK's that are not the prefix of their permissions.
PREFIXES = {
    "bedrock-agent": "bedrock",
    "bedrock-agent-runtime": "bedrock",
    "bedrock-data-automation": "bedrock",
    "bedrock-runtime": "bedrock",
    "dynamodbstreams": "dynamodb",
    "s3control": "s3",
    "stepfunctions": "states",
}
HEAD = """\
# Permissions of AWS by service, and by the types of resources that they are checked against
# ("-": none, such a permission is given on all resources). Made by scripts/aws_permissions.py.
"""


def published() -> dict[str, Any]:
    """{service: {Actions: {permission: {Resources}}, Resources: {type: {ARNFormats}}}}."""
    spec = find_spec("cfnlint")
    if spec is None or spec.origin is None:
        raise SystemExit("cfn-lint is not installed: install the packages for development.")
    # Its data only: importing it takes many seconds.
    found = Path(spec.origin).parent / "data" / "AdditionalSpecs" / "Policies.json"
    data: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return data


def operations() -> dict[str, set[str]]:
    """{prefix of permissions: operations that the SDK knows}."""
    session = botocore.session.get_session()
    found: dict[str, set[str]] = {}
    for name in session.get_available_services():
        prefix = PREFIXES.get(name, name)
        if prefix in SERVICES:
            names = session.get_service_model(name).operation_names
            found.setdefault(prefix, set()).update(names)
    return found


def text(known: Mapping[str, set[str]]) -> str:
    """The table; `known` spells the permissions that are operations too."""
    data = published()
    lines = []
    for service in SERVICES:
        spelt = {one.lower(): one for one in (*SPELT, *sorted(known.get(service, ())))}
        groups: dict[str, list[str]] = {}
        for permission, about in data[service]["Actions"].items():
            types = ",".join(sorted(one.replace(" ", "-") for one in about.get("Resources", ())))
            groups.setdefault(types or "-", []).append(spelt.get(permission, permission))
        lines += [
            f"{service} {types}: {' '.join(sorted(those, key=str.lower))}\n"
            for types, those in sorted(groups.items())
        ]
    return HEAD + "".join(lines)


if __name__ == "__main__":
    INTO.write_text(text(operations()), encoding="utf-8")
