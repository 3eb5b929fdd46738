"""Ten receivers that never answer: evidence and revocations go on beside them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.utils import timezone

from evidence import intake
from evidence.models import Progress, Source
from identities.models import Identity, Revocation
from reviews.models import Notice
from tests.evidence.bodies import record, trail
from tests.evidence.installation import asked, installed
from tests.evidence.killing import wait

RECEIVERS = 10
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def silent() -> Iterator[list[str]]:
    """Addresses at which somebody takes the connection and never says a word."""
    with ExitStack() as stack:
        doors = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(RECEIVERS)
        ]
        yield [f"http://127.0.0.1:{door.getsockname()[1]}/" for door in doors]


@pytest.mark.django_db(transaction=True)
def test_receivers_that_never_answer_delay_no_deposit_and_no_revocation(
    silent: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_WEBHOOK_SECRET", SECRET)
    now = timezone.now()
    with installed(tmp_path / "var") as servers:
        Notice.objects.bulk_create(
            Notice(
                channel="webhook", address=address, subject="CS-1", body="see the link",
                occasion=address, created_at=now, not_before=now,
            )
            for address in silent
        )  # fmt: skip
        servers.start("sources", "beat")
        wait(lambda: asked(Notice.objects.exclude(leased_until=None).exists))
        servers.start("worker", "stopping")
        made = Source.objects.create(name="trail", created_at=now, created_by="command")
        intake.take(source=made, body=trail(record(1, at=now)), by="command", now=now)
        identity = Identity.objects.create(
            name="svc-ledger", kind="service_account", created_at=now
        )
        Revocation.objects.create(
            identity=identity, step="revoke", system="nowhere", target={}, words="Delete key",
            requested_at=now, requested_by="test", not_before=now,
        )  # fmt: skip
        waiting = Progress.objects.filter(done_at=None)
        wait(lambda: not asked(waiting.exists))
        wait(lambda: not asked(Revocation.objects.filter(attempts=0).exists))
        assert (asked(waiting.count), asked(Revocation.objects.get).attempts > 0) == (0, True)
        # All that while nobody had answered, and those who told them still waited.
        assert asked(Notice.objects.filter(sent_at=None).count) == RECEIVERS
        assert asked(Notice.objects.filter(attempts=0).exists)
        assert servers.alive() == ["beat", "sources", "stopping", "worker"]
