"""Every number of the front page, the menu, the claims and the burn-down opens exactly its rows."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import Sum
from django.test import Client
from django.utils import timezone

from evidence.formats.record import ActorName
from evidence.models import Actor, Deposit, Source
from evidence.names import actor_ids
from identities.claims import counting
from identities.models import (
    Binding,
    Claim,
    ClaimAnswer,
    Credential,
    Delegation,
    DelegationVersion,
    Discovery,
    Finding,
    Identity,
    InventoryRead,
    Party,
    Revocation,
    Service,
    Team,
    UsageDay,
)
from reviews import shares
from reviews.models import Case, ShareDay
from tests import once

from .conftest import DAY, HOUR, Told, make_user, party, person_of
from .queues import fill

pytestmark = pytest.mark.django_db
LINK = re.compile(r'<a [^>]*href="(/[^"]*)"[^>]*>(.*?)</a>', re.DOTALL)


@pytest.fixture(autouse=True)
def counted_anew() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def numbers(page: str) -> list[tuple[str, int]]:
    """Where each link leads whose words begin with a number, and that number."""
    found = []
    for url, words in LINK.findall(page):
        said = re.sub(r"<[^>]*>", " ", words).strip()
        number = re.match(r"([\d,]+)(?: |$)", said) or re.search(r"(?<=\s)([\d,]+)$", said)
        if number is not None:
            found.append((unescape(url), int(number[1].replace(",", ""))))
    return found


def rows(client: Client, url: str) -> int:
    """How many rows stand behind a link, all of its pages together; of calls, how many calls."""
    context = client.get(url).context
    if "runs=" in url:
        called = {"any": "calls", "linked": "linked", "missing": "missing"}
        return int(context["calls"][called[url.partition("runs=")[2].partition("&")[0]]])
    many = 0
    while True:
        name = "waits" if "waits" in context else "rows"
        many += len(context[name])
        more = context.get("page", {}).get("next_url")
        if not more:
            return many
        context = client.get(more if more.startswith("/") else url.partition("?")[0] + more).context


def named(realm: str, kind: str, value: str) -> Actor:
    """This actor, as evidence makes it."""
    one = ActorName(realm, kind, value)
    return Actor.objects.get(pk=actor_ids([one], now=timezone.now())[one])


def revoke(story: Told, state: str, now: datetime, after: timedelta | None) -> None:
    Revocation.objects.create(
        identity=story.identity, step="hold", system="aws", target={}, words=f"Hold, {state}",
        state=state, requested_at=now - DAY, requested_by="command", not_before=now,
        effective_at=None if after is None else now - DAY + after,
    )  # fmt: skip


def delegate(story: Told, now: datetime, *, purpose: str, end: timedelta | None) -> None:
    delegation = Delegation.objects.create(grantee=story.identity, created_at=now)
    DelegationVersion.objects.create(
        delegation=delegation, version=1, state="in_force", imported=True, actions=["s3:Get*"],
        resources=["x/*"], purpose=purpose, recorded_at=now, by="command",
        during=(now - DAY, None if end is None else now + end),
    )  # fmt: skip


@pytest.fixture
@once.told
def world(story: Told) -> Told:
    """Of each share some that are as they should be, some that are not, and some that do not count."""
    now = timezone.now()
    fill(3, owners=[party(story.ines)], now=now)
    late = fill(4, owners=[party(story.ines)], now=now - 30 * DAY, first=10)
    done = {"state": "closed", "closed_at": now}
    for case, decided, more in (
        (late[0], late[0].deadline_at - HOUR, done),
        (late[1], late[1].deadline_at + HOUR, done),
        (late[2], None, {"state": "cancelled"}),
        # The fourth is open and overdue.
    ):
        Case.objects.filter(pk=case.pk).update(decided_at=decided, **more)
    Identity.objects.create(name="nobody's", kind="agent", created_at=now)
    Identity.objects.create(name="gone", kind="agent", state="retired", created_at=now)
    alone = Service.objects.create(slug="copilot", name="Copilot", ai_system=True)
    Identity.objects.create(
        name="half", kind="agent", service=alone, owner=party(story.ines), created_at=now
    )
    DelegationVersion.objects.update(during=(now - DAY, now + 9 * DAY), purpose="")
    delegate(story, now, purpose="tests", end=9 * DAY)
    delegate(story, now, purpose="", end=9 * DAY)
    delegate(story, now, purpose="tests", end=None)
    revoke(story, "effective", now, timedelta(minutes=5))
    revoke(story, "effective", now, 2 * HOUR)
    revoke(story, "sent", now, None)
    revoke(story, "undone", now, None)
    UsageDay.objects.all().delete()
    for at, (count, linked) in enumerate(((40, 30), (7, 7), (5, 0))):
        UsageDay.objects.create(
            identity_no=Identity.objects.order_by("number")[at].number, day=now.date(),
            action_id=1, family="x", plane=1, count=count, linked=linked, first_at=now, last_at=now,
        )  # fmt: skip
    old = {"day": now.date() - shares.WINDOW, "first_at": now, "last_at": now}
    UsageDay.objects.create(
        identity_no=story.identity.number, action_id=1, family="x", plane=1, count=9, **old
    )
    for state in ("open", "confirmed", "expected"):
        Finding.objects.create(
            identity=story.identity, rule="no_authority", family=state, state=state, strength=3,
            words=state, first_at=now, last_at=now, opened_at=now, state_at=now,
        )  # fmt: skip
    Credential.objects.update(issued_by=Actor.objects.get(kind="arn"))
    for at in range(3):
        actor = named("aws", "access_key", f"AKIA{at:016d}")
        Credential.objects.create(
            actor=actor, identity=story.identity, kind="access_key", standing=False, state_at=now
        )
    silent = Source.objects.create(
        name="silent", created_at=now, created_by="command", expected_every_seconds=60
    )
    Deposit.objects.create(
        source=silent, received_at=now - DAY, received_by="command", format="cloudtrail",
        received_digest=b"x" * 32, received_bytes=1, kept_digest=b"y" * 32, kept_bytes=1,
        rule_version=1, records=0, events=0, duplicates=0, rejects=0,
    )  # fmt: skip
    return story


def walked(client: Client, page: str) -> dict[str, tuple[int, int]]:
    """Of each number of a page: what it says and what stands behind it."""
    return {url: (many, rows(client, url)) for url, many in numbers(page)}


@pytest.mark.parametrize("who", ["rita", "ines", "samuel", "otto"])
def test_front_page_and_menu(world: Told, client: Client, who: str) -> None:
    client.force_login(getattr(world, who))
    page = client.get("/").content.decode()
    found = walked(client, page)
    assert {url: said for url, (said, _) in found.items()} == {
        url: behind for url, (_, behind) in found.items()
    }
    # Of cases Samuel sees none that is decided: then nothing is a part of it.
    wanted = {share.has for share in shares.SHARES if share.name != "decided" or who != "samuel"}
    wanted |= {share.whole for share in shares.SHARES}
    lacking = {share.lacks for share in shares.SHARES if share.name != "seats" or who == "rita"}
    asked = {"/sources/?state=silent", "/unfinished/"}
    assert wanted | asked <= set(found)
    if who in ("rita", "otto"):
        assert lacking | {"/cases/?due=passed", "/findings/?service=quarterly"} <= set(found)
    if who == "ines":
        assert {"/queue/?due=passed", "/queue/?seat=identity_owner", "/queue/"} <= set(found)


def test_shares_count_what_they_say(world: Told) -> None:
    found = shares.counts(shares.of_user(world.rita, now=timezone.now()), now=timezone.now())
    living = Identity.objects.exclude(state="retired").count()
    assert found == {
        "seats": (living - 2, living),
        "runs": (37, 52),
        "issuance": (1, 4),
        "stated": (1, 4),
        "decided": (1, 3),
        "proved": (1, 3),
    }
    assert UsageDay.objects.aggregate(n=Sum("count"))["n"] == 61


def test_a_sealed_case_is_counted_for_its_members_only(world: Told) -> None:
    now = timezone.now()
    Case.objects.filter(decided_at__isnull=False).update(sealed=True)
    assert shares.counts(shares.of_user(world.rita, now=now), now=now)["decided"] == (0, 1)
    assert shares.counts(shares.of_all(), now=now)["decided"] == (0, 1)


def proposed(story: Told, many: int) -> None:
    """So many actors that a proposal waits for, one of them with two."""
    now = timezone.now()
    other = Identity.objects.get(name="half")
    for at in range(many):
        actor = Actor.objects.get(value=f"AKIA{at:016d}")
        Credential.objects.filter(actor=actor).delete()
        for identity in (story.identity, other) if at == 0 else (story.identity,):
            Binding.objects.create(
                identity=identity, actor=actor, basis="observed", state="proposed", seen=30,
                during=(now, None), recorded_at=now, by="command",
            )  # fmt: skip


def test_menu_counts_the_actors_with_a_proposal(world: Told, client: Client) -> None:
    proposed(world, 2)
    # Seen in evidence, else they are nobody's question.
    seen(*Actor.objects.filter(value__startswith="AKIA0000"))
    client.force_login(world.rita)
    found = walked(client, client.get("/unclaimed/").content.decode())
    assert found["/unclaimed/?proposed=yes"] == (2, 2)
    # Of which one is proposed to be two identities, so no rule confirms it.
    assert found["/unclaimed/?proposed=ready"] == (1, 1)
    assert all(said == behind for said, behind in found.values())


def seen(*actors: Actor) -> None:
    """Let an inventory show these, so that they are there without any event."""
    now = timezone.now()
    source = Source.objects.get(name="silent")
    read = InventoryRead.objects.create(
        source=source, system="aws", state="done", asked_at=now, asked_by="command"
    )
    for actor in actors:
        Discovery.objects.create(
            source=source, part="keys", realm="aws", actor=actor, credential=True, kind="key",
            status="active", digest="d", read=read, read_at=now, during=(now, None),
            recorded_at=now,
        )  # fmt: skip


@pytest.fixture
def claims(world: Told) -> Party:
    """Two teams and two people who are asked, things of nobody's, and what was answered."""
    now = timezone.now()
    team = Party.objects.create(team=Team.objects.create(name="Payments"))
    person = party(world.ines)

    def claim(at: int, whose: Party | None, state: str, bundle: str, **more: Any) -> Claim:
        identity = Identity.objects.create(name=f"claimed-{at}", kind="workload", created_at=now)
        said = {"opened_at": now, "looked_at": now, "reasons": [], "step": "evidence"} | more
        return Claim.objects.create(
            identity=identity, party=whose, state=state, bundle=bundle, **said
        )

    for at in range(6):
        claim(at, team, "open", "code:pay", asked_at=now)
    claim(10, team, "open", "code:bill", asked_at=now)
    claim(11, team, "open", "code:later")
    claim(12, person, "open", "code:mine", asked_at=now)
    claim(13, None, "open", "code:lost", step="nobody")
    answer = ClaimAnswer.objects.create(
        answer="yes", party=team, to=team, bundle="code:pay", asked=2, owned=1, by="x", by_name="x",
        person=person_of(world.ines), at=now, not_before=now, carried_at=now,
    )  # fmt: skip
    claim(14, team, "owned", "code:pay", answer=answer, closed_at=now)
    claim(15, team, "answered", "code:pay", answer=answer, asked_at=now)
    actor = named("aws:1", "arn", "arn:aws:iam::1:user/x")
    Claim.objects.create(
        actor=actor, party=None, state="open", bundle="realm:aws:1", opened_at=now, looked_at=now
    )
    counting.count(now=now)
    return team


