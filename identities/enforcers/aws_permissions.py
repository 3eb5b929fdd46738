"""What AWS checks for what a delegation calls an action. Pure tables.

A delegation names operations as the audit log does, permissions as policies do, or patterns of
either; a policy knows permissions only. Owns the way from the one to the other, and which types of
resources a permission is checked against (aws_permissions.txt, written from AWS's own reference).
A word that cannot be placed is never guessed: all permissions of its service stand for it.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from identities.authority import names

from .patterns import covers

PUBLISHED = Path(__file__).with_name("aws_permissions.txt")
EVERYTHING = "*"

# Operation -> the permissions that AWS checks for it, where identities/authority/names.py does not
# tell all of them. What is no operation of its own belongs to the one that needs it: nobody could
# have delegated it by what the log shows.
NEEDS: dict[str, tuple[str, ...]] = {
    "dynamodb:batchexecutestatement": (
        "dynamodb:PartiQLDelete", "dynamodb:PartiQLInsert", "dynamodb:PartiQLSelect",
        "dynamodb:PartiQLUpdate",
    ),
    "dynamodb:transactgetitems": ("dynamodb:GetItem",),
    "dynamodb:transactwriteitems": (
        "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    ),
    "kms:reencrypt": ("kms:ReEncryptTo",),
    "lambda:getlayerversionbyarn": ("lambda:GetLayerVersion",),
    "lambda:invokewithresponsestream": ("lambda:InvokeFunction",),
    "s3:copyobject": ("s3:PutObject",),
    "s3:deletebucketanalyticsconfiguration": ("s3:PutAnalyticsConfiguration",),
    "s3:deletebucketintelligenttieringconfiguration": ("s3:PutIntelligentTieringConfiguration",),
    "s3:deletebucketinventoryconfiguration": ("s3:PutInventoryConfiguration",),
    "s3:deletebucketlifecycleconfiguration": ("s3:PutLifecycleConfiguration",),
    "s3:deletebucketmetricsconfiguration": ("s3:PutMetricsConfiguration",),
    "s3:deletebucketownershipcontrols": ("s3:PutBucketOwnershipControls",),
    "s3:deletebucketpublicaccessblock": ("s3:PutBucketPublicAccessBlock",),
    "s3:deleteobject": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "s3:deleteobjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "s3:deleteobjecttagging": ("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
    "s3:getbucketanalyticsconfiguration": ("s3:GetAnalyticsConfiguration",),
    "s3:getbucketintelligenttieringconfiguration": ("s3:GetIntelligentTieringConfiguration",),
    "s3:getbucketinventoryconfiguration": ("s3:GetInventoryConfiguration",),
    "s3:getbucketmetricsconfiguration": ("s3:GetMetricsConfiguration",),
    "s3:getobject": ("s3:GetObject", "s3:GetObjectVersion"),
    "s3:getobjectacl": ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    "s3:getobjectattributes": (
        "s3:GetObject", "s3:GetObjectAttributes", "s3:GetObjectVersion",
        "s3:GetObjectVersionAttributes",
    ),
    "s3:getobjecttagging": ("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    "s3:getstoragelensdashboarddatainternal": ("s3:GetStorageLensDashboard",),
    "s3:headobject": ("s3:GetObject", "s3:GetObjectVersion"),
    "s3:listbucketanalyticsconfigurations": ("s3:GetAnalyticsConfiguration",),
    "s3:listbucketintelligenttieringconfigurations": ("s3:GetIntelligentTieringConfiguration",),
    "s3:listbucketinventoryconfigurations": ("s3:GetInventoryConfiguration",),
    "s3:listbucketmetricsconfigurations": ("s3:GetMetricsConfiguration",),
    "s3:putbucketanalyticsconfiguration": ("s3:PutAnalyticsConfiguration",),
    "s3:putbucketintelligenttieringconfiguration": ("s3:PutIntelligentTieringConfiguration",),
    "s3:putbucketinventoryconfiguration": ("s3:PutInventoryConfiguration",),
    "s3:putbucketmetricsconfiguration": ("s3:PutMetricsConfiguration",),
    "s3:putobjectacl": ("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
    "s3:putobjecttagging": ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
    "s3:selectobjectcontent": ("s3:GetObject", "s3:GetObjectVersion"),
    "sns:publishbatch": ("sns:Publish",),
    "sqs:changemessagevisibilitybatch": ("sqs:ChangeMessageVisibility",),
    "sqs:deletemessagebatch": ("sqs:DeleteMessage",),
    "sqs:sendmessagebatch": ("sqs:SendMessage",),
    "sts:assumerole": ("sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"),
}  # fmt: skip
NEEDS["dynamodb:executestatement"] = NEEDS["dynamodb:batchexecutestatement"]
NEEDS["dynamodb:executetransaction"] = NEEDS["dynamodb:batchexecutestatement"]
_PASS = ("iam:PassRole",)
# Operation -> what it needs besides, on things that its record does not name as its resource.
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "kms:reencrypt": ("kms:ReEncryptFrom",),
    "s3:copyobject": ("s3:GetObject", "s3:GetObjectVersion"),
    "s3:uploadpartcopy": ("s3:GetObject", "s3:GetObjectVersion"),
    **dict.fromkeys(
        (
            "cloudformation:createchangeset", "cloudformation:createstack",
            "cloudformation:deletestack", "cloudformation:updatestack", "cloudtrail:createtrail",
            "cloudtrail:updatetrail", "codebuild:createproject", "codebuild:updateproject",
            "config:putconfigurationrecorder", "ec2:associateiaminstanceprofile",
            "ec2:createflowlogs", "ec2:createlaunchtemplate", "ec2:createlaunchtemplateversion",
            "ec2:modifyspotfleetrequest", "ec2:replaceiaminstanceprofileassociation",
            "ec2:requestspotfleet", "ec2:requestspotinstances", "ecs:createservice",
            "ecs:registertaskdefinition", "ecs:runtask", "ecs:starttask", "ecs:updateservice",
            "eks:createcluster", "eks:createfargateprofile", "eks:createnodegroup",
            "eks:createpodidentityassociation", "events:putrule", "events:puttargets",
            "glue:createcrawler", "glue:createdevendpoint", "glue:createjob", "glue:createsession",
            "glue:updatecrawler", "glue:updatejob", "iam:addroletoinstanceprofile",
            "lambda:createeventsourcemapping", "lambda:createfunction",
            "lambda:updatefunctionconfiguration", "logs:putdestination",
            "logs:putsubscriptionfilter", "rds:adddbclusterrole", "rds:adddbinstancerole",
            "rds:adddbroletocluster", "rds:adddbroletoinstance", "rds:createdbcluster",
            "rds:createdbinstance", "rds:createdbproxy", "rds:modifydbcluster",
            "rds:modifydbinstance", "rds:modifydbproxy", "rds:startexporttask",
            "rolesanywhere:createprofile", "rolesanywhere:updateprofile",
            "s3:putbucketreplication", "s3:createjob", "ssm:createactivation",
            "ssm:createassociation", "ssm:registertaskwithmaintenancewindow", "ssm:sendcommand",
            "ssm:startautomationexecution", "ssm:updatemanagedinstancerole",
            "states:createstatemachine", "states:updatestatemachine",
        ),
        _PASS,
    ),
    "ec2:runinstances": ("ec2:CreateTags", *_PASS),
}  # fmt: skip
# Records of what a service did by itself: nobody needs a permission for them.
NO_CALLS = frozenset(
    {
        "secretsmanager:endsecretversiondelete",
        "secretsmanager:rotationstarted",
        "secretsmanager:rotationsucceeded",
        "secretsmanager:rotationfailed",
        "secretsmanager:startsecretversiondelete",
        "ec2:sharedsnapshotvolumecreated",
    }
)
_SERVICE = re.compile(r"[a-z0-9-]{1,63}")
_OPERATION = re.compile(r"[A-Za-z0-9_.*?-]{1,128}")
_PERMISSION = re.compile(r"[A-Za-z0-9*?-]{1,128}")


class Published(NamedTuple):
    """One permission: as AWS writes it, and the types of resources it is checked against."""

    name: str
    types: frozenset[str]


class Needed(NamedTuple):
    """What a policy has to leave for one action of a delegation.

    `patterns` cover everything; `permissions` are those that AWS publishes among them, each on the
    delegated resources, `elsewhere` those that act on something else as well. `unplaced`: AWS has
    no permission that we know of by this name, so all of its service stands for it.
    """

    patterns: tuple[str, ...]
    permissions: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    unplaced: bool = False


NOTHING = Needed(())


@lru_cache(maxsize=1)
def published() -> dict[str, dict[str, Published]]:
    """{service: {permission in lower case: what AWS publishes of it}}."""
    found: dict[str, dict[str, Published]] = {}
    for line in PUBLISHED.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        head, _, those = line.partition(": ")
        service, _, types = head.partition(" ")
        kinds = frozenset() if types == "-" else frozenset(types.split(","))
        for one in those.split():
            full = f"{service}:{one}"
            found.setdefault(service, {})[full.lower()] = Published(full, kinds)
    return found


def types_of(permission: str) -> frozenset[str]:
    """The types of resources it is checked against; none: AWS checks no resource, or we do not
    know."""
    known = published().get(permission.partition(":")[0].lower(), {})
    found = known.get(permission.lower())
    return frozenset() if found is None else found.types


@lru_cache(maxsize=4_096)
def needed(word: str) -> Needed:
    """What AWS checks for what a delegation calls an action; NOTHING for what is none of AWS's."""
    service, colon, operation = names.lower(word).partition(":")
    if "*" in service:
        return Needed((EVERYTHING,))
    if not colon or not _SERVICE.fullmatch(service) or not _OPERATION.fullmatch(operation):
        return NOTHING
    service = names.PREFIXES.get(service, service)
    if service not in published():
        return Needed((f"{service}:*",), unplaced=True)
    if "*" in operation or "?" in operation:
        return _of_pattern(word, service, operation)
    return _of_name(word, service)


