"""Whether IAM would take a policy document: the published grammar, stricter than moto.

After "Grammar of the IAM JSON policy language", "IAM JSON policy elements" and "IAM and AWS STS
quotas" (IAM User Guide). Says nothing about what a document does.
"""

import json
import re

from moto.iam.policy_validation import IAMPolicyDocumentValidator

MOST = {"user": 2_048, "role": 10_240}
CHARACTERS = re.compile(r"[\t\n\r\x20-\u00ff]+")
SID = re.compile(r"[A-Za-z0-9]*")
ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?-]+")
ARN = re.compile(
    r"arn:aws(?:-[a-z]+)*:[a-z0-9-]+:[a-z0-9*-]*:(?:\d{12}|aws|\*|):[\x20-\x7e]+", re.ASCII
)
EFFECTS = {"Deny"}


def problems(document: str, kind: str = "role") -> list[str]:
    """What IAM would refuse; empty when it takes the document."""
    found = []
    if not CHARACTERS.fullmatch(document):
        found.append("characters")
    if len(re.sub(r"\s", "", document)) > MOST[kind]:
        found.append("too long")
    data = json.loads(document)
    if data.keys() != {"Version", "Statement"} or data["Version"] != "2012-10-17":
        found.append("top")
    sids = [one.get("Sid", "") for one in data["Statement"]]
    if len(set(sids)) != len(sids) or not all(SID.fullmatch(one) for one in sids):
        found.append("Sid")
    for one in data["Statement"]:
        actions = {"Action", "NotAction"} & one.keys()
        resources = {"Resource", "NotResource"} & one.keys()
        if one["Effect"] not in EFFECTS or len(actions) != 1 or len(resources) != 1:
            found.append("elements")
            continue
        for name, shape in ((*actions, ACTION), (*resources, ARN)):
            values = one[name] if isinstance(one[name], list) else [one[name]]
            if not values:
                found.append(f"{name} is empty")
            found += [
                f"{name} {value}" for value in values if value != "*" and not shape.fullmatch(value)
            ]
            # NotAction and NotResource of everything would deny nothing.
            if name.startswith("Not") and "*" in values:
                found.append(f"{name} *")
    IAMPolicyDocumentValidator(document).validate()
    return found
