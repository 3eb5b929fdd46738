"""What is planted is outside everything: each address that can be read says the same with it and
without it, and so does every table after a campaign has gone its whole way.

The two are told apart for the one who is to answer, in the queue and the case, and nowhere else.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from identities.models import Credential, Identity, Revocation, User
from reviews import actions, digest
from reviews.actions import planting
from reviews.campaigns import progress, steering
from reviews.models import Burst, Campaign, Case, Item, Notice, PlantedAnswer, PlantedItem

from .conftest import DAY, HOUR, everything_counts, make_user
from .plants import answer, olga, only, plant, rita

__all__ = ["olga", "plant", "rita"]
pytestmark = pytest.mark.django_db
DISCLOSED = " planted items disclosed"
PLANTED = ("Planting", "PlantedItem", "PlantedAnswer")
# What no two answers share: secrets of the form and of the policy for scripts.
ONCE = re.compile(
    r'nonce="[^"]*"|name="request_key" value="[^"]*"|name="csrfmiddlewaretoken" value="[^"]*"|"X-CSRFToken": "[^"]*"|nonce-[^\']*'
)
# Where the one who is asked meets it: wherever an answer is asked for, as a page or as data.
MET = {
    "/",
    "/queue/",
    "/queue/?show=items",
    "/queue/?group=identity",
    "/queue.csv",
    "/queue.csv?show=items",
    "/queue.json",
    "/queue.json?show=items",
    "/cases/{case}/",
    "/cases/{case}.json",
    "/api/cases/{case}/",
}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The moment that all of it happens at: pages say how long ago something was."""
    moment = timezone.now().replace(microsecond=0)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return moment


@pytest.fixture
def moment(now: datetime) -> datetime:
    """When it is launched."""
    return now


@pytest.fixture
def planted(plant: PlantedItem, now: datetime) -> PlantedItem:
    """The same with what counts and mails of it."""
    progress.count(plant.planting.campaign, now=now)
    digest.write_next(now=now)
    return plant


