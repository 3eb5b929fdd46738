"""S3: what AWS refuses, what is missing, and where requests may go. Nothing of it names a secret."""

import json
import logging
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from evidence import pulls
from evidence.models import Connection, Source
from evidence.sources import outside, s3
from evidence.sources.failures import Later, Stopped
from evidence.sources.s3 import CONNECTOR
from tests.connector_secrets import allow
from tests.evidence.sources import pulling
from tests.evidence.sources.buckets import SECRET, Filled, log_of, now, pull

pytestmark = pytest.mark.django_db

type Make = Callable[..., Source]


def test_throttling_waits_as_long_as_the_server_says(filled: Filled) -> None:
    filled.lab.proxy.throttle("s3:ListBucket", times=9, retry_after=77)
    with pytest.raises(Later) as caught:
        pulling.pages(CONNECTOR, filled.settings(), now=now())
    assert caught.value.what == f"{filled.lab.demo.endpoint} answered 503 and asks to wait"
    assert (caught.value.seconds, filled.calls("s3:ListBucket")) == (77, 1)


def test_throttling_without_a_word_is_tried_again_a_few_times(filled: Filled) -> None:
    filled.lab.proxy.throttle("s3:ListBucket", times=9)
    with pytest.raises(Later) as caught:
        pulling.pages(CONNECTOR, filled.settings(), now=now())
    assert caught.value.what == "AWS answered SlowDown to s3:ListBucket"
    assert (caught.value.seconds, filled.calls("s3:ListBucket")) == (None, 3)


def test_lost_answers_are_tried_again(filled: Filled) -> None:
    filled.put("a.json.gz", log_of(1))
    filled.lab.proxy.lose("s3:ListBucket", times=2)
    assert pulling.pages(CONNECTOR, filled.settings(), now=now())[0].name == "a.json.gz"
    filled.lab.proxy.lose("s3:ListBucket", times=3)
    with pytest.raises(Later, match="s3:ListBucket on the bucket"):
        pulling.pages(CONNECTOR, filled.settings(), now=now())


def test_checks_say_which_right_is_missing(filled: Filled) -> None:
    filled.put("a.json.gz", log_of(1))
    place = f"arn:aws:s3:::{filled.name}"
    good = pulling.checks(CONNECTOR, filled.settings(), now=now())
    assert [(one.name, one.ok, one.said) for one in good] == [
        ("credentials", True, "are there"),
        ("s3:ListBucket", True, f"{filled.name} has a.json.gz"),
        ("s3:GetObject", True, "a.json.gz can be read"),
    ]
    rights: list[tuple[dict[str, object], list[str]]] = [
        ({"Action": "s3:ListBucket", "Resource": place}, ["s3:GetObject"]),
        ({"Action": "s3:GetObject", "Resource": f"{place}/*"}, ["s3:ListBucket", "s3:GetObject"]),
    ]
    for right, missing in rights:
        found = pulling.checks(CONNECTOR, filled.settings(filled.lab.user(right)), now=now())
        assert [one.name for one in found if not one.ok] == missing
        refused = next(one for one in found if not one.ok)
        assert refused.fix.startswith(f"Allow {missing[0]} on")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"access_key_id": "AKIAIOSFODNN7EXAMPLE"}, "does not accept the credentials"),
        (
            {"secret_access_key": "NOWHERE"},
            "There is no secret NOWHERE, which secret_access_key names",
        ),
        ({"secret_access_key": ""}, "an access key id, but not the other half"),
        ({"bucket": "Not A Bucket"}, "cannot be asked for"),
        ({"layout": "trail"}, "no folder AWSLogs/"),
        ({"endpoint": "http://127.0.0.1:9"}, "Nothing listens at http://127.0.0.1:9"),
    ],
)
def test_wrong_setting_is_said(filled: Filled, said: dict[str, str], words: str) -> None:
    found = pulling.checks(CONNECTOR, filled.settings() | said, now=now())
    wrong = [one for one in found if not one.ok]
    assert words in wrong[0].said
    assert wrong[0].fix


def test_bucket_that_is_not_there_is_said(filled: Filled) -> None:
    anywhere = filled.lab.user({"Action": "s3:*", "Resource": "*"})
    said = filled.settings(anywhere, bucket="nobody-has-this")
    wrong = [one for one in pulling.checks(CONNECTOR, said, now=now()) if not one.ok]
    assert (wrong[0].said, wrong[0].fix) == (
        "AWS says that the bucket nobody-has-this does not exist.",
        "Check its name, its region and its account.",
    )


