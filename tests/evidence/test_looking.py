"""Events that no index finds: looked through from the newest back, and how far is said."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import Event, Source, Term
from evidence.queries import events, looking
from tests.evidence.bodies import record, trail
from tests.evidence.readers import person, signed_in, stored, take
from tests.linked import link_everybody

__all__ = ["person", "signed_in", "stored"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a few events, so that sixty are many."""
    monkeypatch.setattr(looking, "FIRST_WINDOW", 2)
    monkeypatch.setattr(looking, "WIDER", 2)


@pytest.fixture
def hurried(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time for the first window only: each look at the clock is three fifths of a second later."""
    clock = count()
    monkeypatch.setattr(looking, "monotonic", lambda: next(clock) * 0.6)
    monkeypatch.setattr(looking, "MOST_SECONDS", looking.FIRST_SECONDS)


def pages(asked: events.Filter, limit: int = 7) -> Iterator[looking.Found]:
    before = None
    while True:
        found = events.page(asked, scope=None, before=before, limit=limit)
        yield found
        before = found.before
        if before is None:
            return


def keys(matching: Q) -> list[tuple[datetime, int]]:
    return list(Event.objects.filter(matching).order_by("-at", "-id").values_list("at", "id"))


def term(value: str) -> int:
    return Term.objects.filter(value=value).values_list("pk", flat=True)[0]


LOOKED = [
    events.Filter(source="trail"),
    events.Filter(source="traces"),
    events.Filter(action="s3:GetObject"),
    events.Filter(q="invoices/7.json"),
    events.Filter(link="none"),
]


def wanted(asked: events.Filter) -> Q:
    if asked.source:
        return Q(source_id=Source.objects.get(name=asked.source).pk)
    if asked.action:
        return Q(action_id=term(asked.action))
    if asked.q:
        return Q(resource_id=term(asked.q))
    return Q(plane=1) & ~Q(request_id=f"REQ{1:013}")


@pytest.mark.parametrize("asked", LOOKED)
def test_windows_find_each_event_once_and_in_order(
    stored: None, narrow: None, asked: events.Filter
) -> None:
    found = list(pages(asked))
    assert [key for one in found for key in one.keys] == keys(wanted(asked)) != []
    assert {one.looked_to for one in found} == {None}


@pytest.mark.parametrize("asked", LOOKED)
def test_look_that_ends_early_says_how_far_and_goes_on_there(
    stored: None, hurried: None, asked: events.Filter
) -> None:
    found = list(pages(asked))
    assert [key for one in found for key in one.keys] == keys(wanted(asked))
    halts = [one.looked_to for one in found if one.looked_to is not None]
    assert halts == sorted(halts, reverse=True) != []
    for one in found:
        if one.looked_to is not None:
            assert one.before == (one.looked_to, 0)


def test_look_without_any_time_says_so(
    stored: None, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "FIRST_SECONDS", 0)
    assert events.page(events.Filter(source="trail"), scope=None) == looking.Found([], None, True)


def test_events_of_one_instant_are_one_window(source: Callable[..., Source], narrow: None) -> None:
    at = timezone.now() - timedelta(hours=1)
    take(source(), trail(*(record(number, at=at) for number in range(9))))
    found = list(pages(events.Filter(source="trail"), limit=4))
    assert [len(one.keys) for one in found] == [4, 4, 1]
    assert [key for one in found for key in one.keys] == keys(Q())


def test_source_that_ended_long_ago_is_not_searched_in_what_others_sent_since(
    stored: None, source: Callable[..., Source], narrow: None
) -> None:
    at = timezone.now() - timedelta(days=20)
    take(source("old"), trail(record(900, at=at)))

    def asks(name: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert len(events.page(events.Filter(source=name), scope=None).keys) == 1
        return len(asked)

    take(source("new"), trail(record(901, at=timezone.now())))
    assert asks("old") == asks("new")


@pytest.mark.parametrize(
    ("link", "count"), [("exact", 1), ("key", 0), ("inferred", 0), ("claimed", 0), ("none", 60)]
)
def test_events_are_narrowed_by_the_strength_of_their_link(
    stored: None, signed_in: Callable[..., Client], link: str, count: int
) -> None:
    link_everybody(timezone.now())
    client, shown = signed_in("ines", "reviewer"), []
    url = f"/events/?link={link}"
    while url:
        page = client.get(url)
        shown += [row["strength"] for row in page.context["rows"]]
        url = page.context["page"]["next_url"]
    assert shown == ["" if link == "none" else link] * count


def test_page_says_how_far_it_looked_and_leads_further(
    stored: None, hurried: None, signed_in: Callable[..., Client]
) -> None:
    page = signed_in("ines", "reviewer").get("/events/?q=invoices/60.json")
    text = page.content.decode()
    assert (page.context["rows"], "Looked through everything" in text) == ([], True)
    assert "No event matches" not in text
    assert page.context["page"]["next_words"] == "Look further back"


def test_what_is_asked_for_stays_when_the_form_is_sent(
    stored: None, signed_in: Callable[..., Client]
) -> None:
    asked = "action=s3:GetObject&from=2026-01-02T03:04:05%2B00:00&link=none&source=trail"
    page = signed_in("ines", "reviewer").get(f"/events/?{asked}")
    controls = page.context["controls"]
    assert [one["value"] for one in controls["times"]] == ["2026-01-02T03:04:05", ""]
    assert controls["hidden"] == [{"name": "action", "value": "s3:GetObject"}]
    chosen = {
        one["name"]: [option["value"] for option in one["options"] if option["on"]]
        for one in controls["choices"]
    }
    assert chosen == {"source": ["trail"], "link": ["none"]}
