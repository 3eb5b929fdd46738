"""AWS lists whose marker comes again: each ends, is told by name, and the others are read."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import Source
from identities.inventory.aws_organisation import KIND
from identities.models import InventoryRead
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.inventory.test_aws_more import Organisation, iam, member

__all__ = ["member"]

pytestmark = pytest.mark.django_db

MARKED = "<IsTruncated>true</IsTruncated><Marker>{}</Marker>"
# The call that goes round, and the list that says so.
ROUND = [
    ("GetAccountAuthorizationDetails", "LocalManagedPolicy", "users and roles"),
    ("GetAccountAuthorizationDetails", "User", "users and roles"),
    ("ListUsers", "", "access keys"),
    ("ListAccessKeys", "", "access keys"),
    ("ListSigningCertificates", "", "signing certificates"),
    ("ListSSHPublicKeys", "", "SSH keys"),
    ("ListServiceSpecificCredentials", "", "service credentials"),
]


def round_and_round(action: str, kind: str, asked: list[str]) -> Callable[[Request], Answer]:
    """IAM whose answers to this call have the markers a and b in turn, without an end."""

    def answer(request: Request) -> Answer:
        form = request.form()
        plain = iam(request)
        if form["Action"] != action or form.get("Filter.member.1", "") not in ("", kind or ""):
            return plain
        asked.append(form.get("Marker", ""))
        following = MARKED.format("b" if form.get("Marker") == "a" else "a")
        body = str(plain.body).replace("<IsTruncated>false</IsTruncated>", following)
        return Answer(body=body, headers=plain.headers)

    return answer


@pytest.mark.parametrize(("action", "kind", "part"), ROUND)
def test_list_that_goes_round_is_told_and_the_others_are_read(
    action: str,
    kind: str,
    part: str,
    there: There,
    member: tuple[Source, Organisation],
    read: Callable[..., InventoryRead],
) -> None:
    asked: list[str] = []
    member[1].master = "123456789012"
    answer = round_and_round(action, kind, asked)

    def either(request: Request) -> Answer:
        known = member[1].answer(request) if request.headers.get("x-amz-target") else None
        return known or answer(request)

    there.on("POST", "/", either)
    row = read(member[0])
    said = {name: str(one.get("said", "")) for name, one in row.parts.items()}
    told = [name for name, words in said.items() if "names a page that was read" in words]
    assert part in told
    assert 3 <= len(asked) <= 3 * len(told)
    others = {name for name in row.parts if name not in told}
    assert {row.parts[name]["state"] for name in others} <= {"done", "absent"}
    assert others


def test_policies_of_a_target_that_go_round_end(
    member: tuple[Source, Organisation], read: Callable[..., InventoryRead], there: There
) -> None:
    source, organisation = member

    def answer(request: Request) -> Answer:
        if not request.headers.get("x-amz-target", "").endswith("ListPoliciesForTarget"):
            return organisation.answer(request)
        asked: dict[str, Any] = request.json()
        assert asked["Filter"] == KIND
        return Answer(
            body={"Policies": [], "NextToken": "b" if asked.get("NextToken") == "a" else "a"}
        )

    there.on("POST", "/", answer)
    said = read(source).parts["policies of the organisation"]
    assert said["state"] == "refused"
    assert "names a page that was read as the next one" in said["said"]
