"""The pages of links: what is changed is shown first, and what two owners share waits for both."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from evidence.models import Actor
from identities.acting import COMMAND
from identities.actions import bindings, changes
from identities.actions.bindings import foreseeing
from identities.models import Binding, Identity, LinkProposal, Party, ProposedChange, User
from reviews.actions import link_notices
from reviews.models import Notice
from tests.identities.chains import actor as named
from tests.reviews.conftest import HOUR, NOW, Told, ingest, make_user, record
from tests.signed_in import sure

pytestmark = pytest.mark.django_db
OTHER = "arn:aws:iam::111122223333:user/other"
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests says nothing of what is looked at."""
    monkeypatch.setattr(foreseeing, "MOST_SECONDS", 120)


@pytest.fixture
def unclaimed(story: Told) -> Actor:
    who = {"type": "IAMUser", "principalId": "AIDAOTHER", "arn": OTHER,
           "accountId": "111122223333", "userName": "other"}  # fmt: skip
    ingest([record(77, "GetObject", "invoices/9.pdf", NOW - HOUR, userIdentity=who)])
    return Actor.objects.get(kind="arn", value=OTHER)


def signed_in(user: User) -> Client:
    found = Client()
    found.force_login(user, backend=BACKEND)
    sure(found)
    return found


def digest_in(body: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]*)"', body)
    assert found is not None
    return found[1]


def test_what_a_link_changes_is_shown_and_looking_changes_nothing(
    story: Told, unclaimed: Actor
) -> None:
    rita = signed_in(story.rita)
    form = {"actor": unclaimed.pk, "identity": story.identity.key}
    body = rita.post("/links/new/", form).content.decode()
    assert "seen so far" in body
    assert not Binding.objects.filter(actor=unclaimed).exists()
    stale = rita.post("/links/make/", form | {"digest": "0" * 32, "reason": "ours"})
    assert (stale.status_code, "has changed since you looked" in stale.content.decode()) == (
        409,
        True,
    )
    assert not Binding.objects.filter(actor=unclaimed).exists()
    assert "A second person signs: who answers for" in body
    done = rita.post("/links/make/", form | {"digest": digest_in(body), "reason": "ours"})
    assert done.status_code == 302
    row = LinkProposal.objects.get()
    assert not Binding.objects.filter(actor=unclaimed).exists()
    for _ in range(2):
        link_notices.tell(now=timezone.now())
    told = Notice.objects.filter(occasion__startswith="links ")
    assert story.rita.person not in [one.person for one in told]
    ron = signed_in(make_user("ron", "reviewer"))
    page = ron.get(f"/links/{row.pk}/").content.decode()
    assert ron.post(f"/links/{row.pk}/sign/", {"digest": digest_in(page)}).status_code == 302
    made = Binding.objects.get(actor=unclaimed)
    # And it is taken back where the identity's links are.
    listed = rita.get(f"/links/?identity={story.identity.key}").content.decode()
    assert f"/links/new/?ends={made.pk}" in listed
    shown = rita.get(f"/links/new/?ends={made.pk}").content.decode()
    assert "It stays linked until a second person signs" in shown
    rita.post("/links/make/", {"ends": made.pk, "digest": digest_in(shown), "reason": "not ours"})
    made.refresh_from_db()
    change = ProposedChange.objects.get()
    assert (made.superseded_at, change.subject) == (None, story.identity.key)
    assert change.key in signed_in(story.ines).get("/changes/").content.decode()
    changes.sign(change=change, by=story.ines, now=timezone.now())
    made.refresh_from_db()
    assert made.superseded_at is not None


