"""What the line says of a name that nobody has claimed: a role acts by its sessions."""

from typing import Any

import pytest

from evidence.formats.record import ActorName
from evidence.models import Source
from evidence.names import memory
from reviews.pages import names
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import store
from tests.evidence.test_links_by_key import call

pytestmark = pytest.mark.django_db
ROLE = ActorName("aws:1", "arn", "arn:aws:iam::1:role/Ops")
SESSION = ActorName("aws:1", "session", "arn:aws:sts::1:assumed-role/Ops/night", ROLE)


@pytest.mark.parametrize("name", [ROLE.value, SESSION.value])
def test_events_of_a_role_are_those_of_its_sessions(name: str) -> None:
    memory.forget()
    said: dict[str, Any] = {"created_at": NOW, "created_by": "test"}
    trail = Source.objects.create(name="trail", **said)
    store(trail, [call(number, principal=SESSION) for number in (1, 2, 3)])
    found = names.resolve(name)
    assert isinstance(found, names.Unclaimed)
    told = names.unclaimed_line(found)["what_behaviour"]
    assert (told["answer"], told["events"]) == ("3 events, not judged", 3)
