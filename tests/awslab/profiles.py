"""A person's own AWS SDK with a profile for one grant: the lines that its page shows."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from pytest_django.live_server_helper import LiveServer

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "countersign_credentials.py"


@pytest.fixture
def sdk(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Any]]:
    """A client of S3 by (key of the grant, endpoint), each with a session of its own. `token`: of a
    script; without one somebody signs in."""
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    asked: set[str] = set()
    # A socket's path is short.
    with tempfile.TemporaryDirectory(prefix="cs-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)

        def made(key: str, endpoint: str, token: str = "") -> Any:
            monkeypatch.delenv("COUNTERSIGN_TOKEN_FILE", raising=False)
            if token:
                (tmp_path / "token").write_text(token)
                monkeypatch.setenv("COUNTERSIGN_TOKEN_FILE", str(tmp_path / "token"))
            asked.add(key)
            process = f"{sys.executable} {SCRIPT} {key} --url {live_server.url}"
            (tmp_path / "config").write_text(f"[profile {key}]\ncredential_process = {process}\n")
            session = boto3.Session(profile_name=key, region_name="us-east-1")
            return session.client("s3", endpoint_url=endpoint)

        yield made
        for key in asked:
            out = [sys.executable, str(SCRIPT), key, "--url", live_server.url, "--sign-out"]
            subprocess.run(out, check=True, capture_output=True, timeout=30)


def lists(client: Any) -> str:
    """Whether it may list the bucket `invoices`, else why not."""
    try:
        client.list_objects_v2(Bucket="invoices")
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "listed"


class Listing(Thread):
    """`lists`, while somebody signs in for it elsewhere: `said` is its answer, or what it raised."""

    def __init__(self, client: Callable[[], Any]) -> None:
        super().__init__()
        # Making a client asks for its credentials already.
        self.client, self.said = client, ""
        self.start()

    def run(self) -> None:
        try:
            self.said = lists(self.client())
        except Exception as problem:  # noqa: BLE001 -- whatever it is, the test reads it
            self.said = str(problem)

    def answer(self) -> str:
        self.join(timeout=60)
        return self.said
