"""The rows of the table of permissions: of answers, those who give and who see them: seats that
change hands, second looks, comments, what is held and restored, feeds, blind stages, plants."""

from collections.abc import Iterator
from typing import Any

from evidence.models import Capsule
from identities.models import Party, Person, User
from identities.permissions import AUDITOR, INACTIVE, NOBODY
from reviews import commenting, independence, planted_permissions, sight
from reviews.actions import feeds, quarantining
from reviews.models import (
    Burst,
    Campaign,
    CaseMember,
    PlantedAnswer,
    PlantedItem,
    Planting,
    Provisional,
    Quarantine,
    ReviewPolicy,
)
from reviews.planted import PLANTS

from . import stages
from .conftest import DAY, HOUR, NOW, party, person_of
from .permission_world import Row, World

BLIND = "You are asked in Again, which does not see earlier answers: answer first."
REQUESTER = "You asked for this: the requester never signs."


def of_answers() -> Iterator[Row]:
    yield from of_hands()
    yield from of_second_looks()
    yield from of_comments()
    yield from of_restoring()
    yield from of_feeds()
    yield from of_sight()
    yield from of_plants()


def of_hands() -> Iterator[Row]:
    p, key = independence, "independence.why_not_hand_over"

    def hand(name: str, **fields: Any) -> Any:
        return lambda w: p.why_not_hand_over(w.user(name), w.case(**fields), w.seat(), now=NOW)

    yield Row(key, hand("ines"), None)
    yield Row(key, hand("rita"), "The seat of the identity owner belongs to Ines.")
    yield Row(
        key,
        hand("ines", state="carrying_out"),
        "{key} is carrying out: no seat changes hands in it now.",
    )
    key = "independence.why_not_take"

    def take(w: World, who: Party, **fields: Any) -> str | None:
        return p.why_not_take(who, w.case(), w.seat(**fields), by=w.user("ines"), now=NOW)

    def to(w: World, name: str) -> Party:
        return party(w.user(name))

    def team(*users: User) -> Party:
        return stages.team("Core", *users)

    def sealed(w: World) -> str | None:
        w.case(sealed=True)
        return take(w, to(w, "gus"))

    def member(w: World) -> str | None:
        case = w.case(sealed=True)
        CaseMember.objects.create(case=case, person=person_of(w.user("gus")), since=NOW)
        return take(w, to(w, "gus"))

    def gave_up(w: World) -> str | None:
        return take(w, team(w.user("gus")), given_up=[w.user("gus").person_id])

    def nobody(w: World) -> str | None:
        return take(w, Party.objects.create(person=Person.objects.create(name="Bot")))

    def gone(w: World) -> str | None:
        return take(w, party(w.left("gus")))

    asked = "Samuel is asked as AI-system owner in this case: one person never signs two seats."
    of: list[tuple[Any, str | None]] = [
        (lambda w: take(w, to(w, "gus")), None),
        (lambda w: take(w, team(w.user("gus"))), None),
        (member, None),
        (lambda w: take(w, to(w, "ines")), "The seat is Ines's already."),
        (lambda w: take(w, team()), "Core has no members: nobody could sign."),
        (
            lambda w: take(w, to(w, "ines"), party=to(w, "gus")),
            "That is you: a seat is handed to somebody else.",
        ),
        (gone, "Gus has left."),
        (nobody, "Bot has no login that signs."),
        (gave_up, "Nobody in Core may sit here. Gus handed this seat over."),
        (sealed, "{key} is sealed: only its members sit in it."),
        (lambda w: take(w, to(w, "samuel")), asked),
        (lambda w: take(w, team(w.user("samuel"))), f"Nobody in Core may sit here. {asked}"),
    ]
    for ask, said in of:
        yield Row(key, ask, said)
    key = "independence.why_not_see_teams"
    for name, said in (
        ("rita", None),
        ("otto", None),
        ("off", INACTIVE),
        ("gus", "Figures of teams are for reviewers, administrators and auditors."),
    ):
        yield Row(key, lambda w, name=name: p.why_not_see_teams(w.user(name)), said)  # type: ignore[misc]  # a default binds it


