"""Console sign-ins without MFA are findings, of the identity or of the actor nobody knows."""

import gzip
import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence import intake, links
from evidence.models import Actor, Source
from evidence.vocabulary import KEY
from identities import judging
from identities.models import Binding, Finding, Identity
from tests.reviews.conftest import NOW

pytestmark = pytest.mark.django_db
DATA = Path(os.environ.get("COUNTERSIGN_DATA") or Path(__file__).parents[3] / "shared" / "data")
ACCOUNT = "111122223333"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recording" in metafunc.fixturenames:
        folder = DATA.resolve() / "cloudtrail-invictus"
        metafunc.parametrize("recording", [folder] if folder.is_dir() else [])


def sign_in(user: dict[str, Any], *, number: int = 1, **said: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.08",
        "eventID": f"5196a000-0000-4000-8000-{number:012d}",
        "eventTime": f"{NOW - timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "recipientAccountId": ACCOUNT,
        "sourceIPAddress": "198.51.100.7",
        "userIdentity": {"accountId": ACCOUNT, **user},
        "responseElements": {"ConsoleLogin": "Success"},
        "additionalEventData": {"MFAUsed": "No", "MobileVersion": "No"},
        **said,
    }


MIA = {"type": "IAMUser", "userName": "mia", "arn": f"arn:aws:iam::{ACCOUNT}:user/mia"}
ROOT = {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"}
FEDERATED = {"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/sso/mia"}


def judge(records: Iterable[dict[str, Any]]) -> None:
    source, _ = Source.objects.get_or_create(
        name="trail", defaults={"created_at": NOW, "created_by": "command"}
    )
    body = orjson.dumps({"Records": list(records)})
    assert intake.take(source=source, body=body, by="command", now=NOW).rejects == 0
    while links.link_next(now=NOW):
        pass
    judging.judge_all(now=NOW)


def bind(value: str) -> Identity:
    identity = Identity.objects.create(
        name="mia", kind="human", purpose="x", state="draft", created_at=NOW
    )
    Binding.objects.create(
        identity=identity, actor=Actor.objects.get(value=value), basis="declared",
        state="confirmed", during=(NOW - timedelta(days=9), None), recorded_at=NOW, by="command",
    )  # fmt: skip
    return identity


@pytest.mark.parametrize(
    ("record", "actors"),
    [
        (sign_in(MIA), [MIA["arn"]]),
        (sign_in(ROOT), [ROOT["arn"]]),
        (sign_in(MIA, additionalEventData='{"MFAUsed":"No"}'), [MIA["arn"]]),
        (sign_in(MIA, additionalEventData={"MFAUsed": "Yes"}), []),
        (sign_in(MIA, additionalEventData=None), []),
        (sign_in(MIA, responseElements={"ConsoleLogin": "Failure"}), []),
        (sign_in(FEDERATED), []),
        (sign_in(MIA, eventName="CheckMfa", responseElements={"CheckMfa": "Success"}), []),
    ],
    ids=["user", "root", "text", "MFA", "not said", "failure", "federated", "other"],
)
def test_console_sign_in_without_mfa_is_a_finding(
    record: dict[str, Any], actors: list[str]
) -> None:
    judge([record])
    found = Finding.objects.filter(rule="no_mfa").values("actor_id")
    assert list(Actor.objects.filter(pk__in=found).values_list("value", flat=True)) == actors


def test_sign_ins_of_an_identity_are_one_finding_with_controls() -> None:
    judge([sign_in(MIA, number=1), sign_in(MIA, number=2), sign_in(ROOT, number=3)])
    unknown = Finding.objects.get(rule="no_mfa", actor_id=Actor.objects.get(value=MIA["arn"]).pk)
    assert (unknown.identity, unknown.count) == (None, 2)
    identity = bind(MIA["arn"])
    judging.again(identities=[identity], now=NOW)
    judging.judge_all(now=NOW)
    found = Finding.objects.get(rule="no_mfa", identity=identity)
    assert (found.state, found.count, found.strength, found.family) == ("open", 2, KEY, "console")
    assert found.words == "signed in to the console 2 times without MFA"
    assert found.controls == ["ASI03", "NHI4"]
    # It stands under the identity now; the account's root is nobody's still.
    unknown.refresh_from_db()
    assert unknown.state == "withdrawn"
    assert Finding.objects.filter(rule="no_mfa", state="open", identity=None).count() == 1


def test_recorded_sign_in_without_mfa_is_found(recording: Path) -> None:
    records = [
        record
        for path in sorted(recording.glob("*.json.gz"))
        for record in orjson.loads(gzip.decompress(path.read_bytes()))["Records"]
        if record["eventName"] == "ConsoleLogin"
    ]
    assert len(records) == 2
    judge(records)
    found = Finding.objects.filter(rule="no_mfa").values("actor_id")
    actor = Actor.objects.get(pk__in=found)
    assert actor.value.endswith(":user/stratus-red-team-nmfalu-gfjyeaypjt")
