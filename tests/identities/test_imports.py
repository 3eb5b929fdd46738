"""A first load: by the command line alone, before the first signature, and never an allow."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from identities.acting import COMMAND, COUNTERSIGN, By
from identities.decisions import Question, decide
from identities.judging.verdicts import Grants, Shape
from identities.models import DelegationVersion, Identity, User
from identities.permissions import NotAllowed
from tests.identities.conftest import DAY, NOW
from tests.identities.test_decisions import BODY, grant, post
from tests.identities.test_registration import load

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]
REFUSED = (
    "Only `manage.py register --imported` on the server imports delegations. Leave `imported`"
    " out: delegations become proposals, which an access request brings into force."
)
TEXT = """
identities:
  - {name: svc-report, kind: service_account}
delegations:
  - {grantee: svc-report, slug: all, actions: ["s3:*"], resources: ["*"]}
"""


def versions() -> list[tuple[str, str, bool]]:
    rows = DelegationVersion.objects.order_by("delegation__number", "version")
    return list(rows.values_list("delegation__slug", "state", "imported"))


@pytest.mark.parametrize("dry_run", [True, False])
def test_api_refuses_to_import(client: Client, token: Make, dry_run: bool) -> None:
    secret = token("read", "act", name="root")
    root = User.objects.get(username="root")
    root.groups.add(Group.objects.get_or_create(name="administrator")[0])
    body = {"name": "x.yaml", "text": TEXT, "dry_run": dry_run}

    def send(said: dict[str, Any]) -> Any:
        return client.post(
            "/api/identities/register/",
            json.dumps(said),
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}"},
        )

    refused = send(body | {"imported": True})
    assert (refused.status_code, refused.json()) == (403, {"detail": REFUSED})
    assert versions() == []
    # Without it the same file is taken, and its delegation asks for two signatures.
    assert send(body | {"imported": False}).status_code == 200
    assert versions() == ([] if dry_run else [("all", "proposed", False)])


@pytest.mark.parametrize("who", ["administrator", "app"])
def test_only_the_command_line_imports(user: Make, who: str) -> None:
    by: By = COUNTERSIGN if who == "app" else user("root", "administrator")
    with pytest.raises(NotAllowed) as refused:
        load(TEXT, by=by, imported=True)
    assert (str(refused.value), versions()) == (REFUSED, [])
    load(TEXT, by=COMMAND, imported=True)
    assert versions() == [("all", "in_force", True)]


@pytest.mark.parametrize("ended", [False, True])
def test_identity_with_a_signed_delegation_gets_proposals(identity: Make, ended: bool) -> None:
    row = identity()
    grant(row, slug="signed", **({"superseded_at": NOW} if ended else {}))
    done = load(TEXT, imported=True, now=NOW + DAY)
    assert versions() == [("signed", "in_force", False), ("all", "proposed", False)]
    assert done.notes == [
        (
            "delegation svc-report/all: svc-report has a signed delegation already, so this one is"
            " proposed, not imported"
        )
    ]


def test_import_is_not_replaced_by_another_once_the_identity_has_a_signed_one() -> None:
    load(TEXT, imported=True)
    grant(Identity.objects.get(), slug="signed")
    load(TEXT.replace('["s3:*"]', '["*"]'), imported=True, now=NOW + DAY)
    assert versions() == [
        ("all", "in_force", True),
        ("all", "proposed", False),
        ("signed", "in_force", False),
    ]


@pytest.mark.parametrize("mode", ["observe", "ask", "enforce"])
@pytest.mark.parametrize("state", ["draft", "active"])
def test_import_judges_the_past_and_allows_nothing(active: Make, mode: str, state: str) -> None:
    row = active(mode=mode, state=state)
    brought = grant(row, imported=True, signed=False, case=None)
    answer = decide(Question("svc-report", "s3:GetObject", "invoices/1"), now=NOW)
    assert not answer.allowed
    if state == "active" or mode == "observe":
        assert (answer.reason, answer.sentence) == (
            "none",
            (
                "No delegation at all, so none for s3:GetObject on invoices/1. A delegation that was"
                " imported counts here once two approvers have signed it."
            ),
        )
    shape = Shape(row.number, "s3:GetObject", "invoices/1", "", "")
    verdict = Grants([row.number]).judge(shape, NOW)
    assert (verdict.allowed, verdict.policies, verdict.signed) == (True, (brought.key,), False)


def test_import_is_denied_over_http(client: Client, active: Make, token: Make) -> None:
    grant(active(mode="observe"), imported=True, signed=False, case=None)
    answer = post(client, BODY, token()).json()
    assert (answer["decision"], answer["context"]["reason"]) == (False, "none")
    DelegationVersion.objects.update(signed=True, imported=False, case=Identity.objects.get().pk)
    assert post(client, BODY, token(name="again")).json()["decision"] is True
