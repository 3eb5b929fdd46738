"""Fixtures of the AWS account: one server for the session, behaving again before each test.

A test module (or a conftest) that wants them says
`from tests.awslab.fixtures import aws_account, lab` and asks for `lab`.
"""

from collections.abc import Iterator

import pytest

from config.demo.aws import Demo
from tests.awslab.lab import Lab
from tests.awslab.server import running


@pytest.fixture(scope="session")
def aws_account() -> Iterator[Demo]:
    with running() as demo:
        yield demo


@pytest.fixture
def lab(aws_account: Demo) -> Iterator[Lab]:
    aws_account.proxy.behave()
    yield Lab(aws_account)
    aws_account.proxy.behave()
