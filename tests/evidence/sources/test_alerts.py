"""A source of alerts: what its connection has to say, and what its test looks at."""

import pytest

from evidence import connecting
from evidence.models import Source
from evidence.permissions import COMMAND, NotPossible
from evidence.sources import CONNECTORS
from tests.connector_secrets import Kept
from tests.evidence.sources.pulling import checks
from tests.reviews.conftest import NOW

SETTINGS = {"secret": "ALERTS_SECRET"}


@pytest.mark.django_db
def test_connection_says_its_secret_by_reference_and_from_when_on_incidents_open() -> None:
    source = Source.objects.create(name="siem", created_at=NOW, created_by="x")

    def connected(**settings: str) -> dict[str, str]:
        row = connecting.connect(
            source=source, connector="alerts", settings=settings, by=COMMAND, now=NOW
        )
        found: dict[str, str] = row.settings
        return found

    assert connected(**SETTINGS) == SETTINGS | {"opens": "high"}
    for settings, words in (
        ({}, "Signing secret: it has to be said"),
        ({"secret": "whsec_given/="}, "a secret is named, not given"),
        (SETTINGS | {"opens": "always"}, "it is one of never, unknown, low"),
    ):
        with pytest.raises(NotPossible, match=words):
            connected(**settings)
    # A source of signals opens nothing unless it says so.
    assert "opens" not in connecting.checked(
        CONNECTORS["signals"], {"issuer": "https://idp.example.com", "audience": "us"}
    )


def test_its_test_says_whether_the_secret_is_there(secret_file: Kept) -> None:
    (found,) = checks(CONNECTORS["alerts"], SETTINGS)
    assert (found.ok, "ALERTS_SECRET" in found.said) == (False, True)
    secret_file("ALERTS_SECRET", "whsec_x")
    (found,) = checks(CONNECTORS["alerts"], SETTINGS)
    assert found.ok
