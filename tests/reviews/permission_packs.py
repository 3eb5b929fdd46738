"""The rows of the table of permissions: of packs, and of events that somebody freezes."""

from collections.abc import Callable, Iterator
from typing import Any

from evidence.models import Pack
from identities.permissions import INACTIVE
from reviews import selections
from reviews.packs import handing, subjects

from .conftest import NOW
from .permission_world import Row, World

TAKE, FETCH = "subjects.why_not_take", "handing.why_not_fetch"
HAND, FREEZE = "handing.why_not_hand_over", "selections.why_not_freeze"


def of_packs() -> Iterator[Row]:
    def take(who: str, **fields: Any) -> Callable[[World], str | None]:
        return lambda w: subjects.why_not_take(w.user(who), subjects.of(w.case(**fields)), now=NOW)

    def fetch(who: str, **fields: Any) -> Callable[[World], str | None]:
        return lambda w: handing.why_not_fetch(w.user(who), _pack(w, **fields), now=NOW)

    def hand(who: str, **fields: Any) -> Callable[[World], str | None]:
        return lambda w: handing.why_not_hand_over(w.user(who), _pack(w, **fields))

    for who in ("rita", "otto", "rex", "root"):
        yield Row(TAKE, take(who), None)
    for who in ("gus", "ines"):
        yield Row(TAKE, take(who), subjects.NOT_YOURS)
    yield Row(TAKE, take("rita", sealed=True), subjects.NOT_YOURS)
    yield Row(FETCH, fetch("rita"), None)
    yield Row(FETCH, fetch("otto"), "Rita took it out: ask for one that shows what you may see.")
    yield Row(FETCH, fetch("rita", subject="CS-999999"), handing.NOT_THERE)
    yield Row(FETCH, fetch("rita", kept_until=None), "It was given out at once.")
    yield Row(FETCH, fetch("rita", state="gone"), "PACK-77 has no file.")
    yield Row(HAND, hand("rita"), None)
    yield Row(HAND, hand("rita", state="gone"), None)
    yield Row(HAND, hand("otto"), "Rita took it out, and says to whom it was given.")
    yield Row(HAND, hand("rita", state="failed"), "PACK-77 is not made.")
    yield Row(FREEZE, lambda w: selections.why_not_freeze(w.user("gus")), None)
    yield Row(FREEZE, lambda w: selections.why_not_freeze(w.user("off")), INACTIVE)


def _pack(w: World, **fields: Any) -> Pack:
    said: dict[str, Any] = {
        "number": 77, "subject": w.case().key, "by": w.user("rita").ref, "by_name": "Rita",
        "asked_at": NOW, "not_before": NOW, "state": "ready", "made_at": NOW, "size": 1,
        "digest": b"x", "manifest_digest": b"x", "kept_until": NOW,
    }  # fmt: skip
    return Pack.objects.create(**said | fields)
