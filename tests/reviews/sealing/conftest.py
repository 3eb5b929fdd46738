"""A sealed incident of the story's identity: its people, and what they say that nobody else reads."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from identities.models import User
from reviews.incidents import opening
from reviews.models import Case
from reviews.sealing import enclosing
from reviews.sealing.enclosing import Named
from tests import once
from tests.reviews.conftest import NOW, Told, make_user, person_of

LATER = NOW + timedelta(minutes=5)
SECRET = "Quokka"


@dataclass
class People:
    """Who knows of it, and who does not."""

    rex: User  # a responder, who seals
    dora: User  # a responder, the other member
    rita: User  # a reviewer who is a member
    root: User  # an administrator
    case: Case


def incident(story: Told, by: User, **more: Any) -> Case:
    """An open incident, not sealed."""
    case, _ = opening.open_or_join(
        identity=story.identity,
        title=f"{SECRET} title",
        reason=f"{SECRET} reason",
        by=by,
        now=NOW,
        **more,
    )
    return case


def seal(case: Case, by: User, *members: User, **more: Any) -> Case:
    """Sealed to these and whoever seals it."""
    said: dict[str, Any] = {"reason": f"{SECRET} why", "now": NOW} | more
    named = Named(
        [person_of(one) for one in members],
        [person_of(one) for one in said.pop("subjects", ())],
        {name: person_of(one) for name, one in said.pop("instead", {}).items()},
    )
    enclosing.seal(case=case, named=named, by=by, **said)
    return Case.objects.get(pk=case.pk)


@pytest.fixture
@once.told
def people(story: Told) -> People:
    """An incident that Rex opened and has sealed to himself, Dora and Rita; Ines is its subject."""
    rex, dora = make_user("rex", "responder"), make_user("dora", "responder")
    root = make_user("root", "administrator")
    case = seal(
        incident(story, rex),
        rex,
        dora,
        story.rita,
        subjects=[story.ines],
        instead={"identity_owner": story.rita},
    )
    return People(rex, dora, story.rita, root, case)
