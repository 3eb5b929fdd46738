"""Signals of others clause by clause: what SSF 1.0, RFC 8935 and RFC 8936 ask of a receiver, beside
what test_signals.py shows of it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence import actions
from evidence.models import Event, Reject, Source
from evidence.permissions import COMMAND
from evidence.sources import signals
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling
from tests.evidence.sources.server import serving
from tests.evidence.sources.transmitter import AUDIENCE, EMAIL, SSF, Transmitter

pytestmark = pytest.mark.django_db

Make = Callable[..., Source]
TENANT = {"format": "complex", "user": EMAIL, "tenant": {"format": "opaque", "id": "t"}}


@pytest.fixture(autouse=True)
def secrets(secret_file: Kept, settings: Any) -> Iterator[None]:
    secret_file("SIGNALS_TOKEN", "s3cret-token")
    settings.ALLOW_PRIVATE = True
    signals.forget()
    yield
    signals.forget()


@pytest.fixture
def there() -> Iterator[Transmitter]:
    with serving() as system:
        yield Transmitter(system)


@pytest.fixture
def connected(there: Transmitter, source: Make) -> Source:
    row = source("idp", format="signals")
    pulling.connect(row, "signals", there.settings())
    return row


@pytest.fixture
def pushed(connected: Source, there: Transmitter, client: Client) -> Callable[..., Any]:
    _, token = actions.new_token(source=connected, by=COMMAND, now=timezone.now())

    def push(body: str, **settings: str) -> Any:
        pulling.connect(connected, "signals", there.settings(poll_url="", **settings))
        return client.post(
            "/api/evidence/idp/signals/", data=body, content_type="application/secevent+jwt",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        )  # fmt: skip

    return push


def pull(source: Source) -> Any:
    return pulling.pull(source, now=timezone.now())


@pytest.mark.parametrize("critical", [["tenant"], ["user", "tenant", 7], ["user"], [], "tenant"])
def test_event_with_a_critical_member_that_is_not_read_is_discarded(
    there: Transmitter, connected: Source, pushed: Callable[..., Any], critical: Any
) -> None:
    there.says["critical_subject_members"] = critical
    discarded = "tenant" in critical and type(critical) is list
    there.keep("jti-1", sub_id=TENANT)
    there.keep("jti-2", sub_id=EMAIL)
    pull(connected)
    # Both were received whole, which is all that an acknowledgement says (RFC 8936, 2).
    assert there.settled == {"jti-1": "taken", "jti-2": "taken"}
    assert (Event.objects.count(), Reject.objects.count()) == ((1, 1) if discarded else (2, 0))
    answer = pushed(there.made("jti-3", sub_id=TENANT))
    assert (answer.status_code, answer.content) == (202, b"")
    assert Event.objects.count() == (1 if discarded else 3)
    if discarded:
        reason = Reject.objects.values_list("reason", flat=True)[0]
        assert "calls the member tenant of the subject critical" in reason


OTHER = {"format": "opaque", "id": "stream-2"}


@pytest.mark.parametrize(
    ("subject", "stream_id", "status"),
    [(OTHER, "", 202), (OTHER, "stream-2", 202), (OTHER, "stream-1", 400), (EMAIL, "", 400),
     ({"format": "opaque"}, "", 400)],
)  # fmt: skip
def test_verification_has_its_stream_as_subject(
    there: Transmitter, pushed: Callable[..., Any], subject: Any, stream_id: str, status: int
) -> None:
    said = {"stream_id": stream_id} if stream_id else {}
    answer = pushed(there.made("jti-1", f"{SSF}verification", sub_id=subject), **said)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["err"] == "invalid_request"
    assert Event.objects.count() == (status == 202)


def test_audience_may_be_one_of_several_and_unknown_members_are_ignored(
    there: Transmitter, pushed: Callable[..., Any]
) -> None:
    several = ["https://other.example.com", AUDIENCE]
    answer = pushed(there.made("jti-1", aud=several, x_new={"a": [1]}, event={"what": {"is": "x"}}))
    assert (answer.status_code, Event.objects.count()) == (202, 1)


def test_signal_that_comes_again_is_answered_as_if_it_had_not_come(
    there: Transmitter, connected: Source, pushed: Callable[..., Any]
) -> None:
    token, wrong = there.made("jti-1"), there.made("jti-2", iss="https://x.example.com")
    for _ in range(2):
        assert (pushed(token).status_code, pushed(token).content) == (202, b"")
        assert pushed(wrong).json()["err"] == "invalid_issuer"
    pulling.connect(connected, "signals", there.settings())
    there.waiting["jti-1"] = token
    pull(connected)
    assert (there.settled, Event.objects.count()) == ({"jti-1": "taken"}, 1)


def test_metadata_of_another_issuer_is_not_used(there: Transmitter, connected: Source) -> None:
    there.says["issuer"] = "https://other.example.com"
    there.keep("jti-1")
    row = pull(connected)
    assert (row.state, "does not describe" in row.problem) == ("failed", True)
    assert (there.settled, Event.objects.count()) == ({}, 0)
