"""The room of an incident in a browser: worked in without script, live for two, clean everywhere."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Page, expect

from evidence.queries.events import ref_of
from identities.models import Finding, Party, User
from reviews.incidents import opening, questions, rooms, tasks
from reviews.models import Case
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def who(name: str) -> User:
    return User.objects.get(username=name)


def filled() -> Case:
    """An incident on the story's newest finding, in which some things are known."""
    ines, now = who("ines"), timezone.now()
    finding = (
        Finding.objects.filter(identity__isnull=False, state="open")
        .select_related("identity")
        .latest("first_at")
    )
    assert finding.identity is not None
    with transaction.atomic():
        case, _ = opening.open_or_join(
            identity=finding.identity,
            title="key used with no run behind it",
            reason=f"{finding.key}: {finding.words}. <b>hostile</b>",
            severity="critical",
            findings=[finding],
            by=ines,
            now=now,
        )
    events = list(finding.events.order_by("at").values_list("at", "event_id")[:3])
    for number, certainty, missing in ((1, "answered", ""), (4, "partly", "S3 was silent")):
        questions.conclude(
            case=case,
            number=number,
            words="the key AKIA…QP7D; it also minted another one",
            certainty=certainty,
            missing=missing,
            events=events,
            seen=None,
            by=ines,
            now=now,
        )
    questions.drop(case=case, number=3, reason="it cannot be found out", by=ines, now=now)
    party = Party.objects.get_or_create(person=ines.person)[0]
    for words in ("Rotate prod/db", "Tell Legal about salaries.csv"):
        tasks.add(
            case=case, words=words, owner=party, due_at=now + timedelta(hours=1), by=ines, now=now
        )
    tasks.end(case=case, number=2, state="done", said="told", by=ines, now=now)
    rooms.hand_over(
        case=case,
        to=who("samuel").person.name,  # type: ignore[union-attr]  # a person of the story
        known="which key",
        unknown="who has it",
        by=ines,
        now=now,
    )
    rooms.write_outcome(case=case, words="two keys are dead", by=ines, now=now)
    return case


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_pages_of_a_room_are_clean(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    page = open_as(who("ines"), dark=dark, phone=phone)
    case = filled()
    here = f"/cases/{case.key}/room/"
    finding = case.findings.get()
    found: dict[str, list[str]] = {}
    for name, address in {
        "new": f"/incidents/new/?finding={finding.key}",
        "room": here,
        "question": f"{here}questions/1/",
        "open-question": f"{here}questions/2/",
        "task": f"{here}tasks/1/",
        "tasks": "/incidents/tasks/",
    }.items():
        page.goto(address)
        picture(page, f"room-{name}{'-dark' * dark}{'-phone' * phone}")
        wide = page.evaluate(OVERFLOW)
        said = axe(page) + ([f"{wide} px too wide"] if wide > 0 else [])
        if said:
            found[address] = said
    assert found == {}


def test_incident_is_worked_in_without_script(open_as: Open, planted: Planted) -> None:
    page = open_as(who("ines"), javascript=False)
    finding = Finding.objects.filter(identity__isnull=False, state="open").latest("first_at")
    page.goto(f"/findings/{finding.key}/")
    page.get_by_role("link", name="Open an incident").click()
    page.get_by_role("button", name="Open the incident").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Incident:")
    page.get_by_role("link", name="Which key was misused?").click()
    page.get_by_label("What do these events show?").fill("the key of the report agent")
    page.locator("input[value=answered]").check()
    at, event = finding.events.order_by("-at").values_list("at", "event_id")[0]
    page.locator(f'input[value="{ref_of((at, event))}"]').check()
    page.get_by_role("button", name="Conclude").click()
    expect(page.locator("#question-1")).to_contain_text("the key of the report agent")
    expect(page.locator("#question-1")).to_contain_text("1 event")
    page.get_by_role("link", name="What was taken?").click()
    page.get_by_label("What do these events show?").fill("nothing more")
    page.locator("input[value=partly]").check()
    page.locator(f'input[value="{ref_of((at, event))}"]').check()
    page.get_by_role("button", name="Conclude").click()
    expect(page.locator("body")).to_contain_text("Say what is missing")
    expect(page.get_by_label("What do these events show?")).to_have_value("nothing more")


def test_room_is_live_for_two_and_keeps_the_focus(open_as: Open, planted: Planted) -> None:
    case, now = filled(), timezone.now()
    page = open_as(who("ines"))
    page.goto(f"/cases/{case.key}/room/")
    expect(page.locator("#room_questions tbody tr")).to_have_count(5)
    page.locator("#question-1 a").first.focus()
    questions.ask(case=case, words="Who was told?", by=who("samuel"), now=now)
    tasks.end(case=case, number=1, state="done", said="rotated", by=who("ines"), now=now)
    # What the clock does every ten seconds.
    page.evaluate("htmx.trigger(document.querySelector('#room_clocks'), 'every')")
    expect(page.locator("#room_questions tbody tr")).to_have_count(6)
    expect(page.locator("#room_tasks")).not_to_contain_text("due")
    expect(page.locator("#room_gate")).to_contain_text("2 of 2")
    assert page.evaluate("document.activeElement.textContent") == "Which key was misused?"