def test_key_that_was_switched_off_is_said(filled: Filled) -> None:
    filled.lab.admin.iam.update_access_key(
        UserName=filled.reader.name,
        AccessKeyId=filled.reader.credentials.access_key_id,
        Status="Inactive",
    )
    with pytest.raises(Stopped, match=r"InvalidAccessKeyId"):
        pulling.pages(CONNECTOR, filled.settings(), now=now())


def test_role_is_assumed_with_its_external_id_and_only_so(filled: Filled) -> None:
    filled.put("a.json.gz", log_of(1))
    person = filled.lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    place = f"arn:aws:s3:::{filled.name}"
    name = filled.lab.role(
        {"Action": ["s3:ListBucket", "s3:GetObject"], "Resource": [place, f"{place}/*"]},
        trusts=person,
    )
    arn = f"arn:aws:iam::{filled.lab.demo.account}:role/{name}"
    said = filled.settings(person, role_arn=arn, external_id="contract-7")
    assert pulling.pages(CONNECTOR, said, now=now())[0].name == "a.json.gz"
    check = pulling.checks(CONNECTOR, said, now=now())[0]
    assert (check.ok, check.said) == (
        True,
        f"act as arn:aws:sts::{filled.lab.demo.account}:assumed-role/{name}/countersign",
    )
    with pytest.raises(Stopped, match="AWS refused s3:ListBucket"):
        pulling.pages(CONNECTOR, filled.settings(person), now=now())
    stranger = filled.lab.user()
    with pytest.raises(Stopped, match=f"AWS refused sts:AssumeRole on {arn}"):
        pulling.pages(CONNECTOR, filled.settings(stranger, role_arn=arn), now=now())


def test_private_endpoint_is_refused_unless_allowed(filled: Filled) -> None:
    with pytest.raises(Stopped) as caught:
        pulling.pages(CONNECTOR, filled.settings(), now=now(), private=False)
    assert "does not speak https" in caught.value.what
    said = filled.settings() | {"endpoint": "https://169.254.169.254/"}
    with pytest.raises(Stopped, match=r"169\.254.169.254 is not a public address"):
        pulling.pages(CONNECTOR, said, now=now(), private=False)


def test_names_of_aws_itself_pass_the_guard(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def inside(host: str, port: int) -> list[outside.Address]:
        asked.append(host)
        return [ip_address("10.0.0.5")]

    monkeypatch.setattr(outside, "addresses", inside)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    said = filled.settings()
    del said["endpoint"]
    allow(said, "https://*.amazonaws.com")
    with pytest.raises(Stopped) as caught:
        pulling.pages(CONNECTOR, said, now=now(), private=False)
    assert "10.0.0.5 is not a public address" in caught.value.what
    assert "COUNTERSIGN_ALLOW_PRIVATE=1" in caught.value.fix
    assert asked == [f"{filled.name}.s3.amazonaws.com"] or asked == [
        f"{filled.name}.s3.us-east-1.amazonaws.com"
    ]
    check = pulling.checks(CONNECTOR, said, now=now(), private=False)[0]
    assert (check.ok, check.said.startswith("The address https://sts.")) == (False, True)


def test_secret_is_in_no_cursor_message_or_log(
    filled: Filled, source: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    filled.put("a.json.gz", log_of(1))
    filled.put("b.bin", b"noise")
    made = source()
    pulling.connect(made, "s3", filled.settings())
    pull(made)
    filled.lab.proxy.throttle("s3:ListBucket", times=9)
    row = pull(made)
    secret = filled.reader.credentials.secret_access_key
    told = json.dumps(
        [list(Connection.objects.values("cursor", "settings")), row.problem, caplog.text],
        default=str,
    )
    assert (secret in told, SECRET in told) == (False, True)


def test_connection_test_runs_through_the_driver(filled: Filled, source: Make) -> None:
    made = source()
    pulling.connect(made, "s3", filled.settings())
    found = pulls.check(source=made, now=now(), clock=now)
    assert [(one.name, one.ok) for one in found] == [
        ("credentials", True), ("s3:ListBucket", True), ("s3:GetObject", True),
    ]  # fmt: skip
    assert "nothing" in found[1].said
    assert s3.CONNECTOR.needs.startswith("s3:ListBucket")
