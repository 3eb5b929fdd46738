"""Secrets by reference: what a setting may say instead of a secret, and reading it.

Owns the two ways, `env:NAME` and `file:/path`. A secret is read when it is used and kept
nowhere: not in the database, a log or an error.
"""

import os
from pathlib import Path

from evidence.sources.failures import Stopped

LARGEST = 64 * 1024


def wrong(reference: str) -> str:
    """What is wrong with a reference; empty when it is one."""
    kind, _, rest = reference.partition(":")
    if kind == "env" and rest.replace("_", "a").isalnum() and rest.isascii():
        return ""
    if kind == "file" and rest.startswith("/"):
        return ""
    return "a secret is named, not given: write env:NAME or file:/path"


def read(reference: str, *, called: str) -> str:
    """The secret. Raises Stopped with what to do; the secret itself is in no message."""
    problem = wrong(reference)
    if problem:
        raise Stopped(
            f"The setting {called} is no reference.", f"{problem[0].upper()}{problem[1:]}."
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