def test_burn_down_opens_its_rows(claims: Party, world: Told, client: Client) -> None:
    client.force_login(world.rita)
    page = client.get("/unclaimed/burn-down/").content.decode()
    found = walked(client, page)
    assert {url: said for url, (said, _) in found.items()} == {
        url: behind for url, (_, behind) in found.items()
    }
    team = f"team={claims.team_id}"
    assert {
        url.removeprefix("/unclaimed/"): said
        for url, (said, _) in found.items()
        if url.startswith(("/unclaimed/things/", "/unclaimed/asked/", "/unclaimed/answered/"))
    } == {
        "things/?stands=left": 12,
        "things/?stands=left&of=identity": 11,
        "things/?stands=left&of=actor": 1,
        "things/?stands=asked": 8,
        "things/?stands=nobody": 2,
        "things/?stands=owned": 1,
        "things/?stands=nobody&about=code%3Alost": 1,
        "things/?stands=nobody&about=realm%3Aaws%3A1": 1,
        f"asked/?{team}": 2,
        f"things/?stands=asked&{team}": 7,
        f"things/?stands=later&{team}": 1,
        f"things/?stands=owned&{team}": 1,
        "asked/?team=none": 1,
        "things/?stands=asked&team=none": 1,
        f"answered/?day={timezone.now().date().isoformat()}": 1,
    }
    # Of people no name stands in these lists.
    for what in ("things/?team=none&stands=asked", "asked/?team=none", "answered/"):
        assert "Ines" not in client.get(f"/unclaimed/{what}").content.decode()


