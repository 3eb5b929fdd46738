"""The web refuses to be root, whichever way it is started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SENTENCE = "The web does not run as root; start it as a user who owns nothing but COUNTERSIGN_VAR"
# In a namespace of its own anybody is root.
AS_ROOT = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
COMMANDS = {
    "up": [sys.executable, "manage.py", "up"],
    "granian": [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--port", "0"),
        *("--no-respawn-failed-workers", "config.wsgi:application"),
    ],
    "wsgi": [sys.executable, "-c", "import config.wsgi"],
    "asgi": [sys.executable, "-c", "import config.asgi"],
}


def run(command: list[str], var: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A process whose database and broker nobody answers for: it does not come so far."""
    bare = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COUNTERSIGN_", "DATABASE_", "REDIS_", "DJANGO_"))
    }
    environment = {
        **bare,
        "COUNTERSIGN_VAR": str(var),
        "COUNTERSIGN_SECRET_KEY": "s" * 32,
        "COUNTERSIGN_DIGEST_KEY": "d" * 32,
        "DATABASE_URL": "postgresql://countersign@127.0.0.1:1/countersign",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        **more,
    }
    return subprocess.run(
        [*AS_ROOT, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("way", COMMANDS)
def test_web_refuses_to_be_root(way: str, tmp_path: Path) -> None:
    done = run(COMMANDS[way], tmp_path)
    assert done.returncode != 0
    assert SENTENCE in done.stderr + done.stdout


@pytest.mark.parametrize("setting", ["COUNTERSIGN_ALLOW_ROOT", "COUNTERSIGN_DEMO"])
def test_web_is_root_where_a_setting_says_so(setting: str, tmp_path: Path) -> None:
    done = run(COMMANDS["wsgi"], tmp_path, **{setting: "1"})
    assert (done.returncode, SENTENCE in done.stderr) == (0, False), done.stderr


def test_demo_may_say_no(tmp_path: Path) -> None:
    done = run(COMMANDS["wsgi"], tmp_path, COUNTERSIGN_DEMO="1", COUNTERSIGN_ALLOW_ROOT="0")
    assert SENTENCE in done.stderr


def test_other_commands_are_not_asked(tmp_path: Path) -> None:
    done = run([sys.executable, "manage.py", "check"], tmp_path)
    assert (done.returncode, SENTENCE in done.stderr) == (0, False), done.stderr
