"""Evidence in a real browser: every page looked at, a file dropped, a source added, hostile text."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import FilePayload, expect

from evidence import uploads
from evidence.models import Deposit, LedgerEntry, Source
from evidence.queries import events
from identities.actions import changes
from identities.models import Finding, Identity, ProposedChange, User
from tests.browser.conftest import LOOKS, Open, faults, inaccessible, picture
from tests.evidence.bodies import record, trail
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)

# What an attacker writes into a field of a log, hoping that somebody looks at it.
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.<script>alert(2)</script>{{ 7*7 }}"


@pytest.fixture(autouse=True)
def nothing_remembered(planted: Planted) -> None:
    cache.clear()


def places() -> dict[str, str]:
    """One address of each page of evidence, and of the lists behind numbers."""
    key = events.page(events.Filter(source="finance-prod"), scope=None).keys[0]
    span = events.page(events.Filter(source="agent-traces"), scope=None).keys[0]
    trail_, traces = (
        Deposit.objects.filter(source__name=name).latest("pk")
        for name in ("finance-prod", "agent-traces")
    )
    agent = Identity.objects.get(name="report-agent")
    finding = Finding.objects.filter(state="open").order_by("number")[0]
    return {
        "sources": "/sources/",
        "sources-filtered": "/sources/?q=finance&state=ok",
        "source-connect": "/sources/finance-prod/connect/?connector=okta",
        "source-new": "/sources/new/",
        "mappings": "/mappings/",
        "source": "/sources/finance-prod/",
        "events": "/events/",
        "events-by-link": "/events/?link=exact&source=finance-prod",
        "events-none": "/events/?action=s3:Nothing",
        "events-of-identity": f"/events/?identity={agent.key}&verdict=outside",
        "events-of-finding": f"/events/?finding={finding.key}",
        "event": f"/events/{events.ref_of(key)}/",
        "event-span": f"/events/{events.ref_of(span)}/",
        "deposit": f"/deposits/{trail_.pk}/",
        "deposit-otlp": f"/deposits/{traces.pk}/",
        "ledger": "/ledger/",
        "ledger-none": "/ledger/?q=nobody",
    }


@pytest.fixture
def contradicted(planted: Planted) -> None:
    """The traces contradict the log of Finance."""
    agent, at = Identity.objects.get(name="report-agent"), timezone.now()
    family = f"agent-traces against finance-prod {at.date()}"
    Finding.objects.create(
        identity=agent, rule="conflicting_trace", family=family, strength=1, words="They differ.",
        count=3, first_at=at, last_at=at, opened_at=at, state_at=at,
    )  # fmt: skip


@pytest.mark.usefixtures("contradicted")
@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_evidence_pages_are_whole(open_as: Open, *, dark: bool, phone: bool) -> None:
    """Accessible, inside their width, and clean under the watch, in both themes and by phone."""
    page = open_as(User.objects.get(username="jonas"), dark=dark, phone=phone)
    found = {}
    for name, path in places().items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        picture(page, f"{name}{'-dark' if dark else ''}{'-phone' if phone else ''}")
        found[name] = faults(page, dark=dark)
    assert {name: trouble for name, trouble in found.items() if trouble} == {}


@pytest.mark.usefixtures("contradicted")
def test_every_link_of_the_evidence_pages_leads_somewhere(open_as: Open) -> None:
    page = open_as(User.objects.get(username="jonas"))
    asked: set[str] = set()
    for path in places().values():
        page.goto(path)
        asked |= set(
            page.eval_on_selector_all("main a[href^='/']", "all => all.map(a => a.pathname)")
        )
    # One of each kind of address is enough.
    kinds = {re.sub(r"\d+", "0", path): path for path in sorted(asked)}
    answers = {path: page.request.get(path).status for path in kinds.values()}
    assert {path: status for path, status in answers.items() if status != 200} == {}


def log(*numbers: int, **said: object) -> FilePayload:
    at = datetime.now(UTC) - timedelta(hours=1)
    body = trail(*(record(number, at=at, **said) for number in numbers), {"eventName": "broken"})
    return {"name": "today.json", "mimeType": "application/json", "buffer": body}


def sign_the_file() -> Deposit:
    """What a second person signs is read in; its deposit."""
    change = ProposedChange.objects.filter(state="proposed").latest("number")
    changes.sign(change=change, by=User.objects.get(username="marek"), now=timezone.now())
    assert uploads.read_in(now=timezone.now) == 1
    return Deposit.objects.latest("pk")


def test_file_is_dropped_with_progress(open_as: Open) -> None:
    page = open_as(User.objects.get(username="ines"))
    page.goto("/sources/finance-prod/")
    page.locator("form[data-drop] input[type=file]").set_input_files([log(1, 2)])
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-drop-words]")).to_contain_text("not read in yet")
    picture(page, "source-dropped")
    page.get_by_role("link", name="Open the change").click()
    expect(page.get_by_role("link", name="part 1")).to_be_visible()
    picture(page, "source-dropped-change")
    page.goto(f"/deposits/{sign_the_file().pk}/")
    expect(page.locator("h1")).to_have_text("today.json")
    expect(page.locator("#rejects li")).to_have_count(1)
    expect(page.locator("#rejects code").first).to_have_text("Records[2]")


def test_file_is_dropped_without_scripts(open_as: Open) -> None:
    page = open_as(User.objects.get(username="ines"), javascript=False)
    page.goto("/sources/finance-prod/")
    page.locator("form[data-drop] input[type=file]").set_input_files([log(1, 2)])
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".cs-toast")).to_contain_text("3 records, 1 reject")
    expect(page.locator("h1")).to_contain_text("file today.json")
    page.goto(f"/deposits/{sign_the_file().pk}/")
    page.get_by_role("link", name="2 events").click()
    expect(page.locator("#event_rows tbody tr")).to_have_count(2)


@pytest.mark.parametrize("javascript", [True, False])
def test_file_that_is_no_evidence_is_refused_with_its_reason(
    open_as: Open, *, javascript: bool
) -> None:
    page = open_as(User.objects.get(username="ines"), javascript=javascript)
    page.goto("/sources/finance-prod/")
    cat: FilePayload = {
        "name": "cat.jpg",
        "mimeType": "image/jpeg",
        "buffer": b"\xff\xd8\xff" * 99,
    }
    page.locator("form[data-drop] input[type=file]").set_input_files([cat])
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Nothing was stored:").first).to_be_visible()
    assert Deposit.objects.filter(name="cat.jpg").count() == 0


def test_hostile_record_is_shown_as_text(open_as: Open) -> None:
    page = open_as(User.objects.get(username="ines"))
    page.goto("/sources/finance-prod/")
    file = log(
        7,
        userAgent=HOSTILE,
        errorCode=HOSTILE,
        requestParameters={"bucketName": HOSTILE, "key": HOSTILE},
    )
    page.locator("form[data-drop] input[type=file]").set_input_files([file])
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("link", name="Open the change")).to_be_visible()
    page.goto(f"/deposits/{sign_the_file().pk}/")
    expect(page.locator("pre").last).to_contain_text("<script>alert(2)</script>{{ 7*7 }}")
    page.get_by_role("link", name="1 event", exact=True).click()
    page.locator("#event_rows a.cs-row-link").first.click()
    expect(page.locator("dl.cs-facts").first).to_contain_text("<img src=x onerror=alert(1)>")
    picture(page, "event-hostile")
    # No direction of text but the page's own, no element and no script of the record's.
    assert page.locator("main img, main script").count() == 0
    assert "\u202e" not in page.locator("main").inner_text()


def test_source_is_added_and_its_token_is_shown_once(open_as: Open) -> None:
    page = open_as(User.objects.get(username="jonas"))
    page.goto("/sources/new/")
    page.locator("input[name=name]").fill("lab-traces")
    page.locator("select[name=format]").select_option("otlp")
    page.get_by_role("button", name="Add the source").click()
    token = page.locator("#token").inner_text()
    # Others speak for every realm already, so a second person signs it first.
    change = ProposedChange.objects.get()
    assert not Source.objects.filter(name="lab-traces").exists()
    assert inaccessible(page) == []
    picture(page, "source-token")
    page.get_by_role("link", name=change.key).last.click()
    expect(page.locator("h1")).to_contain_text("source lab-traces")
    changes.sign(change=change, by=User.objects.get(username="ines"), now=timezone.now())
    assert Source.objects.get(name="lab-traces").token_hint == token[:8]
    page.goto("/sources/lab-traces/")
    expect(page.locator("h1")).to_have_text("lab-traces")
    assert token not in page.content()
    words = LedgerEntry.objects.filter(subject="source:lab-traces").order_by("pk")
    assert list(words.values_list("act", "by_name")) == [
        ("change.proposed", "Jonas Weber"),
        ("change.signed", "Ines Moreau"),
        ("source.added", "Jonas Weber and Ines Moreau"),
        ("source.token_made", "Jonas Weber and Ines Moreau"),
    ]