@contextmanager
def taken_back() -> Iterator[None]:
    """Whatever is done meanwhile has not been."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def without() -> None:
    PlantedAnswer.objects.all().delete()
    PlantedItem.objects.all().delete()


# --- every address -------------------------------------------------------------------------------

KEYS = {
    "cases/": "{case}",
    "campaigns/": "{campaign}",
    "identities/": "{identity}",
    "credentials/": "{credential}",
}
# Views of a page that its address asks for.
MORE = [
    "/queue/?show=items",
    "/queue/?group=identity",
    "/queue.csv?show=items",
    "/queue.json?show=items",
    "/cases/?state=open",
    "/cases.csv?state=open",
    "/cases/{case}/?item={planted}",
    "/search/?q={title}",
    "/ledger/?subject={case}",
    "/ledger/export/?subject={campaign}",
    "/api/export/credentials/",
    "/api/export/findings/",
]


def routes(found: list[Any], before: str = "") -> Iterator[str]:
    for one in found:
        route = f"{before}{getattr(one.pattern, '_route', None) or ''}"
        if isinstance(one, URLResolver):
            yield from routes(one.url_patterns, route)
        elif isinstance(one, URLPattern) and not hasattr(one.pattern, "_regex_descriptor"):
            yield route


def addresses() -> list[str]:
    """Every address without a parameter, or with the key of something the campaign is about."""
    found = []
    for route in routes(get_resolver().url_patterns):
        if route.startswith(("admin/", "accounts/", "styleguide/", "api/docs", "api/schema")):
            continue
        made = route
        for kind, key in KEYS.items():
            made = made.replace(f"{kind}<str:key>", f"{kind}{key}")
        if "<" not in made and made not in ("healthz", "readyz", "metrics"):
            found.append(f"/{made}")
    return [*dict.fromkeys(found), *MORE]


def filled(address: str, row: PlantedItem) -> str:
    identity = row.case.identity
    credential = Credential.objects.filter(identity=identity).first()
    assert identity is not None
    assert credential is not None
    return address.format(
        case=row.case.key,
        campaign=row.planting.campaign.key,
        identity=identity.key,
        credential=credential.key,
        planted=row.pk,
        title=row.title,
    )


def names(body: str, row: PlantedItem) -> bool:
    """Whether an answer has its title, as JSON may write it as well."""
    return row.title in body or json.dumps(row.title)[1:-1] in body


def read(user: User, asked: list[str], row: PlantedItem) -> dict[str, tuple[int, str]]:
    client = Client(raise_request_exception=False)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    found = {}
    for one in asked:
        response = client.get(filled(one, row))
        body = b"".join(response) if response.streaming else response.content
        found[one] = (response.status_code, ONCE.sub("", body.decode()))
    return found


@pytest.mark.parametrize("who", ["otto", "rita", "olga"])
def test_every_address_says_the_same_without_it(
    planted: PlantedItem, olga: User, rita: User, now: datetime, who: str
) -> None:
    users = {"olga": olga, "rita": rita, "otto": make_user("otto", "auditor")}
    answer(planted, olga, "keep", now=now - HOUR)
    asked = addresses()
    assert len(asked) > 90
    with taken_back():
        there = read(users[who], asked, planted)
    with taken_back():
        without()
        gone = read(users[who], asked, planted)
    different = {one for one in asked if there[one] != gone[one]}
    assert different - MET == ({"/cases/{case}/?item={planted}"} if who == "olga" else set())
    assert (different & MET != set()) is (who == "olga")
    assert not [one for one, (status, _) in there.items() if status >= 500]
    said = [one for one, (_, body) in there.items() if names(body, planted)]
    assert (said == []) is (who != "olga"), said


def test_the_one_who_is_asked_meets_it_like_every_other(
    planted: PlantedItem, olga: User, now: datetime
) -> None:
    said = read(olga, [*sorted(MET)], planted)
    assert {one for one, (_, body) in said.items() if names(body, planted)} == {
        "/queue/?show=items",
        "/queue.csv?show=items",
        "/queue.json?show=items",
        "/cases/{case}/",
        "/cases/{case}.json",
        "/api/cases/{case}/",
    }
    assert "6 items left for you" in said["/queue/"][1]
    assert "6 items left for you" in said["/"][1]


# --- every table ---------------------------------------------------------------------------------


def counts() -> dict[str, int]:
    """Rows of every table; the ledger says that there are planted items, so it is counted apart."""
    return {
        model.__name__: model._default_manager.count()
        for model in apps.get_models()
        if model._meta.managed and model.__name__ not in (*PLANTED, "LedgerEntry", "Notice")
    }


def to_the_end(case: Case, campaign: Campaign, olga: User, now: datetime) -> dict[str, Any]:
    """Keep in one review, silence in the others, everything carried out, the campaign closed."""
    for item in case.items.order_by("position"):
        actions.decide(
            case=case,
            item=item,
            seat=case.seats.get(kind="identity_owner"),
            answer="keep",
            reason="because",
            by=olga,
            now=now,
            version=Case.objects.get(pk=case.pk).version,
        )
    assert campaign.deadline_at is not None
    later = campaign.deadline_at + 30 * DAY
    for one in Case.objects.filter(campaign=campaign):
        everything_counts(one, until=later)
    for at in (now + HOUR, campaign.deadline_at, later):
        while actions.deadlines_next(now=at) or actions.carry_out_next(now=at):
            pass
        actions.remind_due(now=at)
        planting.disclose_next(now=at)
    rita = User.objects.get(username="rita")
    steering.close(campaign=campaign, by=rita, now=later, reason="over")
    planting.disclose_next(now=later)
    done = progress.read(Campaign.objects.get(pk=campaign.pk))
    items = Item.objects.order_by("case__number", "position")
    return {
        "rows": counts(),
        "cases": [*Case.objects.order_by("number").values_list("state", "version", "closed_at")],
        "items": [*items.values_list("outcome", "held", "carried_words")],
        "mails": sorted(
            Notice.objects.exclude(occasion__endswith=DISCLOSED).values_list(
                "subject", "occasion", "body"
            )
        ),
        "progress": (done.items, done.decided, done.cases, done.parts),
    }


@pytest.mark.parametrize("said", [None, "keep", "revoke"])
def test_every_table_is_the_same_at_the_end(
    planted: PlantedItem, olga: User, now: datetime, said: str | None
) -> None:
    campaign = Campaign.objects.get(pk=planted.planting.campaign_id)
    case = Case.objects.get(pk=planted.case_id)
    Case.objects.update(silence="suspend")
    Identity.objects.update(mode="enforce")
    with taken_back():
        without()
        real = to_the_end(case, campaign, olga, now)
    if said is not None:
        answer(planted, olga, said, now=now)
    assert to_the_end(case, campaign, olga, now) == real
    assert (only().disclosed_at is not None, PlantedAnswer.objects.count()) == (
        True,
        int(said is not None),
    )
    # Whoever answered some is told so afterwards; nothing else is written.
    assert Notice.objects.filter(occasion__endswith=DISCLOSED).count() == int(said is not None)
    assert not Revocation.objects.exists()
    assert {one for one, _, _ in real["cases"]} == {"closed", "open"}


def test_fifty_answers_on_them_are_no_burst(
    planted: PlantedItem, olga: User, now: datetime
) -> None:
    for number in range(60):
        answer(planted, olga, "keep", now=now + number * timedelta(milliseconds=100))
    assert not Burst.objects.exists()
