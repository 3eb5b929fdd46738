"""Sessions of the AWS SDK: credentials of their own, models that a process reads once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader

from evidence.sources.aws_session import session


def made(name: str) -> boto3.Session:
    return session(key=f"AKIA{name}", secret=name, token=f"token-{name}", region="eu-central-1")


def key_of(one: boto3.Session) -> tuple[str, str, str | None]:
    found = one.get_credentials()
    assert found is not None
    return found.access_key, found.secret_key, found.token


def test_models_are_read_once_and_credentials_are_each_ones_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made("A").client("sqs")
    read: list[str] = []
    load = JSONFileLoader.load_file

    def counted(self: Any, path: str) -> Any:
        read.append(path)
        return load(self, path)

    monkeypatch.setattr(JSONFileLoader, "load_file", counted)
    one, two = made("B"), made("C")
    clients: list[Any] = [each.client("sqs") for each in (one, two)]
    assert read == []
    assert [key_of(each) for each in (one, two)] == [
        ("AKIAB", "B", "token-B"), ("AKIAC", "C", "token-C"),
    ]  # fmt: skip
    assert [each.meta.region_name for each in clients] == ["eu-central-1"] * 2
    # A handler of one pull hears nothing of another.
    heard: list[str] = []
    one.events.register("before-send", lambda **_: heard.append("one"))
    two.client("sts").meta.events.emit("before-send.sts.GetCallerIdentity", request=None)
    assert heard == []


def test_session_without_a_key_looks_for_credentials_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("D", "E"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"AKIA{name}")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", name)
        one = session(key=None, secret=None, region="eu-central-1")
        assert key_of(one)[:2] == (f"AKIA{name}", name)


def test_many_threads_make_their_clients_at_once() -> None:
    def client(number: int) -> tuple[str, str]:
        one = made(str(number))
        made_: Any = one.client("cloudtrail")
        return key_of(one)[0], str(made_.meta.service_model.service_name)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(client, range(24)))
    assert found == [(f"AKIA{number}", "cloudtrail") for number in range(24)]


def test_list_of_folders_does_not_grow() -> None:
    inside: Any = made("F")._session
    before = list(inside.get_component("data_loader").search_paths)
    made("G")
    assert inside.get_component("data_loader").search_paths == before
