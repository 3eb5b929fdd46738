"""Places that keep the ledger's head, set up for a test with a key of their own.

Owns what the tests of anchors share; knows nothing of what a place answers.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from joserfc.jwk import OKPKey

from evidence import anchoring
from evidence.models import AnchorCopy
from evidence.stores import anchors
from tests.conftest import Cleaner
from tests.evidence.chained import NOW

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
type Names = Callable[..., anchors.configured.SetUp]


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not below our own."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture
def names(outside: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """Places set up, with a key of their own."""
    settings.ALLOW_PRIVATE = True
    key = outside / "seal.pem"
    key.write_bytes(OKPKey.generate_key("Ed25519").as_pem(private=True))
    monkeypatch.setenv("ANCHOR_SECRET", SECRET)

    def write_it(*places: dict[str, Any], **more: Any) -> anchors.configured.SetUp:
        file = outside / "anchors.yaml"
        said = {"every_minutes": 60, "key": f"file:{key}", "places": list(places)} | more
        file.write_text(yaml.safe_dump(said))
        settings.ANCHORS = str(file)
        found = anchors.configured.read()
        assert found is not None
        return found

    anchors.signed_heads.file().unlink(missing_ok=True)
    yield write_it
    anchors.signed_heads.file().unlink(missing_ok=True)
    assert Cleaner.current is not None
    owner = Cleaner.current.owner
    for table in ("evidence_anchorcopy", "evidence_anchor", "evidence_sealkey"):
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        owner.execute(f"DELETE FROM {table}".encode())
        owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())


def mailbox(name: str = "auditor") -> dict[str, Any]:
    return {"name": name, "kind": "mail", "to": f"{name}@example.org"}


def all_kept(set_up: anchors.configured.SetUp, now: datetime = NOW) -> list[tuple[str, str]]:
    while anchoring.keep_next(set_up, clock=lambda: now):
        pass
    return list(AnchorCopy.objects.order_by("place").values_list("place", "state"))
