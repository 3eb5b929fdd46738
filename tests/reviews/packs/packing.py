"""One pack that many tests look at: made once, each of them gets its files anew."""

import io
import json
import runpy
import subprocess
import sys
import time
import zipfile
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from joserfc.jwk import OKPKey

from evidence import ledger
from evidence.stores.anchors import keys
from reviews import actions, packs
from reviews.models import Case
from reviews.packs import zipping
from tests.evidence.anchored import mailbox
from tests.reviews.conftest import NOW, Told, tell_story

SCRIPT = Path(__file__).parents[3] / "scripts" / "verify_pack.py"
type Files = dict[str, bytes]
KEPT: dict[str, Any] = {}


def answered(story: Told, sign: Any) -> Case:
    """A review in which both owners have answered on the key, one of them twice."""
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    sign(case, "credential", story.ines, "dont_know")
    sign(case, "credential", story.ines, "revoke", now=NOW + timedelta(minutes=1))
    sign(case, "credential", story.samuel, "revoke", seat="ai_owner")
    return case


def sealed() -> None:
    """Every row of the ledger is sealed: transactions of others may hold it back for a while."""
    until = time.monotonic() + 60
    while ledger.waiting() and time.monotonic() < until:
        ledger.seal(now=NOW)


def taken(row: Any, by: Any, **more: Any) -> Files:
    into = io.BytesIO()
    packs.write(into, row, by=by, now=NOW, **more)
    return opened(into.getvalue())


def opened(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def zipped(files: Files, to: Path) -> Path:
    with zipfile.ZipFile(to, "w") as pack:
        for name, data in files.items():
            pack.writestr(name, data)
    return to


def checked(pack: Path, keys_: Path | None = None) -> tuple[int, dict[str, Any]]:
    """By the script alone, in a process that has nothing of ours on its path."""
    words: list[str | Path] = [sys.executable, "-I", SCRIPT, pack, "--json"]
    words += ["--keys", keys_] if keys_ else []
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else {"said": done.stderr}


def faults(files: Files, to: Path) -> list[str]:
    """What the script names, in this process."""
    if "verify" not in KEPT:
        KEPT["verify"] = runpy.run_path(str(SCRIPT))["verify"]
    found: list[str] = KEPT["verify"](str(zipped(files, to)))["faults"]
    return found


def signed_anew(files: Files) -> Files:
    """The same with a manifest that fits, signed by the key of the installation: what somebody makes
    who has that key."""
    said = json.loads(files["manifest.json"])
    others = {name: data for name, data in files.items() if not name.startswith("manifest.")}
    said["files"] = {name: sha256(data).hexdigest() for name, data in others.items()}
    manifest = rfc8785.dumps(said)
    signature = keys.over(manifest, OKPKey.import_key(KEPT["key"]), kind=zipping.TYPE)
    return {**others, "manifest.json": manifest, "manifest.jws": signature.encode()}


@pytest.fixture
def files(request: pytest.FixtureRequest) -> Files:
    """The files of a signed pack of a case with the bytes of its deposits."""
    if "files" not in KEPT:
        # Only the first test that asks needs the database, and commits: rows are sealed then alone.
        request.node.add_marker(pytest.mark.django_db(transaction=True))
        request.getfixturevalue("transactional_db")
        set_up = request.getfixturevalue("names")(mailbox())
        story = tell_story()
        case = answered(story, request.getfixturevalue("sign"))
        sealed()
        KEPT["key"] = Path(set_up.key.removeprefix("file:")).read_bytes()
        KEPT["files"] = taken(case, story.otto, with_deposits=True)
    return dict(KEPT["files"])
