"""The rows of the table of permissions: of links that the owner of another identity signs."""

from collections.abc import Iterator
from typing import Any

from identities import permissions as identity_permissions
from identities.models import LinkProposal
from identities.permissions import AUDITOR, INACTIVE

from .conftest import NOW
from .permission_world import Row, World


def _link(w: World, by: str = "root", **said: Any) -> LinkProposal:
    """A link of what svc-report uses, proposed by this person."""
    other = w.identity(**said.pop("other", {}))
    person = w.user(by).person
    assert person is not None
    return LinkProposal(other=other, proposed_person=person, **said)


def _alone(w: World) -> LinkProposal:
    """A link to svc-report of what nobody else uses."""
    row = _link(w)
    row.identity = row.other
    return row


def of_links() -> Iterator[Row]:
    p = identity_permissions
    only = "Only who answers for svc-report may sign or refuse this."
    nobodys = dict.fromkeys(("owner", "sponsor", "backup", "service")) | {"state": "draft"}
    for name, ask in (("sign", p.why_not_sign_link), ("refuse", p.why_not_refuse_link)):
        for who, why in (
            ("ines", None),
            ("rita", only),
            ("gus", only),
            ("off", INACTIVE),
            ("otto", AUDITOR),
        ):
            yield Row(
                f"why_not_{name}_link",
                lambda w, ask=ask, who=who: ask(w.user(who), _link(w), now=NOW),  # type: ignore[misc]  # a default binds it
                why,
            )
        also = "Only who answers for svc-report or a reviewer may sign or refuse this."
        for who, why in (("ines", None), ("rita", None), ("gus", also), ("otto", AUDITOR)):
            yield Row(
                f"why_not_{name}_link",
                lambda w, ask=ask, who=who: ask(w.user(who), _alone(w), now=NOW),  # type: ignore[misc]  # a default binds it
                why,
            )
        for who, why in (("rita", None), ("gus", only), ("nobody", p.NOBODY)):
            yield Row(
                f"why_not_{name}_link",
                lambda w, ask=ask, who=who: ask(w.user(who), _link(w, other=nobodys), now=NOW),  # type: ignore[misc]  # a default binds it
                why,
            )
        yield Row(
            f"why_not_{name}_link",
            lambda w, ask=ask: ask(w.left("ines"), _link(w), now=NOW),  # type: ignore[misc]  # a default binds it
            p.LEFT,
        )
        yield Row(
            f"why_not_{name}_link",
            lambda w, ask=ask: ask(w.user("ines"), _link(w, state="in_force"), now=NOW),  # type: ignore[misc]  # a default binds it
            "It is in force already.",
        )
    mine = "You proposed it: a second person signs."
    yield Row(
        "why_not_sign_link",
        lambda w: p.why_not_sign_link(w.user("ines"), _link(w, "ines"), now=NOW),
        mine,
    )
    yield Row(
        "why_not_refuse_link",
        lambda w: p.why_not_refuse_link(w.user("gus"), _link(w, "gus"), now=NOW),
        None,
    )
