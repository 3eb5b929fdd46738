"""What stands beside an item is of one moment: the queue says which, and what came since; reading it
anew loses nothing of what is stopped meanwhile."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import Credential, DelegationVersion, Identity
from reviews.actions import advising, holds, items
from reviews.models import Case, Item

from .conftest import HOUR, NOW, Told, ingest, item_of, record

pytestmark = pytest.mark.django_db
Sign = Callable[..., Any]
SINCE = "Newer evidence of it since"


def queue(client: Client, story: Told) -> str:
    client.force_login(story.ines, backend="django.contrib.auth.backends.ModelBackend")
    return " ".join(client.get("/queue/?show=items").content.decode().split())


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW + 3 * HOUR)


def test_the_queue_says_up_to_when_evidence_was_known(
    story: Told, case: Case, client: Client
) -> None:
    page = queue(client, story)
    made = item_of(case, "delegation").snapshot[advising.MADE_AT]
    assert f'1 of 2 seen, by evidence up to <time datetime="{made[:16]}' in page
    assert page.count('as of <time datetime="') == case.items.count()
    assert SINCE not in page
    address = "/queue.json?show=items"
    rows = json.loads(b"".join(client.get(address).streaming_content))  # type: ignore[attr-defined]  # a file is streamed
    assert {row["advised_at"][:16] for row in rows} == {made[:16]}


@pytest.mark.parametrize(("after", "said"), [(-1, False), (1, True)])
def test_the_queue_says_what_has_come_since(
    story: Told, case: Case, client: Client, after: int, said: bool
) -> None:
    at = NOW + after * HOUR
    ingest([record(90, "PutObject", "reports/1.pdf", at)], now=NOW + 2 * HOUR)
    page = queue(client, story)
    link = f'<a href="/events/?identity={story.identity.key}"><time datetime="{at:%Y-%m-%dT%H:%M}'
    assert (page.count(f"{SINCE}, last {link}") == case.items.count()) is said
    assert (SINCE in page) is said


def stopped(case: Case, kind: str, *, now: datetime = NOW) -> tuple[dict[str, Any], str, str]:
    """What is to be known to let an item go, its outcome, and the state of what it is about."""
    item = item_of(case, kind)
    assert item.ref is not None
    marks = {name: item.snapshot[name] for name in ("held", "suspended", holds.STOPPED)
             if name in item.snapshot}  # fmt: skip
    if kind == "credential":
        return marks, item.outcome, Credential.objects.get(pk=item.ref).state
    if kind == "identity":
        return marks, item.outcome, Identity.objects.get(pk=item.ref).state
    true = DelegationVersion.objects.filter(
        delegation=item.ref, superseded_at__isnull=True, during__contains=now, state="in_force"
    )
    return marks, item.outcome, "in force" if true.exists() else "stopped"


@pytest.mark.parametrize(
    ("kind", "meanwhile"),
    # That a key is held is seen at its system first.
    [("credential", "active"), ("delegation", "stopped"), ("identity", "suspended")],
)
def test_looking_again_keeps_what_is_stopped_and_it_is_let_go_afterwards(
    story: Told, case: Case, sign: Sign, kind: str, meanwhile: str
) -> None:
    if kind == "identity":
        Item.objects.create(
            case=case, position=9, kind=kind, ref=story.identity.pk, title="svc-report itself"
        )
    before = stopped(case, kind)
    sign(case, kind, story.ines, "keep")
    sign(case, kind, story.samuel, "revoke", seat="ai_owner")
    held = stopped(case, kind)
    assert (len(held[0]), *held[1:]) == (1, "conflict", meanwhile)
    again = NOW + 2 * HOUR
    ingest([record(91, "PutObject", "reports/2.pdf", NOW + HOUR)], now=again)
    items.look_again(Case.objects.get(pk=case.pk), story.identity, now=again)
    assert stopped(case, kind, now=again) == held
    sign(case, kind, story.samuel, "keep", seat="ai_owner", now=again)
    assert stopped(case, kind, now=again) == ({}, "keep", before[2])


def test_looking_again_keeps_what_a_narrowing_that_is_agreed_has_stopped(
    story: Told, case: Case, sign: Sign
) -> None:
    left = {"actions": ["s3:GetObject"], "resources": ["invoices/*"]}
    sign(case, "delegation", story.ines, "keep")
    sign(case, "delegation", story.samuel, "narrow", seat="ai_owner", proposal=left)
    sign(case, "delegation", story.ines, "narrow", proposal=left, now=NOW + HOUR)
    marks, outcome, _ = stopped(case, "delegation")
    assert (outcome, list(marks)) == ("narrow", [holds.STOPPED])
    items.look_again(Case.objects.get(pk=case.pk), story.identity, now=NOW + 2 * HOUR)
    assert stopped(case, "delegation")[0] == marks


def test_what_waits_is_read_anew(story: Told, case: Case) -> None:
    made = item_of(case, "delegation").snapshot
    again = NOW + 2 * HOUR
    ingest([record(92, "PutObject", "reports/3.pdf", NOW + HOUR)], now=again)
    items.look_again(Case.objects.get(pk=case.pk), story.identity, now=again)
    read = item_of(case, "delegation").snapshot
    assert (made["seen"], read["seen"]) == (1, 2)
    assert (made[advising.MADE_AT], read[advising.MADE_AT]) == (NOW.isoformat(), again.isoformat())