def of_second_looks() -> Iterator[Row]:
    def look(name: str, *, of: str = "ines", **fields: Any) -> Any:
        def ask(w: World) -> str | None:
            marks = [Provisional(burst=Burst(person=w.user(of).person))] if of else []
            said = {key: one(w) if callable(one) else one for key, one in fields.items()}
            case = w.case(**said)
            return independence.why_not_look_again(w.user(name), case, marks, now=NOW)

        return ask

    def himself(w: World) -> str | None:
        w.identity(kind="human", name="rita")
        found: str | None = look("rita")(w)
        return found

    for ask, said in (
        (look("rita"), None),
        (look("samuel"), None),
        (look("off"), INACTIVE),
        (look("otto"), AUDITOR),
        (look("nobody"), NOBODY),
        (look("rita", of=""), "{key} is not provisional: there is nothing to look at again."),
        (look("rita", state="cancelled"), "{key} is cancelled: nothing comes of it."),
        (look("ines"), "These are your own answers: somebody else looks at them again."),
        (look("rita", requester=lambda w: w.user("rita").person), REQUESTER),
        (himself, "You are the subject of this case: the subject never signs."),
        (look("gus"), "Only a reviewer or who sits in this case may look at its answers again."),
    ):
        yield Row("independence.why_not_look_again", ask, said)


def of_comments() -> Iterator[Row]:
    def comment(name: str, **fields: Any) -> Any:
        return lambda w: commenting.why_not_comment(w.user(name), w.case(**fields), now=NOW)

    def left(w: World) -> str | None:
        return commenting.why_not_comment(w.left("rita"), w.case(), now=NOW)

    for ask, said in (
        (comment("rita"), None),
        (comment("ines"), None),
        (comment("off"), INACTIVE),
        (comment("gus"), "There is no such case."),
        (comment("otto"), AUDITOR),
        (comment("nobody"), "This login is nobody's: a comment needs a person behind it."),
        (left, "You have left: this login writes nothing."),
        (comment("rita", state="closed"), "{key} is closed: nothing is added to it."),
    ):
        yield Row("commenting.why_not_comment", ask, said)


def of_restoring() -> Iterator[Row]:
    def restore(name: str, **fields: Any) -> Any:
        row = Quarantine(**({"state": "held", "until": NOW + DAY} | fields))
        return lambda w: quarantining.why_not_restore(w.user(name), w.case(), row, now=NOW)

    def none(w: World) -> str | None:
        return quarantining.why_not_restore(w.user("ines"), w.case(), None, now=NOW)

    held = "It is not held any more."
    for ask, said in (
        (restore("ines"), None),
        (restore("samuel"), None),
        (restore("rex"), None),
        (restore("off"), INACTIVE),
        (restore("otto"), AUDITOR),
        (restore("nobody"), NOBODY),
        (restore("ines", state="restored"), held),
        (none, held),
        (
            restore("ines", until=NOW),
            "Its time was over on 2026-11-24 12:00 UTC: it is being cut for good.",
        ),
        (restore("rita"), "Only who sits in this case or a responder may restore it."),
    ):
        yield Row("quarantining.why_not_restore", ask, said)

    def touch(name: str) -> Any:
        return lambda w: quarantining.why_not_touch(w.user(name), w.case(), now=NOW)

    for name, said in (
        ("samuel", None),
        ("rex", None),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        ("nobody", NOBODY),
        ("rita", "Only who sits in this case or a responder may restore it."),
    ):
        yield Row("quarantining.why_not_touch", touch(name), said)


def of_feeds() -> Iterator[Row]:
    for name, said in (("ines", None), ("off", INACTIVE), ("otto", AUDITOR), ("nobody", NOBODY)):
        yield Row("feeds.why_not_feed", lambda w, name=name: feeds.why_not_feed(w.user(name)), said)  # type: ignore[misc]  # a default binds it


