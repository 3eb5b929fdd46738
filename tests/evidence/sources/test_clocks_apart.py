"""A clock of ours that is ten minutes off: nothing is lost, nothing is promised, and it is said."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from evidence.models import Pull, Source
from evidence.sources import windows
from evidence.sources.contract import Http
from evidence.sources.failures import Stopped
from evidence.sources.gcp import CONNECTOR
from tests.connector_secrets import Kept
from tests.evidence.sources import pulling
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, There, serving
from tests.evidence.sources.test_gcp import Cloud, brought, entry

OFF = timedelta(minutes=10)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def there() -> Iterator[There]:
    with serving() as made:
        made.now = NOW
        yield made


@pytest.fixture
def cloud(there: There, secret_file: Kept) -> Cloud:
    made = Cloud(there)
    secret_file("GCP_KEY", made.key_file())
    return made


def test_what_happens_between_their_present_and_ours_is_found(cloud: Cloud) -> None:
    ours = NOW + OFF
    first = pulling.pages(CONNECTOR, cloud.settings(), now=ours)
    assert first[-1].reached == NOW
    cloud.rows.append(entry(1, NOW + 2 * MINUTE))
    cloud.there.now = NOW + 5 * MINUTE
    again = pulling.pages(
        CONNECTOR, cloud.settings(), cursor=first[-1].cursor, now=ours + 5 * MINUTE
    )
    assert (brought(again), again[-1].reached) == (["ins-1"], NOW + 5 * MINUTE)


@pytest.mark.parametrize(("ahead", "known"), [(-OFF, NOW), (OFF, NOW + OFF)])
def test_pull_promises_no_more_than_both_clocks_have_seen(
    ahead: timedelta, known: Any, cloud: Cloud, source: Callable[..., Source], settings: Any
) -> None:
    """`ahead`: theirs before ours. Where theirs is ahead, our own present is the end."""
    settings.ALLOW_PRIVATE = True
    made = source("gcp", lag_seconds=0)
    pulling.connect(made, "gcp", cloud.settings())
    ours = NOW - ahead
    done = pulling.pull(made, now=ours)
    made.refresh_from_db()
    end = min(ours, known)
    assert (done.state, done.reached, made.watermark) == (Pull.DONE, end, end)


def http(there: There, **said: Any) -> Http:
    return Http(allow_private=True, clock=lambda: NOW, **said)


@pytest.mark.parametrize(
    ("off", "words"),
    [
        (10 * MINUTE, "Its clock is 10 minutes ahead of this machine's"),
        (-10 * MINUTE, "Its clock is 10 minutes behind this machine's"),
        (MINUTE, ""),
        (timedelta(days=3), ""),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_refusal_by_a_server_with_another_time_says_so(
    there: There, off: timedelta, words: str, status: int
) -> None:
    there.now = NOW + off
    there.on("GET", "/a", Answer(status, {"message": "expired"}))
    for explain in (lambda _: None, lambda _: Stopped("it is refused", "Mend it.")):
        with http(there) as asking, pytest.raises(Stopped) as problem:
            asking.get(f"{there.url}/a", explain=explain)
        said = re.search("Its clock is .* this machine's", problem.value.fix)
        assert (said[0] if said else "") == words


def test_end_of_a_pull_stays_where_it_is_while_time_goes_on(there: There) -> None:
    ours = NOW + OFF
    there.on("GET", "/a", Answer(200, {}))
    there.now = NOW
    with Http(allow_private=True, clock=lambda: ours) as asking:
        assert asking.horizon(ours) == ours
        asking.get(f"{there.url}/a")
        assert asking.horizon(ours) == NOW
        there.now, ours = NOW + MINUTE, ours + MINUTE
        asking.get(f"{there.url}/a")
        assert asking.horizon(NOW + OFF) == NOW


def test_window_beyond_what_was_there_ends_where_that_does() -> None:
    rule = windows.Rule(longest=timedelta(days=1), near=MINUTE, far=timedelta(hours=1))
    open_ = windows.opened({}, since=NOW - OFF, until=NOW + OFF, rule=rule)
    assert open_ is not None
    lane = windows.closed(open_, until=NOW)
    assert lane == {"through": windows.written(NOW), "swept": windows.written(NOW)}
    assert windows.opened(lane, since=NOW - OFF, until=NOW, rule=rule) is None
