"""The rows of the table of permissions: of break-glass."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from allauth.mfa.models import Authenticator

from identities.models import Delegation, Identity, Membership, Team, User
from identities.permissions import AUDITOR, INACTIVE, LEFT
from reviews.break_glass import rights
from reviews.models import BreakGlass, Bundle, Case, Decision, Item, Rota, Seat, Shift
from reviews.permissions import NOBODY

from .conftest import DAY, NOW, Told, make_user, person_of
from .permission_world import Row, World

MINUTE = timedelta(minutes=1)
LATER = NOW + 5 * MINUTE
RULE = "1 of Platform and 1 of Security"
DOCUMENT: dict[str, Any] = {
    "words": "Contain",
    "target": {"system": "aws", "account": "111122223333", "kind": "role", "name": "x"},
    "actions": ["s3:GetObject"],
    "resources": ["arn:aws:s3:::x/*"],
    "quorum": {"all_of": [{"team": "Platform", "n": 1}, {"team": "Security", "n": 1}]},
    "patience_minutes": 5,
    "cap_minutes": 60,
    "cap_after_bypass_minutes": 15,
}


def factor(user: User, since: datetime = NOW - DAY) -> None:
    """A second factor of this login, which counts after a day."""
    if not Authenticator.objects.filter(user=user).exists():
        Authenticator.objects.create(user=user, type="webauthn", data={}, created_at=since)


def bundle(w: World, state: str = "in_force", **said: Any) -> Bundle:
    """Proposed by Rita; what is more has been signed by an administrator."""
    more: dict[str, Any] = {}
    if state != "proposed":
        more = {"settled_person": person_of(w.user("root")), "settled_by_name": "Root"}
    return Bundle.objects.create(
        slug="contain",
        version=1,
        document=DOCUMENT | said,
        state=state,
        reason="x",
        proposed_at=NOW,
        proposed_by="x",
        proposed_person=person_of(w.user("rita")),
        **more,
    )


def glass(
    w: World, number: int = 77, state: str = "open", holder: Identity | None = None, **said: Any
) -> Case:
    """Asked for by Gus; Ines is in Platform and Samuel in Security."""
    for name, team in (("ines", "Platform"), ("samuel", "Security")):
        row = Team.objects.get_or_create(name=team)[0]
        Membership.objects.get_or_create(
            team=row,
            person=person_of(w.user(name)),
            defaults={"during": (NOW - DAY, None), "recorded_at": NOW},
        )
    factor(w.user("gus"))
    holder = holder or w.story.identity
    case = Case.objects.create(
        number=number,
        door="break_glass",
        state=state,
        title="x",
        identity=holder,
        opened_at=NOW,
        opened_by=w.user("gus").ref,
        requester=w.user("gus").person,
        deadline_at=NOW + 60 * MINUTE,
    )
    delegation = Delegation.objects.create(grantee=holder, created_at=NOW)
    item = Item.objects.create(case=case, position=0, kind="grant", ref=delegation.pk, title="x")
    if state != "open":
        item.outcome = "approve"
        item.save(update_fields=["outcome"])
        said = {"opened_at": NOW, "ends_at": NOW + 60 * MINUTE} | said
    BreakGlass.objects.create(
        case=case,
        bundle=Bundle.objects.filter(slug="contain").first() or bundle(w),
        asker=w.user("gus"),
        person=person_of(w.user("gus")),
        delegation=delegation,
        minutes=60,
        patience_at=LATER,
        alone_at=NOW + 10 * MINUTE,
        **said,
    )
    return Case.objects.select_related("break_glass__bundle").get(pk=case.pk)


def asked(story: Told) -> Case:
    """A request beside a story of which there is no world."""
    for name, group in (("gus", "owner"), ("root", "administrator")):
        make_user(name, group)
    plain: Any = SimpleNamespace(user=lambda name: User.objects.get(username=name), story=story)
    return glass(plain)


def unreviewed(w: World) -> None:
    """Gus has opened one alone that nobody has looked at."""
    glass(w, 76, "in_review", bypassed_at=NOW)


def of_break_glass() -> Iterator[Row]:
    yield from _of_bundles()
    yield from _of_signing()
    yield from _of_bypass()
    yield from _of_ends()


def _asks(
    act: str, name: str, state: str = "open", now: datetime = NOW, **said: Any
) -> Callable[[World], Any]:
    return lambda w: getattr(rights, act)(w.user(name), glass(w, state=state, **said), now=now)


def _of_bundles() -> Iterator[Row]:
    def asks(act: str, name: str, state: str, **said: Any) -> Callable[[World], Any]:
        return lambda w: getattr(rights, act)(w.user(name), bundle(w, state, **said), now=NOW)

    barred = (("off", INACTIVE), ("otto", AUDITOR), ("gus", rights.WHO))
    for name, said in (("rita", None), ("root", None), *barred):
        yield Row(
            "rights.why_not_propose_bundle",
            lambda w, name=name: rights.why_not_propose_bundle(w.user(name), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    for act in ("why_not_sign_bundle", "why_not_refuse_bundle"):
        for name, said in (("root", None), *barred):
            yield Row(f"rights.{act}", asks(act, name, "proposed"), said)
        said = "contain, version 1 is in force already, by Root."
        yield Row(f"rights.{act}", asks(act, "root", "in_force"), said)
    sign = "why_not_sign_bundle"
    said = "You proposed it: a second person signs."
    yield Row(f"rights.{sign}", asks(sign, "rita", "proposed"), said)
    ask = "why_not_ask"
    for name, said in (("gus", None), ("rita", None), ("off", INACTIVE), ("otto", AUDITOR),
                       ("nobody", NOBODY)):  # fmt: skip
        yield Row(f"rights.{ask}", asks(ask, name, "in_force"), said)
    said = "contain is not offered: choose another one."
    for state, more in (("ended", {}), ("proposed", {}), ("in_force", {"offered": False})):
        yield Row(f"rights.{ask}", asks(ask, "gus", state, **more), said)
    only: dict[str, Any] = {"who": {"teams": ["Night"], "roles": ["responder"]}}
    said = "Only Night, responder may ask for contain."
    yield Row(f"rights.{ask}", asks(ask, "gus", "in_force", **only), said)
    yield Row(f"rights.{ask}", asks(ask, "rex", "in_force", **only), None)


def _of_signing() -> Iterator[Row]:
    act, name = "why_not_answer", "rights.why_not_answer"
    none = f"It is signed by {RULE}: you are none of these."
    for who, said in (
        ("ines", None),
        ("samuel", None),
        ("gus", "You asked for this: the requester never signs."),
        ("rita", none),
        ("root", none),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        ("nobody", NOBODY),
    ):
        yield Row(name, _asks(act, who), said)

    def left(w: World) -> str | None:
        case = glass(w)
        return rights.why_not_answer(w.left("ines"), case, now=NOW)

    def subject(w: World) -> str | None:
        human = Identity.objects.create(name="ines@example.org", kind="human", created_at=NOW)
        return rights.why_not_answer(w.user("ines"), glass(w, holder=human), now=NOW)

    def twice(w: World) -> str | None:
        case, ines = glass(w), w.user("ines")
        _signed(case, ines)
        return rights.why_not_answer(ines, case, now=NOW)

    def not_on_call(w: World) -> str | None:
        bundle(w, quorum={"team": "Platform", "on_call": True})
        case, samuel = glass(w), person_of(w.user("samuel"))
        team = Team.objects.get(name="Platform")
        Membership.objects.create(
            team=team, person=samuel, during=(NOW - DAY, None), recorded_at=NOW
        )
        rota = Rota.objects.create(team="Platform", next_at=NOW, read_at=NOW)
        Shift.objects.create(rota=rota, starts_at=NOW, ends_at=NOW + DAY, name=samuel.name)
        return rights.why_not_answer(w.user("ines"), case, now=NOW)

    said = "It is signed by 1 of Platform on call: you are not on call now."
    yield Row(name, not_on_call, said)
    yield Row(name, left, LEFT)
    yield Row(name, subject, "You are the subject of this case: the subject never signs.")
    yield Row(name, twice, "You have answered already.")
    said = "Nobody answered by 13:00:00 UTC: it has to be asked for anew."
    yield Row(name, _asks(act, "ines", now=NOW + DAY), said)
    said = "CS-77 is carrying out: no signature is asked for now."
    yield Row(name, _asks(act, "ines", "carrying_out"), said)
    yield Row(name, _asks(act, "ines", "carrying_out", bypassed_at=NOW), None)


def _signed(case: Case, by: User) -> None:
    seat = Seat.objects.create(case=case, kind="second", person=by.person)
    Decision.objects.create(
        item=case.items.get(),
        seat=seat,
        answer="approve",
        reason="x",
        by=by,
        person=person_of(by),
        at=NOW,
        not_before=NOW,
    )


def _of_bypass() -> Iterator[Row]:
    act, name = "why_not_bypass", "rights.why_not_bypass"
    yield Row(name, _asks(act, "gus", now=LATER), None)
    yield Row(name, _asks(act, "ines", now=LATER), "Only who asked may do this.")
    yield Row(name, _asks(act, "gus"), "Signatures are waited for until 12:05:00 UTC.")
    said = "It ended unanswered at 13:00:00 UTC: ask anew."
    yield Row(name, _asks(act, "gus", now=NOW + DAY), said)
    said = "CS-77 is carrying out: there is nothing to open."
    yield Row(name, _asks(act, "gus", "carrying_out"), said)

    def dearer(now: datetime, **said: Any) -> Callable[[World], Any]:
        def ask(w: World) -> str | None:
            unreviewed(w)
            return rights.why_not_bypass(w.user("gus"), glass(w, **said), now=now)

        return ask

    said = (
        "Nobody has looked back at CS-76, which you opened alone: a second person vouches for this"
        " one, or you open it alone from 12:10:00 UTC."
    )
    yield Row(name, dearer(LATER), said)
    yield Row(name, dearer(NOW + 10 * MINUTE), None)

    def without(act: str, now: datetime, owed: bool = False) -> Callable[[World], Any]:
        def ask(w: World) -> Any:
            factor(w.user("gus"), since=NOW)
            if owed:
                unreviewed(w)
            return getattr(rights, act)(w.user("gus"), glass(w), now=now)

        return ask

    ends = "a second person vouches for this one, or you open it alone from 12:10:00 UTC."
    none = "you have no second factor that is a day old"
    yield Row(name, without(act, LATER), f"Y{none[1:]}: {ends}")
    said = f"Nobody has looked back at CS-76, which you opened alone, and {none}: {ends}"
    yield Row(name, without(act, LATER, owed=True), said)
    yield Row(name, without(act, NOW + 10 * MINUTE), None)
    cannot: dict[str, Any] = {"factorless_at": NOW}
    said = f"You said that you cannot use your second factor: {ends}"
    yield Row(name, _asks(act, "gus", now=LATER, **cannot), said)
    act, name = "why_not_go_without", "rights.why_not_go_without"
    yield Row(name, _asks(act, "gus"), None)
    yield Row(name, _asks(act, "ines"), "Only who asked may do this.")
    yield Row(name, without(act, NOW), f"No second factor is asked for: {none}.")
    said = "No second factor is asked for: you said that you cannot use your second factor."
    yield Row(name, _asks(act, "gus", **cannot), said)
    said = "CS-77 is carrying out: no second factor is asked for."
    yield Row(name, _asks(act, "gus", "carrying_out"), said)

    def vouches(who: str, owed: bool = True, by: str = "", **said: Any) -> Callable[[World], Any]:
        def ask(w: World) -> str | None:
            if owed:
                unreviewed(w)
            more: dict[str, Any] = {"vouched_person": w.user(by).person} if by else {}
            return rights.why_not_vouch(w.user(who), glass(w, **more, **said), now=NOW)

        return ask

    name = "rights.why_not_vouch"
    yield Row(name, vouches("rex"), None)
    yield Row(name, vouches("gus"), "You asked for this: the requester never signs.")
    yield Row(name, vouches("rex", by="rita"), "Rita vouches for it already.")
    said = "No second person is needed: who asked opens it alone with their second factor."
    yield Row(name, vouches("rex", owed=False), said)
    yield Row(name, vouches("rex", owed=False, factorless_at=NOW), None)
    said = "CS-77 is closed: nobody has to vouch for it."
    yield Row(name, vouches("rex", state="closed"), said)


def _of_ends() -> Iterator[Row]:
    live, over = "carrying_out", "CS-77 is in review: nothing of it is open."
    for act in ("why_not_give_back", "why_not_ask_longer"):
        yield Row(f"rights.{act}", _asks(act, "gus", live), None)
        yield Row(f"rights.{act}", _asks(act, "ines", live), "Only who asked may do this.")
        yield Row(f"rights.{act}", _asks(act, "gus", "in_review"), over)
    longer = "why_not_ask_longer"
    said = "It was asked to last longer once: ask for a new one."
    yield Row(f"rights.{longer}", _asks(longer, "gus", live, longer_minutes=5), said)
    said = "Its time is over: ask for a new one."
    yield Row(f"rights.{longer}", _asks(longer, "gus", live, NOW + DAY), said)
    cut, name = "why_not_cut_off", "rights.why_not_cut_off"
    for who, words in (
        ("ines", None),
        ("rex", None),
        ("root", None),
        ("rita", f"Only {RULE}, a responder or an administrator may cut it off."),
        ("otto", AUDITOR),
    ):
        yield Row(name, _asks(cut, who, live), words)
    yield Row(name, _asks(cut, "rex", "in_review"), over)
    ticket = "why_not_name_ticket"
    yield Row(f"rights.{ticket}", _asks(ticket, "gus", live, ticket_due_at=NOW), None)
    yield Row(f"rights.{ticket}", _asks(ticket, "gus", live), "No ticket is owed.")
    explain = "why_not_explain"
    yield Row(f"rights.{explain}", _asks(explain, "gus", live), None)
    yield Row(f"rights.{explain}", _asks(explain, "ines", live), "Only who asked may do this.")
    said = "CS-77 is open: there is nothing to explain."
    yield Row(f"rights.{explain}", _asks(explain, "gus"), said)
    look, name = "why_not_review", "rights.why_not_review"
    for who, words in (
        ("rita", None),
        ("samuel", None),
        ("gus", "You used it: somebody else looks back at it."),
        ("rex", f"Only a reviewer or {RULE} may look back at it."),
        ("otto", AUDITOR),
    ):
        yield Row(name, _asks(look, who, "in_review"), words)
    said = (
        "CS-77 is carrying out: it is looked at once it has ended and the target shows that it is"
        " gone."
    )
    yield Row(name, _asks(look, "rita", live), said)

    def vouched(w: World) -> str | None:
        case = glass(w, state="in_review", vouched_person=w.user("rita").person)
        return rights.why_not_review(w.user("rita"), case, now=NOW)

    yield Row(name, vouched, "You vouched for it: somebody else looks back at it.")