def test_questions_open_the_things_they_are_about(
    claims: Party, world: Told, client: Client
) -> None:
    client.force_login(world.ines)
    found = walked(client, client.get("/unclaimed/questions/").content.decode())
    about = party(world.ines).pk
    assert found[f"/unclaimed/questions/{about}/?about=code%3Amine"] == (1, 1)
    assert found["/unclaimed/questions/"] == (1, 1)
    assert all(said == behind for said, behind in found.values())


def test_who_does_not_see_all_sees_none_of_these_lists(claims: Party, client: Client) -> None:
    client.force_login(make_user("olga", "owner"))
    for what in ("things", "asked", "answered"):
        assert client.get(f"/unclaimed/{what}/").status_code == 403


@pytest.mark.parametrize(
    "address",
    [
        "/unclaimed/things/?team=nope",
        "/unclaimed/things/?stands=red",
        "/unclaimed/answered/?day=2026-13-45",
        "/delegations/?stated=maybe",
        "/revocations/?proved=maybe",
        "/credentials/?issuance=maybe",
        "/identities/?seats=maybe",
        "/identities/?runs=maybe",
        "/cases/?decided=maybe",
        "/queue/?due=maybe",
        "/?seat=closer",
    ],
)
def test_an_address_with_nonsense_says_what_it_left_out(
    story: Told, client: Client, address: str
) -> None:
    client.force_login(story.rita)
    answer = client.get(address)
    assert (answer.status_code, "Not understood" in answer.content.decode()) == (200, True)


