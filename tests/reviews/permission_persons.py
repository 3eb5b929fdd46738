"""The rows of the table of permissions: what somebody may not do to a review, a seat or a person
because it would take the other signature away."""

from collections.abc import Iterator
from typing import Any

from identities.models import Person
from identities.permissions import AUDITOR, INACTIVE
from reviews import independence, owner_permissions, permissions
from reviews.permissions import SIGNING

from .conftest import NOW, party, person_of
from .permission_world import Row, World, cancels, differed, reviews


def of_persons() -> Iterator[Row]:
    yield from of_cancelling()
    yield from of_seats()
    yield from of_leaving()


def of_cancelling() -> Iterator[Row]:
    key = "why_not_cancel"
    yield Row(key, cancels("rita", opened_by="rita"), None)
    yield Row(
        key,
        cancels("ines", opened_by="ines"),
        "You answer for svc-report: an administrator who does not cancels it.",
    )
    yield Row(
        key,
        himself,
        "You are the subject of this case: an administrator who is not cancels it.",
    )
    for fields in ("party", "backup", "person", "signed_before"):
        yield Row(
            key,
            lambda w, fields=fields: seated(w, fields) and cancels("rita", opened_by="rita")(w),  # type: ignore[misc]  # a default binds it
            "You sit in this case as identity owner: an administrator who does not cancels it.",
        )


def himself(w: World) -> str | None:
    w.identity(kind="human", name="rita@example.org")
    return cancels("rita", opened_by="rita")(w)


def seated(w: World, field: str) -> Any:
    rita = w.user("rita")
    of: dict[str, Any] = {"person": rita.person, "signed_before": [rita.person_id]}
    return w.seat(**{field: of.get(field, party(rita))})


def of_seats() -> Iterator[Row]:
    yield Row(
        "why_not_decide",
        differed,
        "The seats differed when their time was over: the tie-breaker decides now.",
    )
    yield Row(
        "why_not_sit",
        lambda w: permissions.why_not_sit(
            reviews(w, "samuel"), w.case(), w.seat(party=None, backup=None), now=NOW
        ),
        "You are asked as AI-system owner in this case: another reviewer signs here.",
    )
    key, twice = "independence.why_not_asked_twice", independence.why_not_asked_twice
    for name, said in (
        ("gus", None),
        (
            "samuel",
            "Samuel is asked as AI-system owner in this case: one person never signs two seats.",
        ),
    ):
        yield Row(
            key,
            lambda w, name=name: twice(  # type: ignore[misc]  # a default binds it
                person_of(w.user(name)), w.case(), w.seat(), kinds=SIGNING
            ),
            said,
        )
    yield Row(
        key, lambda w: twice(person_of(w.user("leila")), w.case(), w.seat(), kinds=SIGNING), None
    )


def of_leaving() -> Iterator[Row]:
    p = owner_permissions
    together = "You sit in CS-1 with Ines: somebody who does not says that they left or move."

    def gone(w: World, by: str, name: str) -> str | None:
        return p.why_not_say_gone(w.user(by), Person.objects.get(users__username=name), now=NOW)

    def gone_of(w: World, by: str, *names: str) -> str | None:
        people = list(Person.objects.filter(users__username__in=names))
        return p.why_not_say_gone_of(w.user(by), people, now=NOW)

    for by, name, said in (
        ("rita", "ines", None),
        ("root", "ines", None),
        ("off", "ines", INACTIVE),
        ("otto", "ines", AUDITOR),
        (
            "samuel",
            "gus",
            "Only a reviewer or an administrator may say who is here and who has left.",
        ),
        ("rita", "rita", "Nobody says of themselves that they left or moved: ask somebody else."),
    ):
        yield Row(
            "why_not_say_gone",
            lambda w, by=by, name=name: gone(w, by, name),  # type: ignore[misc]  # defaults bind them
            said,
        )
    yield Row(
        "why_not_say_gone",
        lambda w: gone(w, reviews(w, "samuel").username, "ines"),
        together.replace("CS-1", "{key}"),
    )
    for names, said in (
        ((), None),
        (("gus", "rita"), None),
        (("gus", "ines"), together.replace("CS-1", "{key}")),
    ):
        yield Row(
            "why_not_say_gone_of",
            lambda w, names=names: gone_of(w, "samuel", *names),  # type: ignore[misc]  # a default binds it
            said,
        )
    # A login that is nobody's sits nowhere.
    yield Row("why_not_say_gone_of", lambda w: gone_of(w, "nobody", "ines"), None)
