"""Which letters a PDF can show, and what stands in the place of others.

Owns the fonts (Noto Sans CJK: Latin, Greek, Cyrillic, Chinese, Japanese, Korean; Noto Sans Arabic)
and the tables of the letters that they have (OpenType, `cmap`, formats 4 and 12). What neither has,
and what changes the direction or order of text unseen, is written as its number: `[U+202E]`.
"""

import struct
import unicodedata
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

FAMILIES = ("Noto Sans CJK JP", "Noto Sans Arabic")
FILES = (
    ("noto_cjk_sans_jp_regular", "NotoSansCJKjp-Regular.otf"),
    ("fontpkg_noto_sans_arabic", "files/NotoSansArabic[wdth,wght].ttf"),
)
# Unseen, or neither a letter nor a sign: controls, formats (directions among them), surrogates.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def folders() -> list[Path]:
    """Where the fonts lie."""
    return [path.parent for path in _paths()]


def _paths() -> list[Path]:
    return [Path(str(files(package).joinpath(name))) for package, name in FILES]


@cache
def known() -> frozenset[int]:
    """Every code point that one of the fonts has a picture of."""
    return frozenset().union(*(_of(path.read_bytes()) for path in _paths()))


def _of(font: bytes) -> set[int]:
    """The code points of one font's best table."""
    (tables,) = struct.unpack_from(">H", font, 4)
    for place in range(12, 12 + 16 * tables, 16):
        tag, _, offset, _ = struct.unpack_from(">4sLLL", font, place)
        if tag == b"cmap":
            return _letters(font, offset)
    raise ValueError("the font has no table of letters")


def _letters(font: bytes, start: int) -> set[int]:
    (many,) = struct.unpack_from(">H", font, start + 2)
    found: set[int] = set()
    for place in range(start + 4, start + 4 + 8 * many, 8):
        _, _, offset = struct.unpack_from(">HHL", font, place)
        at = start + offset
        (form,) = struct.unpack_from(">H", font, at)
        if form == 12:
            (groups,) = struct.unpack_from(">L", font, at + 12)
            for group in range(at + 16, at + 16 + 12 * groups, 12):
                first, last, glyph = struct.unpack_from(">LLL", font, group)
                found.update(range(first + (glyph == 0), last + 1))
        elif form == 4:
            (double,) = struct.unpack_from(">H", font, at + 6)
            ends = struct.unpack_from(f">{double // 2}H", font, at + 14)
            begins = struct.unpack_from(f">{double // 2}H", font, at + 16 + double)
            for first, last in zip(begins, ends, strict=True):
                found.update(range(first, min(last, 0xFFFE) + 1))
    return found


def readable(value: Any) -> Any:
    """The same document, with every text such that each of its letters can be shown."""
    if isinstance(value, str):
        return "".join(_shown(one) for one in value)
    if isinstance(value, dict):
        return {key: readable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [readable(one) for one in value]
    return value


def _shown(letter: str) -> str:
    if " " <= letter <= "~" or letter in "\n\t":
        return letter
    if ord(letter) in known() and unicodedata.category(letter) not in UNSEEN:
        return letter
    return f"[U+{ord(letter):04X}]"
