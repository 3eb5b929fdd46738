"""What a broker that does not answer costs whoever says a name: one wait in a while, and no row."""

import pytest

from evidence import nudge


class Broker:
    def __init__(self) -> None:
        self.hangs, self.asked, self.now = True, 0, 1_000.0

    def send(self, _: str) -> None:
        self.asked += 1
        if self.hangs:
            raise TimeoutError("Timeout reading from socket")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker()
    monkeypatch.setattr(nudge, "send", found.send)
    monkeypatch.setattr(nudge, "monotonic", lambda: found.now)
    monkeypatch.setattr(nudge.Broker, "silent_until", 0.0)
    return found


def test_one_waits_for_a_broker_that_hangs_and_the_others_do_not(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        nudge._say("evidence.stored")
    assert broker.asked == 1
    assert caplog.messages == [
        "nudge evidence.stored was not sent, nor is any for 15 s: Timeout reading from socket"
    ]
    broker.now += nudge.PAUSE
    nudge._say("evidence.stored")
    assert broker.asked == 2


def test_names_are_said_again_when_it_answers(broker: Broker) -> None:
    nudge._say("evidence.stored")
    broker.hangs, broker.now = False, broker.now + nudge.PAUSE
    for _ in range(3):
        nudge._say("evidence.stored")
    assert broker.asked == 4
