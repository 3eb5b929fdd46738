"""The AWS account for the tests of this folder."""

from tests.awslab.fixtures import aws_account, lab

__all__ = ["aws_account", "lab"]