def _of_name(word: str, service: str) -> Needed:
    operation, permission = names.action(word)
    if operation in NO_CALLS:
        return NOTHING
    known = published()[service]
    # A word may be both an operation and a permission: what either needs is left.
    asked = (*NEEDS.get(operation, (permission,)), operation)
    kept = tuple(dict.fromkeys(known[one.lower()].name for one in asked if one.lower() in known))
    if not kept:
        return Needed((f"{service}:*",), unplaced=True)
    elsewhere = ELSEWHERE.get(operation, ())
    return Needed(tuple(dict.fromkeys((*kept, *elsewhere))), kept, elsewhere)


def _of_pattern(word: str, service: str, operation: str) -> Needed:
    known, pattern = published()[service], f"{service}:{operation}"
    matched = [one.name for low, one in known.items() if covers(pattern, low)]
    elsewhere: list[str] = []
    for name in sorted({*names.PERMISSIONS, *NEEDS, *ELSEWHERE}):
        if not covers(pattern, name):
            continue
        inner = _of_name(name, service)
        matched += inner.permissions
        elsewhere += inner.elsewhere
    if not matched:
        return Needed((f"{service}:*",), unplaced=True)
    written = f"{service}:{word.partition(':')[2]}"
    patterns = [written] if _PERMISSION.fullmatch(operation) else [f"{service}:*"]
    beside = (one for one in (*matched, *elsewhere) if not covers(pattern, one.lower()))
    return Needed(
        tuple(dict.fromkeys((*patterns, *beside))),
        tuple(dict.fromkeys(matched)),
        # What the pattern names itself is left on what was delegated, and nowhere else.
        tuple(dict.fromkeys(one for one in elsewhere if one not in matched)),
    )
