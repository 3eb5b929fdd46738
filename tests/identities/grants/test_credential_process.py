"""A person's own AWS SDK uses a grant: credential_process, our script, our API, the account."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError

from identities.acting import COMMAND
from identities.actions import grants, tokens
from identities.actions.grants import What
from tests.awslab.lab import Lab, Person
from tests.awslab.server import running
from tests.identities.granting import HOUR, MINUTE, READ, given, work
from tests.identities.revoking import pointed_at_the_account

__all__ = ["pointed_at_the_account"]

# The SDK asks a server of ours, which has a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "countersign_credentials.py"
Make = Callable[..., Any]


@pytest.fixture
def aws_account() -> Any:
    """One of its own: the clock of the shared one may have moved on, and the SDK's does not."""
    with running() as demo:
        yield demo


@pytest.fixture
def client(live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """The SDK as a person has it, with a profile for one grant."""
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COUNTERSIGN_URL", live_server.url)
    monkeypatch.setenv("COUNTERSIGN_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))

    def make(key: str, token: str, endpoint: str) -> Any:
        (tmp_path / "token").write_text(token)
        (tmp_path / "config").write_text(
            f"[profile {key}]\ncredential_process = {sys.executable} {SCRIPT} {key}\n"
        )
        session = boto3.Session(profile_name=key, region_name="us-east-1")
        return session.client("s3", endpoint_url=endpoint)

    return make


def lists(client: Any) -> str:
    try:
        client.list_objects_v2(Bucket="invoices")
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "listed"


def test_the_holders_sdk_uses_it_and_is_refused_after_its_end(
    lab: Lab, active: Make, user: Make, client: Make
) -> None:
    demo = lab.demo
    administrator = Person("administrator", demo.clients().caller()[1], demo.administrator)
    role = lab.role({"Action": "s3:PutObject", "Resource": "*"}, trusts=administrator)
    lab.admin.client("s3").create_bucket(Bucket="invoices")
    alice, now = user("alice"), datetime.now(UTC)
    what = What("aws", demo.account, "role_sessions", role, (READ,))
    row = given(what, active("svc", expires_at=now + 90 * HOUR), now, lasts=5 * MINUTE)
    work(now)
    _, token = tokens.create(
        user=alice, name="sdk", scopes=["act"], lasts=HOUR, by=COMMAND, now=now
    )
    s3 = client(row.key, token, demo.endpoint)
    assert lists(s3) == "listed"
    # The account's clock passes the end: AWS itself refuses, nobody took anything away.
    demo.proxy.pass_time(6 * MINUTE)
    assert lists(s3) == "AccessDenied"
    # And Countersign hands out no more once it was given back.
    grants.end(row.pk, by=COMMAND, reason="done", now=datetime.now(UTC))
    with pytest.raises(CredentialRetrievalError, match=f"{row.key} has ended"):
        lists(client(row.key, token, demo.endpoint))
    with pytest.raises(CredentialRetrievalError, match="token is not known"):
        lists(client(row.key, "cst_wrong", demo.endpoint))
