"""What AWS's errors mean: the whole table, and what boto3 raises by itself."""

import pytest
from botocore import exceptions as boto

from identities.enforcers import aws_failures as failures
from identities.enforcers.aws_clients import Clients, Credentials, credentials
from identities.enforcers.aws_principals import Principals
from identities.enforcers.contract import PermanentFailure, TemporaryFailure


def answer(code: str, status: int = 400, retry_after: str = "") -> boto.ClientError:
    response = {
        "Error": {"Code": code, "Message": "told"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": retry_after}},
    }
    return boto.ClientError(response, "UpdateAccessKey")  # type: ignore[arg-type]  # a whole answer has more than is read


def translated(error: Exception) -> TemporaryFailure | PermanentFailure:
    return failures.translated(error, permission="iam:UpdateAccessKey", resource="arn")


@pytest.mark.parametrize(("code", "seconds"), sorted(failures.TEMPORARY.items()))
def test_code_is_temporary(code: str, seconds: float) -> None:
    failure = translated(answer(code))
    assert isinstance(failure, TemporaryFailure)
    assert failure.retry_after == seconds


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (answer("Anything", 500), 15),
        (answer("Anything", 429), 15),
        (answer("Throttling", retry_after="4"), 4),
        (answer("Throttling", retry_after="999999"), 3600),
        (answer("Throttling", retry_after="Wed, 25 Nov 2026 00:00:00 GMT"), 15),
        (boto.EndpointConnectionError(endpoint_url="https://iam"), 15),
        (boto.ReadTimeoutError(endpoint_url="https://iam"), 15),
        (boto.ConnectTimeoutError(endpoint_url="https://iam"), 15),
    ],
)
def test_error_is_temporary(error: Exception, seconds: float) -> None:
    failure = translated(error)
    assert isinstance(failure, TemporaryFailure)
    assert failure.retry_after == seconds


@pytest.mark.parametrize(
    ("error", "who", "words"),
    [
        (answer("AccessDenied", 403), failures.ACCOUNT, "Allow iam:UpdateAccessKey on arn"),
        (answer("InvalidClientTokenId", 403), failures.ADMINISTRATOR, "own credentials"),
        (answer("ExpiredToken", 403), failures.ADMINISTRATOR, "own credentials"),
        (answer("RequestTimeTooSkewed", 403), failures.ADMINISTRATOR, "clock"),
        (answer("LimitExceeded", 409), failures.ACCOUNT, "no room"),
        (answer("MalformedPolicyDocument"), failures.ACCOUNT, "MalformedPolicyDocument"),
        (answer("NoSuchEntity", 404), failures.ACCOUNT, "is not there"),
        (boto.NoCredentialsError(), failures.ADMINISTRATOR, "No AWS credentials"),
        (
            boto.SSLError(endpoint_url="https://iam", error=OSError()),
            failures.ADMINISTRATOR,
            "not tru",
        ),
        (boto.ParamValidationError(report="x"), failures.ADMINISTRATOR, "could not be asked"),
    ],
)
def test_error_is_permanent(error: Exception, who: str, words: str) -> None:
    failure = translated(error)
    assert isinstance(failure, PermanentFailure)
    assert (failure.who_must_act, words in failure.reason) == (who, True)


def test_nobody_answering_is_temporary() -> None:
    # Port 9 of loopback: nothing listens there.
    clients = Clients(
        credentials=Credentials("a", "b"), endpoint="http://127.0.0.1:9", allow_private=True
    )
    with pytest.raises(TemporaryFailure, match="could not be reached for iam:ListAccessKeys"):
        Principals(clients, account="123456789012").keys("svc")


# Credentials by reference

JSON = '{"access_key_id": "AKIA", "secret_access_key": "s", "session_token": null}'
INI = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s%\n"


@pytest.mark.parametrize(
    ("text", "expected"), [(JSON, Credentials("AKIA", "s")), (INI, Credentials("AKIA", "s%"))]
)
def test_credentials_from_a_file(
    tmp_path_factory: pytest.TempPathFactory, text: str, expected: Credentials
) -> None:
    path = tmp_path_factory.mktemp("credentials") / "aws"
    path.write_text(text)
    assert credentials(f"file:{path}") == expected
    assert "s%" not in repr(expected)


def test_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIN_ACCESS_KEY_ID", "ASIA")
    monkeypatch.setenv("MAIN_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("MAIN_SESSION_TOKEN", "t")
    assert credentials("env:MAIN") == Credentials("ASIA", "s", "t")
    assert credentials("default") is None


@pytest.mark.parametrize("text", ["", "secret words", "{broken secret", "[default]\nsecret"])
def test_credentials_file_that_holds_none_is_named_and_not_quoted(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("credentials") / "aws"
    path.write_text(text)
    with pytest.raises(PermanentFailure, match="does not hold an access key id") as caught:
        credentials(f"file:{path}")
    assert "broken" not in caught.value.reason


@pytest.mark.parametrize(
    "reference", ["AKIA:secret", "env:", "env:NOT_SET", "file:/nowhere/at/all"]
)
def test_credentials_reference_that_leads_nowhere(reference: str) -> None:
    with pytest.raises(PermanentFailure):
        credentials(reference)
