"""The people at the head of an identity's role chains: who is named, why, and who is not."""

import json
from datetime import timedelta
from typing import Any

import pytest

from evidence import intake, links
from evidence.models import Actor, Source
from identities import chain_heads, judging
from identities.actions import following
from identities.chain_heads import CHAIN, IMPERSONATES, STATED
from identities.models import Identity
from reviews.pages import answers, line_data
from reviews.pages.dossier import dossier
from tests.identities.chains import bind
from tests.identities.conftest import NOW
from tests.identities.test_following import Make

pytestmark = pytest.mark.django_db
ACCOUNT = "111122223333"
ROLES = f"arn:aws:iam::{ACCOUNT}:role"
SESSIONS = f"arn:aws:sts::{ACCOUNT}:assumed-role"
MIA = {
    "type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/mia", "accountId": ACCOUNT,
    "accessKeyId": "AKIAMIA0000000000001", "userName": "mia",
}  # fmt: skip
SSO = {
    "type": "AssumedRole", "arn": f"{SESSIONS}/AWSReservedSSO_Admin_0a1b/mia@example.com",
    "accountId": ACCOUNT, "accessKeyId": "ASIASSO0000000000001",
    "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"{ROLES}/AWSReservedSSO_Admin_0a1b"}},
}  # fmt: skip


def session(role: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    """Who calls in a session of a role."""
    return {
        "type": "AssumedRole", "arn": f"{SESSIONS}/{role}/{name}", "accountId": ACCOUNT,
        "accessKeyId": key,
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"{ROLES}/{role}"}, **more},
    }  # fmt: skip


def record(number: int, who: dict[str, Any], name: str, **said: Any) -> dict[str, Any]:
    at = NOW - timedelta(minutes=100 - number)
    return {
        "eventVersion": "1.09", "eventID": f"00000000-0000-4000-8000-{number:012d}",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "eventSource": "sts.amazonaws.com",
        "eventName": name, "awsRegion": "eu-central-1", "sourceIPAddress": "198.51.100.7",
        "userAgent": "Boto3/1.44", "requestID": f"REQ{number}", "recipientAccountId": ACCOUNT,
        "userIdentity": who,
    } | said  # fmt: skip


def assumes(number: int, who: dict[str, Any], role: str, name: str, key: str) -> dict[str, Any]:
    return record(
        number, who, "AssumeRole",
        requestParameters={"roleArn": f"{ROLES}/{role}", "roleSessionName": name},
        responseElements={
            "credentials": {"accessKeyId": key, "expiration": "Nov 24, 2026 11:59:00 PM"},
            "assumedRoleUser": {"arn": f"{SESSIONS}/{role}/{name}"},
        },
    )  # fmt: skip


def calls(number: int, who: dict[str, Any]) -> dict[str, Any]:
    return record(number, who, "GetObject", eventSource="s3.amazonaws.com",
                  requestParameters={"bucketName": "invoices", "key": "a"})  # fmt: skip


def tell(*records: dict[str, Any], body: bytes = b"") -> None:
    source, _ = Source.objects.get_or_create(
        name="trail", defaults={"created_at": NOW, "created_by": "command"}
    )
    body = body or json.dumps({"Records": list(records)}).encode()
    assert intake.take(source=source, body=body, by="command", now=NOW).rejects == 0
    while links.link_next(now=NOW):
        pass


def known(identity: Identity, *names: str) -> None:
    """The identity is linked to these names, and all that follows from it is done."""
    for name in names:
        bind(identity, Actor.objects.get(value=name))
    judging.again(identities=[identity], now=NOW)
    while following.follow_next(now=NOW):
        pass
    judging.judge_all(now=NOW)


def heads(identity: Identity) -> list[tuple[str, str, str, int, int]]:
    return [
        (one.name, one.why, one.how, one.times, one.steps)
        for one in chain_heads.of(identity, at=NOW)
    ]


AGENT, HOP = "agent-role", "jump-role"
LAST = session(AGENT, "run", "ASIAAGENT00000000001")
TWO_STEPS = [
    (2, session(HOP, "mia", "ASIAHOP0000000000001"), AGENT, "run", "ASIAAGENT00000000001"),
]