def test_second_owner_is_told_once_and_signs_on_the_page(story: Told, unclaimed: Actor) -> None:
    owen, now = make_user("owen", "owner"), timezone.now()
    mine = Identity.objects.create(
        name="zeta", kind="agent", created_at=NOW, state="draft",
        owner=Party.objects.create(person=owen.person),
    )  # fmt: skip
    mine.refresh_from_db()
    rita, their = signed_in(story.rita), signed_in(owen)
    bindings.bind(identity=mine, actor=unclaimed, by=COMMAND, now=now)
    form = {"actor": unclaimed.pk, "identity": story.identity.key, "shared": "1"}
    refused = rita.post("/links/make/", form)
    assert (refused.status_code, "Say why" in refused.content.decode()) == (409, True)
    rita.post("/links/make/", form | {"reason": "both use it"})
    row = LinkProposal.objects.get()
    assert (row.state, row.other, Binding.objects.filter(actor=unclaimed).count()) == (
        "proposed",
        mine,
        1,
    )
    for _ in range(2):
        link_notices.tell(now=now)
    told = Notice.objects.filter(occasion=f"link {row.pk}")
    assert [one.person for one in told] == [owen.person]
    assert f"/links/{row.pk}/" in their.get("/links/").content.decode()
    page = their.get(f"/links/{row.pk}/").content.decode()
    assert "Until you do, nothing changes" in page
    # Who proposed it reads why they cannot sign it.
    assert "You proposed it" in rita.get(f"/links/{row.pk}/").content.decode()
    assert rita.post(f"/links/{row.pk}/sign/").status_code == 403
    assert their.post(f"/links/{row.pk}/sign/", {"digest": digest_in(page)}).status_code == 302
    shared = Binding.objects.filter(
        actor=unclaimed, state="confirmed", superseded_at__isnull=True, shared=True
    )
    assert {one.identity for one in shared} == {mine, story.identity}


def test_actor_that_is_another_s_can_be_looked_at_as_shared(story: Told, unclaimed: Actor) -> None:
    zeta = Identity.objects.create(name="zeta", kind="agent", created_at=NOW, state="draft")
    zeta.refresh_from_db()
    rita = signed_in(story.rita)
    bindings.bind(identity=zeta, actor=unclaimed, by=COMMAND, now=timezone.now())
    form = {"actor": unclaimed.pk, "identity": story.identity.key}
    for url in ("/links/new/", "/links/make/"):
        answer = rita.post(url, form)
        body = answer.content.decode()
        assert (answer.status_code, "zeta&#x27;s: take that back" in body) == (409, True)
        assert 'name="shared" value="1"' in body
    assert "Propose it" in rita.post("/links/new/", form | {"shared": "1"}).content.decode()


def test_owner_finds_what_is_to_be_signed_without_a_mail(story: Told) -> None:
    owen = signed_in(make_user("owen", "owner"))
    assert 'href="/links/"' in owen.get("/unclaimed/questions/").content.decode()
    assert 'href="/unclaimed/questions/"' in owen.get("/links/").content.decode()


def test_everybody_is_told_however_many_links_are_proposed(story: Told) -> None:
    other = Identity.objects.create(name="zeta", kind="agent", created_at=NOW, state="draft")
    names = [named(f"arn:{one}") for one in range(201)]
    LinkProposal.objects.bulk_create(
        LinkProposal(
            identity=story.identity, actor=actor, other=other, shared=True, reason="r",
            proposed_at=NOW, proposed_by="x", proposed_person=story.leila.person,
        )
        for actor in names
    )  # fmt: skip
    assert link_notices.tell(now=NOW) == 201
    assert (
        Notice.objects.filter(occasion__startswith="link ", person=story.rita.person).count() == 201
    )


def test_link_of_others_is_shown_to_nobody_else(story: Told, unclaimed: Actor) -> None:
    gus = signed_in(make_user("gus", "owner"))
    assert story.rita.person is not None
    row = LinkProposal.objects.create(
        identity=story.identity,
        actor=unclaimed,
        other=Identity.objects.create(name="zeta", kind="agent", created_at=NOW, state="draft"),
        shared=True,
        reason="r",
        proposed_at=NOW,
        proposed_by="x",
        proposed_person=story.rita.person,
    )
    assert gus.get(f"/links/{row.pk}/").status_code == 404
    assert "zeta" not in gus.get("/links/").content.decode()
    assert gus.post(f"/links/{row.pk}/refuse/", {"reason": "no"}).status_code == 404
