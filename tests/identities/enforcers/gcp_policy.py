"""The allow policy of a project, as Resource Manager v1 keeps it: etag, conditions, what it refuses.

Owns bindings, predefined roles and which permissions can be tested; who may ask is gcp_lab.py's.
"""

import base64
from collections.abc import Mapping
from typing import Any

BASIC = ("roles/owner", "roles/editor", "roles/viewer")
type Row = dict[str, Any]
type Refused = tuple[int, str, str]


class Policy:
    """One policy. `overtaken`: somebody else changes it before each of so many next writes."""

    def __init__(self, project: str) -> None:
        self.project, self.written, self.overtaken = project, 0, 0
        self.bindings: list[Row] = []
        self.roles: dict[str, list[str]] = {
            "roles/storage.objectViewer": ["storage.objects.get", "storage.objects.list"],
            "roles/storage.admin": ["storage.buckets.delete", "storage.objects.get"],
            "roles/pubsub.publisher": ["pubsub.topics.publish"],
            "roles/editor": ["compute.instances.create", "pubsub.topics.publish"],
        }

    def bind(self, role: str, *members: str, **condition: str) -> None:
        made: Row = {"role": role, "members": list(members)}
        self.bindings.append(made | ({"condition": condition} if condition else {}))

    def given(self, address: str) -> dict[str, bool]:
        """What an account has by role: whether it applies now, as Google would evaluate it."""
        found: dict[str, bool] = {}
        for one in self.bindings:
            if f"serviceAccount:{address}" in one["members"]:
                applies = one.get("condition", {}).get("expression") != "false"
                found[one["role"]] = found.get(one["role"], False) or applies
        return found

    def answer(self, verb: str, body: Row, *, lies: bool) -> Row | Refused:
        if verb == "getIamPolicy":
            shown: Row = {"version": 1, "etag": self._etag, "bindings": self.bindings}
            if any("condition" in one for one in self.bindings):
                # Who does not ask for version 3 is shown conditions by a digest in the role's name.
                assert body["options"]["requestedPolicyVersion"] == 3
                shown["version"] = 3
            return shown
        policy = body["policy"]
        if self.overtaken:
            self.overtaken -= 1
            self.written += 1
        if policy.get("etag") != self._etag:
            said = "There were concurrent policy changes. Please retry the whole read-modify-write"
            return 409, "ABORTED", f"{said} with exponential backoff."
        if problem := _wrong(policy):
            return 400, "INVALID_ARGUMENT", problem
        if not lies:
            self.bindings, self.written = policy["bindings"], self.written + 1
        return {"version": policy["version"], "etag": self._etag, "bindings": policy["bindings"]}

    def testable(self, body: Row) -> Row:
        assert (
            body["fullResourceName"]
            == f"//cloudresourcemanager.googleapis.com/projects/{self.project}"
        )
        names = sorted(
            {one for role in self.roles.values() for one in role} | {"bigquery.jobs.create"}
        )
        begins = int(body.get("pageToken", "0"))
        said: Row = {"permissions": [{"name": one} for one in names[begins : begins + 4]]}
        if names[begins + 4 :]:
            said["nextPageToken"] = str(begins + 4)
        return said

    @property
    def _etag(self) -> str:
        return base64.b64encode(f"written {self.written}".encode()).decode()


def _wrong(policy: Mapping[str, Any]) -> str:
    for one in policy["bindings"]:
        condition = one.get("condition")
        if condition is None:
            continue
        if policy.get("version") != 3:
            return "Specifying a version number less than 3 is not allowed with conditions."
        if one["role"] in BASIC:
            return f"Conditions can't be set on basic roles: {one['role']}."
        if not condition.get("title") or len(condition["title"]) > 100:
            return "The condition's title is missing or too long."
        if len(condition.get("description", "")) > 256:
            return "The condition's description is too long."
    return ""
