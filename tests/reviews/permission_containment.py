"""The rows of the table of permissions: of containment in incidents, and of playbooks."""

from collections.abc import Callable, Iterator
from typing import Any

from identities.permissions import AUDITOR, INACTIVE, LEFT
from reviews import permissions
from reviews.incidents import containment_rights as p
from reviews.models import Case, ContainmentStep, Playbook, Room, RoomRole

from .conftest import NOW, person_of
from .permission_world import Row, World

IN = "containment_rights"
OWNS = "Only the incident lead, a responder or who answers for svc-report may stop it here."
NO_LEAD = "Nobody leads this incident: name a lead, who may revoke, or ask both seats."
OWN = (
    "Rita leads it by their own word: have another person name the lead, who may then revoke, or ask"
    " both seats."
)
ALONE = "Only the incident lead revokes alone: it cannot be taken back. Ask both seats."
SUSPENDS = "Only the incident lead or a responder suspends alone: hold it, or ask both seats."
WRITES = "Only a responder, a reviewer or an administrator writes playbooks."
SUBJECT = "You are the subject of this incident: somebody else acts in it."


def incident(w: World, lead: str = "", own: bool = False, **fields: Any) -> Case:
    """CS-77 of the story's identity, led by nobody or by one of its people."""
    said: dict[str, Any] = {"door": "incident", "state": "open"} | fields
    row = Case.objects.create(
        title="x",
        identity=w.story.identity,
        opened_at=NOW,
        opened_by="x",
        deadline_at=NOW,
        **said,
    )
    Case.objects.filter(pk=row.pk).update(number=77)
    if lead:
        room = Room.objects.create(case=row, detected_at=NOW)
        user = w.user(lead)
        RoomRole.objects.create(
            room=room,
            role="lead",
            person=person_of(user),
            since=NOW,
            by=user.ref if own else "x",
        )
    return Case.objects.get(pk=row.pk)


def step(case: Case, does: str = "hold", state: str = "asked") -> ContainmentStep:
    more = {"undone_at": NOW, "undone_reason": "x"} if state == "undone" else {}
    row = ContainmentStep.objects.create(
        case=case, does=does, title="x", state=state, reason="x", made_at=NOW, by="x",
        signed_as="x", begun_at=NOW, **more,
    )  # fmt: skip
    ContainmentStep.objects.filter(pk=row.pk).update(number=7)
    return ContainmentStep.objects.get(pk=row.pk)


def playbook(w: World, state: str = "proposed") -> Playbook:
    more = {} if state == "proposed" else {"settled_person": person_of(w.user("root"))}
    return Playbook.objects.create(
        slug="leaked-key", version=1, document={}, state=state, reason="x", proposed_at=NOW,
        proposed_by="x", proposed_person=person_of(w.user("rita")), **more,
    )  # fmt: skip


def contains(name: str, does: str, lead: str = "", **fields: Any) -> Callable[[World], Any]:
    def asked(w: World) -> Any:
        case = incident(w, lead, **fields)
        return p.why_not_contain(w.user(name), case, does, case.identity, now=NOW)

    return asked


def of_containment() -> Iterator[Row]:
    act = f"{IN}.why_not_contain"
    for name, does, said in (
        ("rex", "hold", None),
        ("ines", "hold", None),
        ("ines", "narrow", None),
        ("rita", "hold", OWNS),
        ("rex", "suspend", None),
        ("ines", "suspend", SUSPENDS),
        ("rex", "revoke", NO_LEAD),
        ("otto", "hold", AUDITOR),
        ("off", "hold", INACTIVE),
        ("nobody", "hold", "This login is nobody's: signing needs a person behind it."),
    ):
        yield Row(act, contains(name, does), said)
    for does in ("revoke", "suspend", "sessions"):
        yield Row(act, contains("rita", does, "rita"), None)
        said = None if does == "suspend" else OWN
        yield Row(act, contains("rita", does, "rita", own=True), said)
    yield Row(act, contains("rex", "sessions", "rita"), ALONE)
    over = "CS-77 is closed: nothing is stopped in it."
    yield Row(act, contains("rex", "hold", state="closed"), over)
    other = "CS-77 is no incident: what it is about is decided by its seats."
    yield Row(act, contains("rex", "hold", door="access_review", state="closed"), other)
    yield Row(act, contains("rex", "hold", sealed=True), permissions.ABSENT)
    yield Row(act, left, LEFT)
    yield Row(act, himself, SUBJECT)
    yield from _acts()
    yield from _playbooks()


