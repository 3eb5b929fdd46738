"""What every enforcer keeps: targets, results and errors as values."""

import pytest

from identities.enforcers.addresses import check_endpoint
from identities.enforcers.contract import (
    LONGEST_TEXT,
    PermanentFailure,
    Seen,
    State,
    Step,
    Target,
    TemporaryFailure,
    confirms,
)
from tests.identities.enforcers.moments import NOW

STEPS: tuple[Step, ...] = ("hold", "suspend", "narrow", "release", "resume", "revoke", "verify")
STATES: tuple[State, ...] = ("active", "held", "gone", "denied", "unknown")
CONFIRMED = {
    ("hold", "held"), ("hold", "denied"), ("hold", "gone"),
    ("suspend", "denied"), ("suspend", "gone"),
    ("narrow", "denied"), ("narrow", "gone"),
    ("release", "active"), ("resume", "active"),
    ("revoke", "denied"), ("revoke", "gone"),
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("state", STATES)
def test_state_confirms_step(step: Step, state: State) -> None:
    seen = Seen(state, "", NOW)
    assert confirms(seen, step=step) is ((step, state) in CONFIRMED)
    kept = (step, state) in CONFIRMED or (step, state) == ("revoke", "held")
    assert confirms(seen, step=step, delete=False) is kept


def test_target_survives_being_stored() -> None:
    target = Target("aws", "123456789012", "access_key", "AKIA", {"user": "svc"})
    assert Target.from_json(target.as_json()) == target


@pytest.mark.parametrize("data", [{}, {"system": "aws"}, {"system": 1, "extra": []}])
def test_stored_target_that_names_nothing_is_permanent(data: dict[str, object]) -> None:
    with pytest.raises(PermanentFailure, match="does not say system"):
        Target.from_json(data)


def test_failure_text_is_one_short_printable_line() -> None:
    failure = TemporaryFailure("a\x1b[31m\nb" + "x" * 9000, retry_after=1)
    assert failure.reason.startswith("a [31m b")
    assert len(failure.reason) == LONGEST_TEXT


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:5000", "https"),
        ("https://127.0.0.1:5000", "not a public address"),
        ("https://[::1]", "not a public address"),
        ("https://[::ffff:10.0.0.1]", "not a public address"),
        ("https://10.1.2.3", "not a public address"),
        ("https://169.254.169.254", "not a public address"),
        ("https://100.64.0.1", "not a public address"),
        ("https://0.0.0.0", "not a public address"),
        ("https://224.0.0.1", "not a public address"),
        ("https://localhost", "not a public address"),
        ("https://user:secret@8.8.8.8", "user name"),
        ("https://8.8.8.8/path", "more than a host"),
        ("https://8.8.8.8:99999", "not a number"),
        ("file:///etc/passwd", "not an http"),
        ("8.8.8.8", "not an http"),
    ],
)
def test_endpoint_is_refused(url: str, why: str) -> None:
    with pytest.raises(PermanentFailure, match=why):
        check_endpoint(url)


@pytest.mark.parametrize(
    ("url", "allow", "expected"),
    [
        ("https://8.8.8.8/", False, "https://8.8.8.8"),
        ("http://127.0.0.1:5000/", True, "http://127.0.0.1:5000"),
        ("http://[::1]:5000", True, "http://[::1]:5000"),
    ],
)
def test_endpoint_is_allowed(url: str, allow: bool, expected: str) -> None:
    assert check_endpoint(url, allow_private=allow) == expected
