"""The rows of the table of permissions: naming somebody where nobody may sit, following a service."""

from collections.abc import Callable, Iterator

from identities.actions import inheriting
from identities.models import Party
from identities.permissions import AUDITOR, INACTIVE
from reviews import independence
from reviews.models import Seat

from .conftest import NOW, party
from .permission_world import Row, World, person

KEY = "independence.why_not_name"
OTHERS = ": an administrator who does not names somebody."


def empty(w: World) -> Seat:
    """The AI-system owner's seat: Rita, who reviews alone, is asked as identity owner."""
    w.seat(party=party(w.user("rita")))
    return w.seat("ai_owner", party=None, backup=None)


def names(
    who: str, before: Callable[[World], object] = lambda _: None
) -> Callable[..., str | None]:
    def ask(w: World) -> str | None:
        seat = empty(w)
        before(w)
        return independence.why_not_name(w.user(who), w.case(), seat, now=NOW)

    return ask


def of_root(w: World) -> Party:
    return party(w.user("root"))


def also(w: World) -> str | None:
    """What is said of the one who comes into question."""
    (one,) = independence.candidates(w.case(), empty(w), now=NOW)
    return one.why_not


def of_empty_seats() -> Iterator[Row]:
    yield Row(KEY, names("root"), None)
    yield Row(KEY, names("rita"), independence.ONLY_NAMED_BY)
    yield Row(KEY, names("otto"), AUDITOR)
    yield Row(KEY, names("off"), INACTIVE)
    yield Row(
        KEY,
        names("root", lambda w: w.case(requester=person("root", w))),
        "You are the requester or the subject of this case: you choose no signer.",
    )
    yield Row(
        KEY,
        names("root", lambda w: w.identity(owner=of_root(w))),
        f"You answer for svc-report{OTHERS}",
    )
    yield Row(
        KEY,
        names("root", lambda w: w.seat("tie_breaker", party=of_root(w))),
        f"You sit here as tie-breaker{OTHERS}",
    )
    yield Row(
        KEY,
        lambda w: independence.why_not_name(
            w.user("root"), w.case(), w.seat("tie_breaker"), now=NOW
        ),
        "Nobody is asked in this seat now.",
    )
    yield Row(
        KEY,
        lambda w: independence.why_not_name(w.user("root"), w.case(), w.seat("ai_owner"), now=NOW),
        "Somebody may sign as AI-system owner: nobody has to be named.",
    )
    yield Row(KEY, also, "Rita is asked as identity owner in this case.")
    for who, said in (("root", None), ("rita", inheriting.ONLY), ("otto", AUDITOR)):
        yield Row(
            "inheriting.why_not_follow",
            lambda w, who=who: inheriting.why_not_follow(w.user(who), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