def of_sight() -> Iterator[Row]:
    """Marek is asked in the second stage, Ines has answered in the first."""

    def blind(w: World) -> None:
        policy = w.case().policy
        assert policy is not None
        policy.document["stages"][1]["sight"] = "blind"
        ReviewPolicy.objects.filter(pk=policy.pk).update(document=policy.document)
        w.sign()

    def capsule(w: World, name: str) -> str | None:
        blind(w)
        row = Capsule.objects.get(subject=w.case().key)
        return sight.why_not_see_capsule(w.user(name), w.case(), row, now=NOW)

    def look(w: World, name: str) -> str | None:
        blind(w)
        return sight.why_not_look_again(w.user(name), w.case(), now=NOW)

    for name, said in (("rita", None), ("ines", None), ("marek", BLIND)):
        yield Row("sight.why_not_see_capsule", lambda w, name=name: capsule(w, name), said)  # type: ignore[misc]  # a default binds it
        yield Row("sight.why_not_look_again", lambda w, name=name: look(w, name), said)  # type: ignore[misc]  # a default binds it


def of_plants() -> Iterator[Row]:
    p = planted_permissions

    def plant(w: World, **fields: Any) -> PlantedItem:
        campaign = Campaign.objects.create(
            name="Yearly", policy=w.policy, reason="x", made_at=NOW, made_by="x"
        )
        return PlantedItem.objects.create(
            planting=Planting.objects.create(campaign=campaign, share=5),
            case=w.case(),
            copied_from=w.item(),
            plant=min(PLANTS),
            before=0,
            kind="credential",
            title="x",
            known="revoke",
            **fields,
        )

    def answered(w: World, row: PlantedItem, kind: str, **fields: Any) -> PlantedItem:
        ines = w.user("ines")
        said = {"at": NOW, "not_before": NOW + HOUR, "by": ines, "person": person_of(ines)}
        said |= {"answer": "revoke", "reason": "x"} | fields
        PlantedAnswer.objects.create(item=row, seat=w.seat(kind), **said)
        return row

    def answer(name: str, *, kind: str = "identity_owner", other: str = "", **fields: Any) -> Any:
        def ask(w: World) -> str | None:
            row = plant(w, **{key: one for key, one in fields.items() if key == "disclosed_at"})
            if other:
                answered(w, row, other)
            case = w.case(**{key: one for key, one in fields.items() if key == "state"})
            return p.why_not_answer(w.user(name), case, w.seat(kind), row, now=NOW)

        return ask

    for ask, said in (
        (answer("ines"), None),
        (answer("ines", other="identity_owner"), None),
        (answer("gus"), "The seat of the identity owner belongs to Ines."),
        (answer("leila", kind="tie_breaker"), "The tie-breaker answers conflicts only."),
        (
            answer("ines", disclosed_at=NOW),
            "This item was planted and is disclosed: its answer is known.",
        ),
        (
            answer("ines", state="carrying_out"),
            "{key} is carrying out: nothing can be answered in it now.",
        ),
        (
            answer("ines", other="ai_owner"),
            "You sign as AI-system owner in this case: one person never signs two seats.",
        ),
    ):
        yield Row("planted_permissions.why_not_answer", ask, said)

    def differed(w: World) -> str | None:
        row = plant(w)
        for kind, name, said in (
            ("identity_owner", "ines", "keep"),
            ("ai_owner", "samuel", "narrow"),
        ):
            user = w.user(name)
            answered(w, row, kind, answer=said, by=user, person=person_of(user))
        case = w.case()
        return p.why_not_answer(w.user("ines"), case, w.seat(), row, now=case.silent_at)

    yield Row(
        "planted_permissions.why_not_answer",
        differed,
        "The seats differed when their time was over: the tie-breaker decides now.",
    )

    def undo(w: World, *, gone: bool = False, **fields: Any) -> str | None:
        row = answered(w, plant(w), "identity_owner", **({"not_before": NOW} if gone else {}))
        return p.why_not_undo(w.user("ines"), w.case(**fields), row, now=NOW)

    key = "planted_permissions.why_not_undo"
    yield Row(key, undo, None)
    yield Row(
        key,
        lambda w: p.why_not_undo(w.user("ines"), w.case(), plant(w), now=NOW),
        "You have no answer on this item to take back.",
    )
    yield Row(
        key,
        lambda w: undo(w, gone=True),
        "Its 8 seconds to be taken back are over: answer again while the case is open.",
    )
    yield Row(key, lambda w: undo(w, state="closed"), "{key} is closed: it has gone out.")
