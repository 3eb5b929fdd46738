"""Who keeps the head of the demo's ledger: its auditor's mailbox, with a key made for the demo."""

import os

import yaml
from django.conf import settings
from joserfc.jwk import OKPKey

from config.demo import returning


def use() -> None:
    """This process and its children sign the ledger's head and mail it."""
    folder = returning.probe_folder()
    key, file = folder / "seal.pem", folder / "anchors.yaml"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(OKPKey.generate_key("Ed25519").as_pem(private=True))
    said = {
        "every_minutes": 5,
        "key": f"file:{key}",
        "places": [{"name": "auditor", "kind": "mail", "to": "aisha@example.com"}],
    }
    file.write_text(yaml.safe_dump(said), "utf-8")
    os.environ["COUNTERSIGN_ANCHORS"] = settings.ANCHORS = str(file)


def worth_a_look(base: str) -> list[tuple[str, str]]:
    """For the welcome."""
    return [("the ledger, and who keeps its head outside", f"{base}/ledger/")]
