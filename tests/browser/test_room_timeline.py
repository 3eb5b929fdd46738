"""The timeline of an incident and the alerts in it, in a browser: marked by two, with and without
JavaScript, on a phone and in the dark."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from evidence.models import Gap, Source
from evidence.names import memory
from evidence.queries.events import ref_of
from identities.models import Finding
from reviews.incidents import alerts, marks, opening
from reviews.models import Alert, Case
from tests.browser.conftest import Open
from tests.browser.test_break_glass import clean
from tests.reviews.conftest import HOUR, NOW, Told, ingest, make_user, record, tell_story
from tests.reviews.incidents.alerted import plain, send, source_of
from tests.reviews.incidents.timelines import keys

pytestmark = pytest.mark.django_db(transaction=True)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def told(nobody_yet: None) -> Told:
    """An incident of a day: reads, a refused one, a gap, a finding, an alert."""
    memory.forget()
    story = tell_story()
    calls = [record(100 + n, "GetObject", f"hr/pay-{n}.csv", NOW - n * HOUR) for n in range(1, 16)]
    calls[3] |= {"errorCode": "AccessDenied"}
    calls.append(record(130, "PutObject", f"reports/{HOSTILE}", NOW - 20 * HOUR))
    ingest(calls)
    source = Source.objects.get(name="cloudtrail")
    Gap.objects.create(
        source=source,
        during=(NOW - 3.5 * HOUR, NOW - 3.25 * HOUR),
        reason="S3 data events silent",
        recorded_at=NOW,
    )
    finding = Finding.objects.filter(identity=story.identity).first()
    opening.open_or_join(
        identity=story.identity,
        title="salaries were read",
        reason="seen in the morning",
        by=story.ines,
        findings=[finding] if finding is not None else [],
        now=NOW,
    )
    send(source_of(), plain(), plain("x", title=HOSTILE, names=["AKIAEXAMPLEQP7D00099"]))
    while alerts.read_next(now=timezone.now()):
        pass
    return story


def test_two_people_mark_the_same_event_and_both_see_it(
    open_as: Open, axe: Callable[[Page], list[str]], told: Told
) -> None:
    found: dict[str, list[str]] = {}
    rex = make_user("rex", "responder")
    case = Case.objects.get(door="incident")
    path = f"/cases/{case.key}/timeline/"
    first = open_as(rex)
    first.goto(path)
    expect(first.get_by_text("S3 data events silent")).to_be_visible()
    clean(first, axe, "timeline", found)
    ref = ref_of(keys()[-3])  # the last two are what the alerts themselves are
    first.locator(f"#star-{ref}").click()
    expect(first.locator(f"#star-{ref}")).to_have_attribute("aria-pressed", "true")
    # Without JavaScript: the forms and links are real.
    second = open_as(told.ines, javascript=False)
    second.goto(path)
    second.locator(f"#event-{ref} a").first.click()
    second.get_by_label("Label").fill("Odd one")
    second.get_by_role("button", name="Label it").click()
    expect(second.get_by_role("list", name="Labels")).to_contain_text("odd one")
    second.get_by_role("button", name="Pin as evidence").click()
    second.get_by_role("textbox", name="Note").fill(f"{HOSTILE} who is it?")
    second.get_by_role("button", name="Write it").click()
    expect(second.get_by_text("who is it?").first).to_be_visible()
    expect(second.get_by_text("Starred by Rex")).to_be_visible()
    # The live part brings it to who has the page open, within its ten seconds.
    expect(first.locator(f"#event-{ref}")).to_contain_text("odd one", timeout=30_000)
    first.get_by_role("link", name="odd one").click()
    expect(first.locator(".cs-tl > li[id^=event-]")).to_have_count(1)
    clean(first, axe, "timeline-label", found)
    phone = open_as(rex, phone=True, dark=True)
    phone.goto(path)
    clean(phone, axe, "timeline-phone-dark", found)
    phone.goto(f"{path}events/{ref}/?whose=all")
    clean(phone, axe, "timeline-event-phone-dark", found)
    first.goto(f"{path}events/{ref}/")
    clean(first, axe, "timeline-event", found)
    first.goto(f"{path}?show=pinned&strength=inferred")
    clean(first, axe, "timeline-empty", found)
    assert {name: said for name, said in found.items() if said} == {}


def test_alert_that_is_nobodys_is_matched_by_a_person(
    open_as: Open, axe: Callable[[Page], list[str]], told: Told
) -> None:
    found: dict[str, list[str]] = {}
    rex = open_as(make_user("rex", "responder"), phone=True, dark=True)
    rex.goto("/alerts/")
    clean(rex, axe, "alerts-phone-dark", found)
    wide = open_as(told.rita)
    wide.goto("/alerts/")
    clean(wide, axe, "alerts", found)
    rex.get_by_role("link", name="unmatched").first.click()
    rex.get_by_role("link", name=HOSTILE).click()
    clean(rex, axe, "alert-phone-dark", found)
    rex.get_by_label("Identity it is about").fill("svc-report")
    rex.get_by_label("How is that known?").fill("its old key")
    rex.get_by_role("button", name="Open an incident").click()
    expect(rex.get_by_text("salaries were read").first).to_be_visible()
    assert set(Alert.objects.values_list("state", flat=True)) == {"joined"}
    assert {name: said for name, said in found.items() if said} == {}


def test_room_shows_the_newest_rows_and_leads_to_all(
    open_as: Open, axe: Callable[[Page], list[str]], told: Told
) -> None:
    found: dict[str, list[str]] = {}
    case = Case.objects.get(door="incident")
    marks.put(case=case, key=keys()[-3], label="odd", by=told.ines, now=timezone.now())
    ines = open_as(told.ines)
    ines.goto(f"/cases/{case.key}/room/")
    # It is put in its place the moment it comes into view.
    ines.evaluate("document.querySelector('#timeline')?.scrollIntoView()")
    part = ines.locator("#room_timeline")
    expect(part.get_by_text("odd")).to_be_visible()
    clean(ines, axe, "room-with-timeline", found)
    part.get_by_role("link", name="All").click()
    expect(ines.get_by_role("navigation", name="What is shown")).to_be_visible()
    assert {name: said for name, said in found.items() if said} == {}