def test_a_day_counted_twice_stays_one_and_a_day_missed_is_a_gap(
    world: Told, client: Client
) -> None:
    now = timezone.now()
    for day in (40, 30, 2):
        shares.keep(now=now - day * DAY)
    ShareDay.objects.filter(name="seats", day=(now - 30 * DAY).date()).update(part=1, whole=2)
    shares.keep(now=now)
    shares.keep(now=now)
    assert ShareDay.objects.filter(service=None).count() == 4 * len(shares.EVERY)
    client.force_login(world.rita)
    page = client.get("/")
    one = page.context["aligned"][0]
    drawn = [at for at, point in enumerate(one["points"]) if point is not None]
    assert drawn == [83 - 40, 83 - 30, 83 - 2, 83]
    share = float(one["value"])
    assert one["change"] == {"points": f"{share - 50:.1f} pt", "way": 1, "since": "30 d"}
    assert "37 days not counted" in one["label"]
    # Three points alone and one more: no line is drawn through what nobody counted.
    spark = re.findall(r'<svg class="cs-spark".*?</svg>', page.content.decode())[0]
    assert spark.count("<polyline") == 4
    # The lines are of everything: who sees a part of it sees none.
    client.force_login(world.samuel)
    assert [one["points"] for one in client.get("/").context["aligned"]] == [[]] * 6


def test_before_the_first_count_there_is_no_line(world: Told, client: Client) -> None:
    client.force_login(world.rita)
    page = client.get("/")
    assert [(one["points"], one["change"]) for one in page.context["aligned"]] == [([], None)] * 6
    assert "cs-spark" not in page.content.decode()
