"""Variables and secrets: what is read, and the sentence that a wrong one earns."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from config import environment
from config.environment import SettingsError

ROOT = Path(__file__).resolve().parent.parent.parent


def test_secret_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("in the file\n", encoding="utf-8")
    monkeypatch.setenv("COUNTERSIGN_X_FILE", str(tmp_path / "key"))
    assert environment.secret("COUNTERSIGN_X") == "in the file"


def test_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_X", "a")
    monkeypatch.setenv("COUNTERSIGN_X_FILE", "/dev/null")
    with pytest.raises(SettingsError, match="both set; unset one of them"):
        environment.secret("COUNTERSIGN_X")


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "cannot be read"), (b"", "is empty"), (b"\xff", "cannot be")]
)
def test_secret_file_that_says_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    monkeypatch.setenv("COUNTERSIGN_X_FILE", str(tmp_path / "key"))
    with pytest.raises(SettingsError, match=sentence):
        environment.secret("COUNTERSIGN_X")


@pytest.mark.parametrize("value", ["", "A" * 32, "whsec_" + "A" * 32, "whsec_" + "/" * 85 + "w=="])
def test_signing_secret_is_read(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("COUNTERSIGN_X", value)
    assert environment.signing_secret("COUNTERSIGN_X") == value


@pytest.mark.parametrize(
    "value", ["secret", "whsec_", "A" * 28, "A" * 88, "A" * 31 + "!", "é" * 32]
)
def test_signing_secret_that_signs_badly_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("COUNTERSIGN_X", value)
    with pytest.raises(SettingsError, match="COUNTERSIGN_X is not 24 to 64 random bytes in"):
        environment.signing_secret("COUNTERSIGN_X")


@pytest.mark.parametrize(
    ("value", "expected"), [("", False), ("1", True), ("YES", True), ("off", False), ("0", False)]
)
def test_switch_is_read(monkeypatch: pytest.MonkeyPatch, value: str, *, expected: bool) -> None:
    monkeypatch.setenv("COUNTERSIGN_X", value)
    assert environment.yes("COUNTERSIGN_X") is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://ann:p%40ss@db.example:6543/main?sslmode=require",
            {
                "NAME": "main",
                "USER": "ann",
                "PASSWORD": "p@ss",
                "HOST": "db.example",
                "PORT": "6543",
                "OPTIONS": {"sslmode": "require"},
            },
        ),
        (
            "postgresql://ann@/main?host=/run/pg&port=5433",
            {
                "NAME": "main",
                "USER": "ann",
                "PASSWORD": "",
                "HOST": "/run/pg",
                "PORT": "5433",
                "OPTIONS": {},
            },
        ),
    ],
)
def test_database_url_is_read(url: str, expected: dict[str, object]) -> None:
    assert environment.database("DATABASE_URL", url) == expected


def test_kept_secret_is_made_once_whoever_comes(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(environment.kept_secret(path)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [found[0]] * 8
    assert len(found[0]) >= 32
    assert [path.name for path in path.parent.iterdir()] == ["key"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"COUNTERSIGN_SECRET_KEY": "short"},
            (
                "COUNTERSIGN_SECRET_KEY (signs sessions and links) is shorter than 32 bytes; set it or"
                " COUNTERSIGN_SECRET_KEY_FILE to a random value, for example from"
                " `openssl rand -base64 48`."
            ),
        ),
        (
            {"DATABASE_URL": "postgresql://a@b/c", "REDIS_URL": "redis://a/0"},
            (
                "COUNTERSIGN_SECRET_KEY (signs sessions and links) is missing; set it or"
                " COUNTERSIGN_SECRET_KEY_FILE to a random value, for example from"
                " `openssl rand -base64 48`."
            ),
        ),
        (
            {"DATABASE_URL": "mysql://a@b/c"},
            (
                "DATABASE_URL begins with 'mysql'; use one of postgresql, postgres, for example"
                " postgresql://user:password@host:5432/countersign."
            ),
        ),
        (
            {"DATABASE_URL": "postgresql://a@b"},
            (
                "DATABASE_URL names no database; end it with one, as in"
                " postgresql://user@host/countersign."
            ),
        ),
        (
            {"DATABASE_URL": "postgresql://a@b/c?options=-crole%3Dx"},
            "DATABASE_URL carries 'options', which Countersign sets itself; remove it.",
        ),
        (
            {"REDIS_URL": "amqp://a"},
            (
                "REDIS_URL begins with 'amqp'; use one of redis, rediss, unix, for example"
                " redis://:password@host:6379/0."
            ),
        ),
        (
            {"COUNTERSIGN_BASE_URL": "https://a.example/path"},
            (
                "COUNTERSIGN_BASE_URL is 'https://a.example/path'; set it to scheme, host and port"
                " only, for example https://countersign.example.org."
            ),
        ),
        ({"COUNTERSIGN_DEBUG": "maybe"}, "COUNTERSIGN_DEBUG is 'maybe'; set it to 1 or 0."),
        (
            {"COUNTERSIGN_POOL": "-1"},
            "COUNTERSIGN_POOL is '-1'; set it to a number from 0 to 90.",
        ),
        (
            {"COUNTERSIGN_DB_ROLE": "root"},
            "COUNTERSIGN_DB_ROLE is 'root'; set it to app or owner.",
        ),
        (
            {"COUNTERSIGN_EMAIL_URL": "smtp:///x"},
            "COUNTERSIGN_EMAIL_URL names no host; write it like smtp://user@mail.example.org:587.",
        ),
    ],
)
def test_wrong_value_stops_the_start_with_one_sentence(
    tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    bare = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COUNTERSIGN_", "DATABASE_", "REDIS_"))
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "findstatic", "x"],
        cwd=ROOT,
        env={**bare, "COUNTERSIGN_VAR": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (1, f"countersign: {sentence}\n", "")


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0:8010", "http://127.0.0.1:8010"),
        ("[::]:8010", "http://[::1]:8010"),
        ("10.1.2.3:9000", "http://10.1.2.3:9000"),
    ],
)
def test_links_follow_what_the_web_listens_on(bind: str, url: str) -> None:
    assert environment.reached(bind) == url


def test_a_folder_is_a_full_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert environment.folder("COUNTERSIGN_X", tmp_path) == tmp_path
    monkeypatch.setenv("COUNTERSIGN_X", "/srv/secrets")
    assert environment.folder("COUNTERSIGN_X", tmp_path) == Path("/srv/secrets")
    monkeypatch.setenv("COUNTERSIGN_X", "secrets")
    with pytest.raises(environment.SettingsError, match="write the full path of a directory"):
        environment.folder("COUNTERSIGN_X", tmp_path)