def left(w: World) -> Any:
    case = incident(w)
    return p.why_not_contain(w.left("rex"), case, "hold", case.identity, now=NOW)


def himself(w: World) -> Any:
    """Of an identity that is the responder."""
    w.identity(kind="human", name="rex@example.org")
    case = incident(w)
    return p.why_not_contain(w.user("rex"), case, "hold", case.identity, now=NOW)


def _acts() -> Iterator[Row]:
    seats, undo = f"{IN}.why_not_ask_seats", f"{IN}.why_not_undo"
    for name, state, said in (
        ("rex", "open", None),
        ("rita", "open", OWNS),
        ("rex", "decided", "CS-77 is decided: its seats are asked nothing more."),
    ):
        yield Row(
            seats,
            lambda w, name=name, state=state: p.why_not_ask_seats(  # type: ignore[misc]  # a default binds it
                w.user(name), incident(w, state=state), now=NOW
            ),
            said,
        )
    for name, does, state, said in (
        ("ines", "hold", "asked", None),
        ("rita", "hold", "asked", OWNS),
        ("rex", "revoke", "asked", "What is revoked does not come back: a new one is issued."),
        ("rex", "suspend", "asked",
         "Resuming takes both seats: ask to resume it on the identity's page."),
        ("rex", "hold", "undone", "STEP-7 stops nothing now."),
    ):  # fmt: skip
        yield Row(undo, _undoes(name, does, state), said)
    for name, all_of, said in (
        ("rex", frozenset({"hold", "suspend"}), None),
        ("ines", frozenset({"hold", "suspend"}), SUSPENDS),
        ("rex", frozenset({"hold", "revoke"}), NO_LEAD),
    ):
        yield Row(
            f"{IN}.why_not_run",
            lambda w, name=name, all_of=all_of: p.why_not_run(  # type: ignore[misc]  # a default binds it
                w.user(name), incident(w), all_of, now=NOW
            ),
            said,
        )
    for name, said in (("ines", None), ("rita", OWNS)):
        yield Row(
            f"{IN}.why_not_stop_run",
            lambda w, name=name: p.why_not_stop_run(w.user(name), incident(w), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )


def _undoes(name: str, does: str, state: str) -> Callable[[World], Any]:
    def asked(w: World) -> Any:
        case = incident(w)
        return p.why_not_undo(w.user(name), case, step(case, does, state), now=NOW)

    return asked


def _playbooks() -> Iterator[Row]:
    barred = (("gus", WRITES), ("otto", AUDITOR), ("off", INACTIVE))
    for name, said in (("rita", None), ("rex", None), ("root", None), *barred):
        yield Row(
            f"{IN}.why_not_propose_playbook",
            lambda w, name=name: p.why_not_propose_playbook(w.user(name), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )

    def asks(act: str, name: str, state: str) -> Callable[[World], Any]:
        return lambda w: getattr(p, act)(w.user(name), playbook(w, state), now=NOW)

    sign, refuse, end = (f"why_not_{one}_playbook" for one in ("sign", "refuse", "end"))
    for act in (sign, refuse):
        for name, said in (("root", None), *barred):
            yield Row(f"{IN}.{act}", asks(act, name, "proposed"), said)
        already = "leaked-key, version 1 is in force already."
        yield Row(f"{IN}.{act}", asks(act, "root", "in_force"), already)
    yield Row(
        f"{IN}.{sign}", asks(sign, "rita", "proposed"), "You proposed it: a second person signs."
    )
    for name, said in (("rita", None), *barred):
        yield Row(f"{IN}.{end}", asks(end, name, "in_force"), said)
    yield Row(
        f"{IN}.{end}", asks(end, "rita", "proposed"), "leaked-key, version 1 is not in force."
    )
