"""Blind means blind: every page, file and answer is the same for somebody who is asked in a blind
stage, whatever was answered before.

Each scene is played twice with other answers; all addresses that can be read are compared as the
reviewer of the blind stage gets them. An address that names something new fails until it is here.
"""

import re
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from evidence.models import Capsule
from identities.models import Credential, Finding, User
from reviews import actions
from reviews.actions import attention
from reviews.campaigns import progress
from reviews.models import Burst, Campaign, Case, Provisional

from . import stages
from .conftest import HOUR, NOW, Told, ingest, item_of, make_user, person_of, record
from .stages import FIRST, SECOND, fresh, say, seat

pytestmark = pytest.mark.django_db

type Scene = Callable[[Told, Case, str], None]

BLIND = SECOND | {"sight": "blind"}
NOBODYS = "00000000-0000-4000-8000-000000000000"
# What differs from page to page and says nothing: of the form, of the row, of the seal.
NOISE = (
    (re.compile(r'(csrf[\w-]*"[^>]*?value="|nonce[-=]["\']?)[\w/+=-]+'), r"\1*"),
    (re.compile(r"\b[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b([0-9a-f]{64}|[0-9a-f]{4}…[0-9a-f]{4})\b"), "DIGEST"),
    (re.compile(r"\b(CAP|REV)-\d+"), r"\1-*"),
    (re.compile(r'"id":\d+,"digest"|"recorded_at":"[^"]+"'), "ROW"),
)


# --- what is played before, once for each answer -------------------------------------------------


def differ(story: Told, case: Case, said: str) -> None:
    """The owners have answered one item, one has said so, and another answer was taken back; what
    was kept so fast waits for a second look. The blind stage has not begun."""
    say(case, story.ines, "keep", seat(case, "identity_owner", "Owners"))
    row = seat(case, "ai_owner", "Owners")
    say(case, story.samuel, said, row)
    actions.comment(case=case, text=f"I would {said}.", by=story.samuel, now=NOW)
    say(case, story.samuel, said, row, kind="delegation")
    actions.undo(case=case, item=item_of(case, "delegation"), by=story.samuel, now=NOW)
    if said == "keep":
        burst = Burst.objects.create(
            person=person_of(story.samuel), since=NOW, until=NOW, answers=50
        )
        Provisional.objects.create(case=case, burst=burst, marked_at=NOW)
        assert attention.tell_provisional_next(now=NOW)


def agree(story: Told, case: Case, said: str) -> None:
    """The owners have agreed on everything, and the blind stage is asked."""
    stages.both(case, story, said)
    stages.sweep(stages.after_undo(NOW))
    assert fresh(case).stage == "Second look"


def settle(story: Told, case: Case, said: str) -> None:
    """The owners differed, the tie-breaker has decided, and the blind stage is asked."""
    both = {"identity_owner": story.ines, "ai_owner": story.samuel}
    for kind in ("delegation", "credential"):
        for answer, (sits, user) in zip(("keep", "dont_know"), both.items(), strict=True):
            say(case, user, answer, seat(case, sits, "Owners"), kind=kind)
    stages.sweep(NOW + 50 * HOUR)
    for kind in ("delegation", "credential"):
        actions.tie_break(
            case=case,
            item=item_of(case, kind),
            answer=said,
            reason=f"{said} it is",
            by=story.leila,
            now=NOW + 50 * HOUR,
            version=Case.objects.get(pk=case.pk).version,
        )
    stages.sweep(stages.after_undo(NOW + 50 * HOUR))
    assert fresh(case).stage == "Second look"


# What is played, and when the reviewer of the blind stage looks.
SCENES: tuple[tuple[Scene, datetime], ...] = (
    (differ, NOW + HOUR),
    (agree, NOW + HOUR),
    (settle, NOW + 51 * HOUR),
)


# --- what is compared ----------------------------------------------------------------------------


def routes(resolver: Any, before: str = "") -> Iterator[str]:
    """The addresses below a resolver that know cases, by their own code or what they are told."""
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            if route not in ("admin/", "accounts/", "styleguide/"):
                yield from routes(one, route)
        elif one.callback.__module__.partition(".")[0] in (
            "identities",
            "reviews",
        ) or route.startswith("ledger/"):
            yield route


