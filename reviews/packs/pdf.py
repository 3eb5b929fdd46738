"""The page of a pack as a PDF, for those who print or file it: the same words as pack.html.

Set by Typst, with fonts of packages alone: the same words make the same bytes on every machine.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import typst
from django.conf import settings

from reviews.packs import letters


def made(shown: dict[str, Any]) -> bytes:
    """The PDF of what a pack shows (reading.py)."""
    return typst.compile(
        (Path(settings.BASE_DIR) / "templates" / "pack.typ").read_bytes(),
        font_paths=_fonts(),
        sys_inputs={"shown": json.dumps(letters.readable(shown), ensure_ascii=False)},
    )


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(one) for one in letters.folders()],
    )