def chain(first: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """`first` assumes a role, and that one the agent's, which calls."""
    return [
        assumes(1, first, HOP, "mia", "ASIAHOP0000000000001"),
        *(assumes(*step) for step in TWO_STEPS),
        calls(3, session(AGENT, "run", "ASIAAGENT00000000001", **more)),
    ]


def test_person_who_began_a_chain_of_roles_is_named(active: Make) -> None:
    tell(*chain(MIA))
    agent = active("agent")
    known(agent, f"{ROLES}/{AGENT}")
    assert heads(agent) == []  # an account of which nothing says that it is a person's
    person = active("mia", kind="human")
    known(person, MIA["arn"])
    said = f"linked to {person.key} mia"
    assert heads(agent) == [("mia", said, CHAIN, 1, 2)]

    d = dossier(agent, now=NOW)
    fact = next(
        one for one in answers.of(d)["identity"]["facts"] if one["label"].startswith("Head")
    )
    assert (fact["words"], fact["kind"]) == (
        f"mia ({said}), 1 session by a role chain of 2 steps", "key",
    )  # fmt: skip
    (told,) = line_data.as_data(d)["what_identity"]["chain_heads"]
    assert (told["actor"], told["identity"], told["strength"]) == (MIA["arn"], person.key, "key")
    # Before it began, nobody was there.
    assert chain_heads.of(agent, at=NOW - timedelta(hours=2)) == []


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (SSO, [("mia@example.com", "single sign-on user", CHAIN, 1, 2)]),
        ({"type": "SAMLUser", "userName": "mia", "identityProvider": "corp",
          "principalId": "x", "accountId": ACCOUNT},
         [("corp/mia", "federated user", CHAIN, 1, 2)]),
        ({"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT,
          "accessKeyId": "AKIAROOT000000000001"}, [("root", "root user", CHAIN, 1, 2)]),
        # A machine's role is nobody.
        (session("pipeline", "build", "ASIAPIPE000000000001"), []),
    ],
)  # fmt: skip
def test_head_is_a_person_only_where_something_shows_it(
    active: Make, first: dict[str, Any], expected: list[Any]
) -> None:
    tell(*chain(first))
    agent = active("agent")
    known(agent, f"{ROLES}/{AGENT}")
    found = heads(agent)
    assert [(one[0].rsplit(":", 1)[-1], *one[1:]) for one in found] == expected


def test_account_that_signed_in_is_a_persons_until_it_is_linked_to_a_machine(active: Make) -> None:
    login = record(0, MIA | {"accessKeyId": ""}, "ConsoleLogin", eventSource="signin.amazonaws.com",
                   responseElements={"ConsoleLogin": "Success"})  # fmt: skip
    tell(login, *chain(MIA))
    agent = active("agent")
    known(agent, f"{ROLES}/{AGENT}")
    assert heads(agent) == [("mia", "signed in interactively", CHAIN, 1, 2)]
    known(active("robot"), MIA["arn"])
    assert heads(agent) == []


def test_person_whom_a_session_states_is_named(active: Make) -> None:
    tell(*chain(session("pipeline", "build", "ASIAPIPE000000000001"), sourceIdentity="mia"))
    agent = active("agent")
    known(agent, f"{ROLES}/{AGENT}")
    assert heads(agent) == [("mia", STATED, STATED, 1, 0)]
    facts = answers.of(dossier(agent, now=NOW))["identity"]["facts"]
    assert "mia, stated by the session, 1 call" in [one["words"] for one in facts]


def test_person_who_impersonates_a_service_account_is_named(active: Make) -> None:
    account = "system:serviceaccount:prod:agent"
    entry = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
        "auditID": "5e7fa9c1-0000-4000-8000-000000000001", "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/prod/secrets/db", "verb": "get",
        "user": {"username": "mia@example.com", "groups": ["system:authenticated"]},
        "impersonatedUser": {"username": account},
        "sourceIPs": ["198.51.100.7"], "userAgent": "kubectl/v1.30.0",
        "objectRef": {"resource": "secrets", "namespace": "prod", "name": "db", "apiVersion": "v1"},
        "responseStatus": {"code": 200}, "requestReceivedTimestamp": "2026-11-24T11:00:00.000000Z",
        "stageTimestamp": "2026-11-24T11:00:00.100000Z",
    }  # fmt: skip
    tell(body=json.dumps(entry).encode())
    agent = active("agent")
    known(agent, account)
    assert heads(agent) == [("mia@example.com", "user", IMPERSONATES, 1, 0)]