# Views of those addresses in which something else is read.
VIEWS = (
    "cases/<str:key>/?item={item}",
    "cases/?state=open",
    "cases/?again=mine",
    "cases.json?again=mine",
    "queue/?show=items",
    "queue.json?show=items",
    "queue.csv?show=items",
    "ledger/?subject={case}",
    "ledger/?q=differ",
    "search/?q={case}",
    "search/?q=differ",
)


def addresses(case: Case) -> dict[str, str]:
    """Every address with the rows of the story in it, by its route; what names no row stays 0."""
    identity, campaign, policy = case.identity, case.campaign, case.policy
    assert identity is not None
    assert campaign is not None
    assert policy is not None
    key = {
        "cases": case.key,
        "identities": identity.key,
        "campaigns": campaign.key,
        "credentials": Credential.objects.all()[0].key,
        "findings": Finding.objects.all()[0].key,
    }
    capsule = Capsule.objects.filter(subject=case.key).order_by("number")[0]
    of = {"slug": policy.name, "version": str(policy.version), "what": "findings"}
    of |= {"number": str(capsule.number), "path:name": identity.name, "slug:name": "cloudtrail"}

    def filled(route: str) -> str:
        named = of | {"key": key.get(route.removeprefix("api/").partition("/")[0], "0")}

        def value(part: re.Match[str]) -> str:
            if part[1] == "uuid:":
                return NOBODYS
            return named.get(f"{part[1]}{part[2]}", named.get(part[2], "0"))

        said = re.sub(r"<(\w+:)?(\w+)>", value, route)
        return "/" + said.format(case=case.key, item=item_of(case, "credential").pk)

    return {route: filled(route) for route in (*routes(get_resolver()), *VIEWS)}


def read(user: User, case: Case, *, only: Collection[str] | None = None) -> dict[str, str]:
    """What this user reads at each address (at `only` these), without what says nothing."""
    client = Client()
    client.force_login(user)
    found = {}
    for route, address in addresses(case).items():
        if only is not None and route not in only:
            continue
        response = client.get(address)
        body = b"".join(response) if response.streaming else response.content
        text = body.decode(errors="replace")
        for pattern, instead in NOISE:
            text = pattern.sub(instead, text)
        if response.status_code not in (404, 405):
            found[route] = f"{response.status_code} {text}"
    return found


def difference(one: str, other: str) -> str:
    """Where two answers part."""
    at = next((n for n, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))  # noqa: B905 - the shorter ends it
    return f"{one[max(0, at - 60) : at + 80]!r} is not {other[at : at + 80]!r}"


@pytest.mark.parametrize(("scene", "at"), SCENES, ids=lambda one: getattr(one, "__name__", ""))
def test_who_is_asked_blind_reads_the_same_whatever_was_answered(
    story: Told, scene: Scene, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest([record(9, "DeleteObject", "payroll/9.pdf", NOW - HOUR)])
    ivo = make_user("ivo", "reviewer")
    stages.team("IAM", ivo)
    stages.team("AI risk", make_user("ada", "owner"))
    case = stages.opened(story, FIRST, BLIND)
    assert case.policy is not None
    case.campaign = Campaign.objects.create(
        name="Yearly", policy=case.policy, state="running", reason="x", launched_at=NOW,
        made_at=NOW, made_by="x", deadline_at=NOW + 72 * HOUR,
    )  # fmt: skip
    case.save(update_fields=["campaign"])
    monkeypatch.setattr(timezone, "now", lambda: at)
    answers: list[dict[str, str]] = []
    for said in ("keep", "dont_know"):
        with transaction.atomic():
            scene(story, case, said)
            progress.count(case.campaign, now=at)
            answers.append(read(ivo, fresh(case), only=answers[0] if answers else None))
            transaction.set_rollback(True)
    first, second = answers
    assert [route for route, text in first.items() if text.startswith("5")] == []
    # What is read at all, and is not the same.
    assert {"cases/", "cases/<str:key>/", "api/cases/<str:key>/", "queue.json", *VIEWS} <= set(
        first
    )
    parted = [
        f"{route}: {difference(text, second.get(route, ''))}"
        for route, text in first.items()
        if text != second.get(route)
    ]
    assert parted == []
