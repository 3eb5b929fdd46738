"""The rows of the table of permissions: of sealed credentials and who looks back at their use."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from evidence.keys import key_of
from evidence.models import Actor
from identities.models import User
from identities.permissions import AUDITOR, INACTIVE, LEFT, NOBODY
from reviews.models import Case, SealedCredential, SealedDrill, SealedUse
from reviews.sealed import rights

from .conftest import DAY, NOW, person_of
from .permission_world import Row, World

BARRED = (("off", INACTIVE), ("otto", AUDITOR), ("nobody", NOBODY))


def sealed(w: World, state: str = "proposed") -> SealedCredential:
    """Proposed by Rita; what is more has been signed by an administrator."""
    more: dict[str, Any] = {}
    if state != "proposed":
        more = {
            "settled_person": person_of(w.user("root")),
            "settled_by_name": "Root",
            "settled_at": NOW,
        }
    actor = Actor.objects.create(
        key=key_of("aws", "access_key", "x"),
        realm="aws",
        kind="access_key",
        value="x",
        created_at=NOW,
    )
    return SealedCredential.objects.create(
        slug="aws-key",
        version=1,
        words="x",
        actor=actor,
        kept="x",
        openers="x",
        state=state,
        reason="x",
        proposed_at=NOW,
        proposed_by="x",
        proposed_person=person_of(w.user("rita")),
        **more,
    )


def use(w: World, *, explained: str = "", drill: str = "", reviewed: bool = False) -> SealedUse:
    """A use that nobody has looked at, unless said."""
    more: dict[str, Any] = {}
    if explained:
        more |= {"explained_at": NOW, "explained_person": w.user(explained).person}
    if drill:
        more["drill"] = SealedDrill.objects.create(
            slug="aws-key",
            starts_at=NOW,
            ends_at=NOW + DAY,
            reason="x",
            announced_at=NOW,
            announced_by="x",
            person=person_of(w.user(drill)),
        )
    if reviewed:
        root = person_of(w.user("root"))
        more |= {"review": "drill", "reviewed_at": NOW, "reviewed_person": root}
    case = Case.objects.create(
        door="break_glass",
        state="in_review",
        title="x",
        opened_at=NOW,
        opened_by="x",
        deadline_at=NOW,
    )
    return SealedUse.objects.create(
        case=case,
        credential=sealed(w, "in_force"),
        slug="aws-key",
        first_at=NOW,
        last_at=NOW,
        calls=1,
        review_due_at=NOW + DAY,
        **more,
    )


def used_out_of_band() -> Case:
    """A use beside a story of which there is no world: its users are there already."""
    plain: Any = SimpleNamespace(user=lambda name: User.objects.get(username=name))
    return use(plain).case


def of_sealed() -> Iterator[Row]:
    for act in ("why_not_propose_sealed", "why_not_announce"):
        who = rights.WHO if act == "why_not_propose_sealed" else rights.WHO_LOOKS
        for name, said in (("rita", None), ("root", None), ("gus", who), *BARRED):
            yield Row(f"rights.{act}", _asks(act, name), said)
    yield Row("rights.why_not_announce", _asks("why_not_announce", "rex"), None)
    for act in ("why_not_sign_sealed", "why_not_refuse_sealed"):
        for name, said in (("root", None), ("gus", rights.WHO), *BARRED):
            yield Row(f"rights.{act}", _of_row(act, name, "proposed"), said)
        said = "aws-key, version 1 is in force already, by Root."
        yield Row(f"rights.{act}", _of_row(act, "root", "in_force"), said)
    said = "You proposed it: a second person signs."
    yield Row(
        "rights.why_not_sign_sealed", _of_row("why_not_sign_sealed", "rita", "proposed"), said
    )

    act = "why_not_explain_use"
    for name, said in (("gus", None), ("rex", None), *BARRED):
        yield Row(f"rights.{act}", _of_use(act, name), said)

    def left(w: World) -> str | None:
        one = use(w)
        return rights.why_not_explain_use(w.left("gus"), one, now=NOW)

    yield Row(f"rights.{act}", left, LEFT)
    looked = "It has been looked at already."
    yield Row(f"rights.{act}", _of_use(act, "gus", reviewed=True), looked)
    said = "Who used it is said already."
    yield Row(f"rights.{act}", _of_use(act, "gus", explained="rex"), said)

    act = "why_not_look_at_use"
    for name, said in (("rita", None), ("rex", None), ("gus", rights.WHO_LOOKS), *BARRED):
        yield Row(f"rights.{act}", _of_use(act, name), said)
    yield Row(f"rights.{act}", _of_use(act, "rita", reviewed=True), looked)
    said = "You say who used it: somebody else looks back at it."
    yield Row(f"rights.{act}", _of_use(act, "rex", explained="rex"), said)
    said = "You announced the drill: somebody else looks back at it."
    yield Row(f"rights.{act}", _of_use(act, "rex", drill="rex"), said)


def _asks(act: str, name: str) -> Callable[[World], Any]:
    return lambda w: getattr(rights, act)(w.user(name), now=NOW)


def _of_row(act: str, name: str, state: str) -> Callable[[World], Any]:
    return lambda w: getattr(rights, act)(w.user(name), sealed(w, state), now=NOW)


def _of_use(act: str, name: str, **said: Any) -> Callable[[World], Any]:
    return lambda w: getattr(rights, act)(w.user(name), use(w, **said), now=NOW)
