"""Every way in which a system may read the id of one resource. Pure text.

Owns dot segments, percent-encodings, slashes and the characters that some systems take for them.
Whoever asks for a decision names a resource before a system has read the name, and systems
differ: S3 takes `..` in a key as it is, a web server resolves it, a proxy decodes first. So
nothing is guessed: the judge allows only what is allowed in every reading (asking.py). What a
log says happened is not read here: it names what the system did touch.
"""

import re
import unicodedata
from urllib.parse import unquote_to_bytes

# Encodings within encodings; more than this is no name of anything.
MOST_DECODED = 4
# Path segments stay behind these: a URL's scheme and host, and an ARN's five first fields.
_ROOT = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/]*|arn:(?:[^:/]*:){4}|/?")
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_IIS_ENCODED = re.compile(r"%[uU][0-9A-Fa-f]{4}")
_SLASHES = re.compile(r"/{2,}")
_PARAMETERS = re.compile(r";[^/?#]*")
# Read as `/` or `\` by systems that map Unicode to an older character set, though NFKC does not.
_SEPARATORS = frozenset(
    "\u2044\u2215\u2216\u29f5\u29f8\u29f9\u27cb\u27cd\u2571\u2572\u20e5\u00a5\u20a9"
)
_DOTS = frozenset("\u3002\uff61")


class UnclearResourceError(ValueError):
    """A resource id whose meaning is not certain; the text is the end of "The resource id …"."""


def readings(resource: str) -> tuple[str, ...]:
    """The id as it is written, then every other way to read it; UnclearResourceError says why not."""
    forms = [resource]
    _refuse_characters(resource)
    while (decoded := _decoded(forms[-1])) != forms[-1]:
        if len(forms) > MOST_DECODED:
            raise UnclearResourceError("is percent-encoded too many times")
        _refuse_characters(decoded)
        forms.append(decoded)
    climbs = False
    for form in forms:
        for segment in form.replace("\\", "/").split("/"):
            climbs = climbs or segment == ".."
            if segment not in (".", "..") and _like_dots(segment):
                raise UnclearResourceError("has a segment that some systems read as `.` or `..`")
    if climbs and (len(forms) > 1 or "\\" in resource):
        # What is left depends on which of the two a system does first, and how much of it.
        raise UnclearResourceError("has `..` beside percent-encodings or backslashes")
    found: dict[str, None] = {}
    for form in forms:
        for text in (form, form.replace("\\", "/")):
            # As a URL, the path ends before the query, and parameters are no part of a segment.
            path = _PARAMETERS.sub("", re.split(r"[?#]", text, maxsplit=1)[0])
            for name in (text, path):
                root, segments = _split(name)
                single = root + _SLASHES.sub("/", segments)
                found.update(dict.fromkeys((name, _resolved(name), single, _resolved(single))))
    return tuple(found)


def _refuse_characters(text: str) -> None:
    if _IIS_ENCODED.search(text):
        raise UnclearResourceError("has a `%u` encoding, which systems read differently")
    for char in text:
        if not char.isprintable():
            raise UnclearResourceError(f"has a character that is not shown (U+{ord(char):04X})")
        if char.isascii():
            continue
        plain = unicodedata.normalize("NFKC", char)
        if (
            char in _SEPARATORS
            or char in _DOTS
            or plain in (".", "..")
            or any(separator in plain for separator in "/\\%?#;")
        ):
            raise UnclearResourceError(
                f"has a character that some systems read as a separator (U+{ord(char):04X})"
            )


def _decoded(text: str) -> str:
    """Decoded once; a `%` that begins no encoding stays as it is, as every system has it."""

    def decode(found: re.Match[str]) -> str:
        try:
            # Strict UTF-8 has one encoding for each character: no overlong `/` or `.`.
            return unquote_to_bytes(found[0]).decode("utf-8")
        except UnicodeDecodeError:
            raise UnclearResourceError("has percent-encodings that are not UTF-8") from None

    return _ENCODED.sub(decode, text)


def _like_dots(segment: str) -> bool:
    """Whether only dots and spaces stand before parameters, a query or a fragment."""
    head = re.split(r"[;?#]", segment, maxsplit=1)[0]
    return "." in head and not head.strip(". ")


def _split(text: str) -> tuple[str, str]:
    """What dot segments never climb above, and the rest."""
    matched = _ROOT.match(text)
    root = matched[0] if matched else ""
    if any(segment and not segment.strip(".") for segment in root.split("/")):
        raise UnclearResourceError("has dots in place of a host")
    return root, text[len(root) :]


def _resolved(text: str) -> str:
    """Without dot segments, as RFC 3986 (5.2.4) removes them."""
    root, rest = _split(text)
    segments = rest.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            # The empty one before the first slash behind a root is no segment to climb from.
            if not kept or kept == [""]:
                raise UnclearResourceError("climbs with `..` above where it begins")
            kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return root + "/".join(kept)
