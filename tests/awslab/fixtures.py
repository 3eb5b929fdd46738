"""Fixtures of the AWS account: one server for the session, behaving again before each test.

A test module (or a conftest) that wants them says
`from tests.awslab.fixtures import aws_account, lab` and asks for `lab`.
"""

import functools
from collections.abc import Iterator

import botocore.session
import pytest

from config.demo.aws import Demo
from tests.awslab.lab import Lab
from tests.awslab.server import running


@pytest.fixture(scope="session")
def aws_account() -> Iterator[Demo]:
    # Each session of the SDK reads its models from disk; here the first one reads for all.
    once = functools.cache(botocore.session.create_loader)
    with pytest.MonkeyPatch.context() as patch, running() as demo:
        patch.setattr(botocore.session, "create_loader", once)
        yield demo


@pytest.fixture
def lab(aws_account: Demo) -> Iterator[Lab]:
    aws_account.proxy.behave()
    made = Lab(aws_account)
    yield made
    made.leave()
    aws_account.proxy.behave()
