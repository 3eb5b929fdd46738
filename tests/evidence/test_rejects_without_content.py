"""What is stored of bodies that could not be read, through the real door: no sentence of anybody's."""

import pytest

from evidence import intake
from evidence.models import Deposit, Reject, Source
from evidence.stores import bodies
from tests.evidence.conftest import NOW
from tests.evidence.formats.test_unread_content import BODIES

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("keeps", [False, True])
def test_no_sentence_is_stored_unless_the_source_keeps_content(name: str, keeps: bool) -> None:
    format_name, body = BODIES[name]
    source = Source.objects.create(
        name="agents", created_at=NOW, created_by="test", keep_content=keeps
    )
    taken = intake.take(source=source, body=body, by="test", now=NOW, format=format_name)
    deposit = Deposit.objects.get(pk=taken.deposit)
    stored = bodies.unpack(deposit)
    said = [stored, repr(list(Reject.objects.values())).encode(), repr(deposit.redactions).encode()]
    assert taken.rejects >= 1
    if not keeps:
        assert [one for one in said if b"Ann Smith" in one] == []
    elif format_name != "otlp":
        # Of OTLP, pieces that are no spans are never kept.
        assert b"Ann Smith" in stored
