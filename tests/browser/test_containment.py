"""Containment and playbooks in a browser: plain forms, on a phone, dark, without scripts."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Page, expect

from identities.models import Credential, Finding, Revocation, User
from reviews.incidents import containing, opening, playbooks, rooms, running, targets
from reviews.models import Case, CaseTicket, ContainmentStep, Playbook, PlaybookRun, TicketWord
from tests.browser.conftest import OVERFLOW, Open, picture
from tests.browser.signing import confirm
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = """
words: A key of an agent is out
steps:
  - {does: block, targets: identity}
  - {does: hold, targets: credentials}
  - {does: narrow, targets: delegations}
"""


def who(name: str) -> User:
    return User.objects.get(username=name)


def incident() -> Case:
    """On the story's newest finding of an identity with a standing key, led by Ines."""
    key = Credential.objects.filter(standing=True, state="active", identity__isnull=False)
    finding = Finding.objects.filter(state="open", identity__in=key.values("identity")).latest(
        "first_at"
    )
    assert finding.identity is not None
    with transaction.atomic():
        case, _ = opening.open_or_join(
            identity=finding.identity,
            title="key used from an unknown address",
            reason="a call from 198.51.100.77",
            findings=[finding],
            by=who("ines"),
            now=timezone.now(),
        )
        rooms.name_role(case=case, role="lead", to="ines", by=who("leila"), now=timezone.now())
    return case


def in_force() -> Playbook:
    now = timezone.now()
    row = playbooks.propose(slug="leaked-key", text=TEXT, reason="agreed", by=who("jonas"), now=now)
    return playbooks.sign(playbook=row, by=who("marek"), now=now)


def filled() -> tuple[Case, ContainmentStep, PlaybookRun, Playbook]:
    """Steps that have come this far and that far, a run, and a ticket."""
    case, ines, now = incident(), who("ines"), timezone.now()
    identity = targets.identity_of(case)
    playbook = in_force()
    run = running.run(
        playbook=playbook, case=case, chosen=running.Chosen(), reason="it is on a forum",
        request_key="request-0001", by=ines, now=now - timedelta(minutes=4),
    )  # fmt: skip
    rows = list(Revocation.objects.filter(case=case.pk).order_by("number"))
    Revocation.objects.filter(pk__in=[one.pk for one in rows[:1]]).update(
        state="confirmed", sending_at=now, sent_at=now, confirmed_at=now,
        residual=[{"what": "session ASIA…4T2M", "until": "2026-11-25T03:01:00+00:00"}],
    )  # fmt: skip
    step = containing.contain(
        case=case, does="sessions", those=[containing.Wanted(identity)], by=ines,
        reason="they go on", now=now,
    )  # fmt: skip
    containing.propose(
        case=case, does="revoke", those=targets.chosen([first_key(case)], ines, now=now), by=ines,
        reason="it is out for good", now=now,
    )  # fmt: skip
    CaseTicket.objects.create(
        case=case, tracker="servicenow", ticket="INC0012345", url="https://it.example/1",
        state="In Progress", heard_at=now, not_before=now, failed_why="it answered 503",
    )  # fmt: skip
    TicketWord.objects.create(
        tracker="servicenow", message="m", digest="x", case=case, ticket="INC0012345",
        comment="network team looks at <b>it</b>", said_by="Nora", asks_to_close=True,
        said_at=now, heard_at=now,
    )  # fmt: skip
    return case, step, run, playbook


def first_key(case: Case) -> str:
    return next(one.key for one in targets.choices(case, now=timezone.now()) if "CRED" in one.key)


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_pages_of_containment_are_clean(
    open_as: Open, axe: Callable[[Page], list[str]], planted: Planted, *, dark: bool, phone: bool
) -> None:
    case, step, run, playbook = filled()
    page = open_as(who("ines"), dark=dark, phone=phone)
    found: dict[str, list[str]] = {}
    kind = f"{'dark' if dark else 'light'}-{'phone' if phone else 'desk'}"
    here = f"/cases/{case.key}"
    for name, address in {
        "list": f"{here}/containment/",
        "new": f"{here}/containment/new/",
        "step": f"{here}/containment/{step.key}/",
        "run": f"{here}/playbooks/{run.key}/",
        "run-new": f"{here}/playbooks/new/?playbook=leaked-key/1",
        "playbooks": "/playbooks/",
        "playbook": playbook.url,
        "playbook-new": "/playbooks/new/",
    }.items():
        page.goto(address)
        if name in ("new", "run-new"):
            if name == "new":
                page.get_by_role("checkbox").first.check()
            page.get_by_role("button", name="Try it out").click()
            expect(page.get_by_role("button", name="Sign")).to_be_visible()
        wide = page.evaluate(OVERFLOW)
        said = axe(page) + ([f"{wide} px too wide"] if wide > 0 else [])
        picture(page, f"containment-{name}-{kind}")
        if said:
            found[address] = said
    assert found == {}


def test_key_is_held_and_let_go_in_plain_forms(open_as: Open, planted: Planted) -> None:
    case = incident()
    key = first_key(case)
    page = open_as(who("ines"), javascript=False)
    page.goto(f"/cases/{case.key}/containment/")
    page.get_by_role("link", name="Stop something").press("Enter")
    page.locator(f"input[value='{key}']").press("Space")
    page.get_by_label("Why?").fill("a stranger used it")
    page.get_by_role("button", name="Try it out").press("Enter")
    expect(page.get_by_role("heading", name="What breaks")).to_be_visible()
    assert ContainmentStep.objects.count() == 0
    page.get_by_role("button", name="Sign: hold 1 target").press("Enter")
    confirm(page)
    step = ContainmentStep.objects.get()
    expect(page.get_by_role("heading", level=1)).to_contain_text(step.title)
    holds = Revocation.objects.filter(case=case.pk, step="hold")
    assert holds.filter(cause=None).count() == 1
    page.get_by_text("Release…").click()
    page.get_by_label("Why may it work again?").fill("it was a drill")
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("let go").first).to_be_visible()
    assert ContainmentStep.objects.get().state == "undone"
