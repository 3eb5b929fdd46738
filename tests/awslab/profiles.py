"""A person's own AWS SDK with a profile for one grant: the lines that its page shows."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from pytest_django.live_server_helper import LiveServer

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "countersign_credentials.py"


@pytest.fixture
def sdk(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """A client of S3 by (key of the grant, token, endpoint), each with a session of its own."""
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COUNTERSIGN_URL", live_server.url)
    monkeypatch.setenv("COUNTERSIGN_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))

    def made(key: str, token: str, endpoint: str) -> Any:
        (tmp_path / "token").write_text(token)
        (tmp_path / "config").write_text(
            f"[profile {key}]\ncredential_process = {sys.executable} {SCRIPT} {key}\n"
        )
        session = boto3.Session(profile_name=key, region_name="us-east-1")
        return session.client("s3", endpoint_url=endpoint)

    return made


def lists(client: Any) -> str:
    """Whether it may list the bucket `invoices`, else why not."""
    try:
        client.list_objects_v2(Bucket="invoices")
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "listed"
