"""Secrets by reference, in files of the operator: what they say instead of a secret.

Owns the two ways, `env:NAME` and `file:/path`. They are for files that only whoever runs the machine
writes (enforcers, rotas, trackers, anchors): the file says the secret and the host together. What a
page or the API can set names its secrets otherwise (connector_secrets.py). A secret is read when it is used and kept
nowhere: not in the database, a log or an error.
"""

import os
from pathlib import Path

from django.conf import settings

from evidence.sources.failures import Stopped

LARGEST = 64 * 1024
# Our own settings and secrets, which no source is ever told.
OUR_NAMES = ("COUNTERSIGN_", "DATABASE_", "REDIS_", "DJANGO_")
OURS = "this is a secret of Countersign itself; give the source one of its own"
# Processes: what their environment holds can be read as a file.
PROCESSES = Path("/proc")
# Keys that the demo makes for the account that it makes.
DEMO = Path("secrets") / "demo-aws"


def _is_ours(path: Path) -> bool:
    """Below our own folder, or a process's own files; also by way of links."""
    try:
        there = {path.absolute(), path.resolve()}
    except (OSError, RuntimeError):
        return False  # a circle of links: reading it says so
    var = {Path(settings.VAR).absolute(), Path(settings.VAR).resolve()}
    if all(any(one.is_relative_to(folder / DEMO) for folder in var) for one in there):
        return False
    return any(one.is_relative_to(folder) for one in there for folder in {*var, PROCESSES})


def wrong(reference: str) -> str:
    """What is wrong with a reference; empty when it is one."""
    kind, _, rest = reference.partition(":")
    if kind == "env" and rest.replace("_", "a").isalnum() and rest.isascii():
        return OURS if rest.upper().startswith(OUR_NAMES) else ""
    if kind == "file" and rest.startswith("/") and "\0" not in rest:
        return OURS if _is_ours(Path(rest)) else ""
    return "a secret is named, not given: write env:NAME or file:/path"


def read(reference: str, *, called: str) -> str:
    """The secret. Raises Stopped with what to do; the secret itself is in no message."""
    problem = wrong(reference)
    if problem:
        raise Stopped(
            f"The setting {called} cannot be used.", f"{problem[0].upper()}{problem[1:]}."
        )
    kind, _, rest = reference.partition(":")
    if kind == "env":
        found = os.environ.get(rest, "")
        if not found:
            raise Stopped(
                f"The variable {rest}, which {called} refers to, is empty.",
                f"Set {rest} for the web and worker processes.",
            )
        return found
    try:
        with Path(rest).open(encoding="utf-8") as file:
            found = file.read(LARGEST).strip()
    except (OSError, UnicodeDecodeError) as problem_:
        raise Stopped(
            f"The file {rest}, which {called} refers to, cannot be read"
            f" ({type(problem_).__name__}).",
            "Make it readable for the user that runs Countersign.",
        ) from None
    if not found:
        raise Stopped(f"The file {rest}, which {called} refers to, is empty.", "Write it.")
    return found
