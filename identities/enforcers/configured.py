"""The outside systems that an installation set up for writing, as its one file says them.

Owns reading that file (YAML) and what is wrong with it. What the settings of a system mean is
its enforcer's to know. Secrets are named in it, never given.

    oauth:
      - issuer: https://login.example.com
        realms: [auth0:example]
        ...
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from .addresses import WHO
from .contract import PermanentFailure

LARGEST = 1 << 20

type Entry = Mapping[str, Any]


def entries(path: str, system: str) -> tuple[Entry, ...]:
    """What the file says of one system, in its order; nothing where there is no file.

    Raises PermanentFailure with what is wrong. Read again when the file has changed.
    """
    if not path:
        return ()
    try:
        about = Path(path).stat()
        whole = _read(path, about.st_mtime_ns, about.st_size)
    except (OSError, UnicodeDecodeError) as problem:
        raise wrong(f"the file {path} cannot be read ({type(problem).__name__})") from None
    found = whole.get(system, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise wrong(f"{system} in {path} is no list of settings")
    return tuple(found)


@lru_cache(maxsize=4)
def _read(path: str, changed: int, size: int) -> dict[str, Any]:  # noqa: ARG001 -- `changed` reads the file again
    if size > LARGEST:
        raise wrong(f"the file {path} is larger than {LARGEST >> 20} MiB")
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise wrong(f"the file {path}{line} is no YAML") from None
    if not isinstance(found, dict):
        raise wrong(f"the file {path} does not say which systems it sets up")
    return found


def wrong(what: str) -> PermanentFailure:
    """A failure of these settings, for whoever writes them."""
    return PermanentFailure(f"The enforcers' settings: {what}.", who_must_act=WHO)
