"""What AWS's errors mean: who waits, who has to act, and what is to be done."""

import ssl
from typing import Any

import pytest
from botocore import exceptions as boto

from evidence.sources import aws
from evidence.sources.aws import asking
from evidence.sources.failures import Later, Stopped


def answered(code: str, status: int = 400, message: str = "", **headers: str) -> boto.ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return boto.ClientError(response, "GetObject")


def meant(problem: Exception) -> Later | Stopped:
    with pytest.raises((Later, Stopped)) as caught, asking("s3:GetObject", "b/k"):
        raise problem
    found = caught.value
    assert isinstance(found, Later | Stopped)
    return found


@pytest.mark.parametrize("code", sorted(aws.WAIT))
def test_what_passes_is_waited_for(code: str) -> None:
    found = meant(answered(code))
    assert isinstance(found, Later)
    assert found.what == f"AWS answered {code} to s3:GetObject"


@pytest.mark.parametrize(
    ("problem", "what", "fix"),
    [
        (
            answered("AccessDenied", 403),
            "AWS refused s3:GetObject on b/k.",
            "Allow s3:GetObject on b/k for the user or role of this source.",
        ),
        (
            answered("AccessDenied", 403, "x is not authorized to perform: kms:Decrypt on the key"),
            "AWS refused to decrypt b/k.",
            "Allow kms:Decrypt on its key for the user or role of this source.",
        ),
        (
            answered("RequestTimeTooSkewed", 403),
            "AWS says that this machine's clock is wrong (RequestTimeTooSkewed).",
            "Run a time service (chrony, systemd-timesyncd).",
        ),
        (
            answered("PermanentRedirect", 301, "", **{"x-amz-bucket-region": "eu-west-3"}),
            "b/k lies in eu-west-3.",
            "Set the region to eu-west-3.",
        ),
        (
            answered("SignatureDoesNotMatch", 403),
            "AWS does not accept the credentials of this source (SignatureDoesNotMatch).",
            "Set an access key that is active, and its secret.",
        ),
        (
            answered("NewThing", 418, "a\nmessage"),
            "AWS answered NewThing to s3:GetObject: a message",
            "Check the settings of this source.",
        ),
        (
            boto.NoCredentialsError(),
            "There are no AWS credentials for this source.",
            "Set an access key and its secret, or run Countersign with a role of its own.",
        ),
        (
            boto.SSLError(endpoint_url="https://x", error=ssl.SSLError("bad")),
            "The certificate of the endpoint is not trusted.",
            "Check the endpoint, and the certificates this machine trusts.",
        ),
    ],
)
def test_what_a_person_has_to_do_is_said(problem: Exception, what: str, fix: str) -> None:
    found = meant(problem)
    assert isinstance(found, Stopped)
    assert (found.what, found.fix) == (what, fix)


def test_network_is_waited_for() -> None:
    found = meant(boto.HTTPClientError(error=OSError("away")))
    assert isinstance(found, Later)
    assert found.what == "s3:GetObject on b/k failed (HTTPClientError)"


def test_no_code_means_two_things() -> None:
    tables = [aws.WAIT, aws.REFUSED, aws.CREDENTIALS, aws.CLOCK, aws.ELSEWHERE, aws.ABSENT]
    assert sum(map(len, tables)) == len(frozenset().union(*tables))
