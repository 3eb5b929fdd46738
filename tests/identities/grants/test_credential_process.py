"""A script's own AWS SDK uses a grant: credential_process, our script, our API, the account."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import CredentialRetrievalError

from identities.acting import COMMAND
from identities.actions import grants, tokens
from identities.actions.grants import What
from tests.awslab.lab import Lab, Person
from tests.awslab.profiles import lists, sdk
from tests.awslab.server import running
from tests.identities.granting import HOUR, MINUTE, READ, given, work
from tests.identities.revoking import pointed_at_the_account

__all__ = ["pointed_at_the_account", "sdk"]

# The SDK asks a server of ours, which has a connection of its own.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real_clock]

Make = Callable[..., Any]


@pytest.fixture
def aws_account() -> Any:
    """One of its own: the clock of the shared one may have moved on, and the SDK's does not."""
    with running() as demo:
        yield demo


def test_the_holders_sdk_uses_it_and_is_refused_after_its_end(
    lab: Lab, active: Make, user: Make, sdk: Make
) -> None:
    demo = lab.demo
    administrator = Person("administrator", demo.clients().caller()[1], demo.administrator)
    role = lab.role({"Action": "s3:PutObject", "Resource": "*"}, trusts=administrator)
    lab.admin.client("s3").create_bucket(Bucket="invoices")
    alice, now = user("alice"), datetime.now(UTC)
    # The login of a script: nobody can sign in with it.
    alice.set_unusable_password()
    alice.save()
    what = What("aws", demo.account, "role_sessions", role, (READ,))
    row = given(what, active("svc", expires_at=now + 90 * HOUR), now, lasts=5 * MINUTE)
    work(now)
    _, token = tokens.create(
        user=alice, name="sdk", scopes=["act"], lasts=HOUR, by=COMMAND, now=now
    )
    s3 = sdk(row.key, demo.endpoint, token)
    assert lists(s3) == "listed"
    # The account's clock passes the end: AWS itself refuses, nobody took anything away.
    demo.proxy.pass_time(6 * MINUTE)
    assert lists(s3) == "AccessDenied"
    # And Countersign hands out no more once it was given back.
    grants.end(row.pk, by=COMMAND, reason="done", now=datetime.now(UTC))
    with pytest.raises(CredentialRetrievalError, match=f"{row.key} has ended"):
        lists(sdk(row.key, demo.endpoint, token))
    with pytest.raises(CredentialRetrievalError, match="token is not known"):
        lists(sdk(row.key, demo.endpoint, "cst_wrong"))
