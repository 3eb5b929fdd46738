"""The privacy rule at the door: secrets never reach the disk (decisions 11).

Owns the list of what counts as a secret and the one pass that replaces it. Every rule below is
part of one compiled RE2 expression, so the pass is linear in the bytes whatever an attacker
writes; a shorter one says which texts that pass is needed for. A secret becomes
``[redacted:kind:length]``: no quote, no backslash, so JSON stays JSON. Text in base64 is looked into
once, and goes as a whole where a secret is in it; letters as ``\\u0061`` in texts in texts are read
as letters. What is encoded in other ways, or twice, is not looked into.

Access key ids (AKIA…, ASIA…) are identifiers, not secrets: they say who acted and are kept.
What says nothing is left alone: stars, ``HIDDEN_DUE_TO_SECURITY_REASONS``, ``${VARIABLE}``.

Changing a rule means a new RULE_VERSION; deposits name the version they were read with.
Pure: knows nothing of Django, of formats or of where text comes from.
"""

import re
from base64 import b64decode
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate, chain
from typing import NamedTuple

import re2

from evidence.secret_rules import (
    AFTER_NAME,
    ALL_NAMES,
    BASE64,
    BASE64_SOUGHT,
    ESCAPED_SOUGHT,
    NAMES,
    RULES,
    WORD_BEGINS,
    Rule,
)

RULE_VERSION = 3
# What stands between texts that are searched together; also how kept records are listed.
SEAM = b",\n"


class Hit(NamedTuple):
    """One secret found: where it began in the text that was searched."""

    start: int
    kind: str
    length: int  # characters


_NOTHING = re.compile(
    rb"(?i)\*+|x+|\.+|<[^>]*>|\[redacted[^\]]*\]|\[content:\d{1,12}(?::[0-9a-f]{16})?\]"
    rb"|\[filtered\]|redacted|hidden_due_to_security_reasons"
    rb"|null|none|true|false|undefined|\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]*|%[A-Z_]+%|\{\{[^}]*\}\}"
    # Names and digests of secrets say which one it was, and nothing of what is in it.
    rb"|hmac-sha256:.*|arn:aws[a-z-]*:.*|projects/.*|A[KS]IA[A-Z0-9]{16}.*"
)
_MIXED = re.compile(rb"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z]).{6,}", re.DOTALL)


def _options(*, captures: bool = True) -> re2.Options:
    options = re2.Options()
    options.never_capture = not captures
    # Bytes are matched as bytes: text of any encoding goes through, and the automaton is smaller.
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 64 << 20
    options.log_errors = False
    options.dot_nl = True
    return options


def _written(rule: Rule, *, anywhere: bool = False) -> str:
    """A rule's whole pattern. `anywhere` leaves out the word's beginning: bytes of protobuf have
    lengths before their text."""
    return (WORD_BEGINS if rule.begins_word and not anywhere else "") + rule.pattern


def _compiled(*, anywhere: bool) -> "re2._Regexp":
    """One expression of all rules. It says where one matches, and `_told` which one it is: asked
    for its group as well, it takes ten times as long."""
    parts = [_written(rule, anywhere=anywhere) for rule in RULES]
    if anywhere:
        # A member of a message, as protobuf writes it: the name, and the sign for its value.
        parts += (rf"(?i:{ALL_NAMES}){AFTER_NAME}\x12", BASE64_SOUGHT, ESCAPED_SOUGHT)
    return re2.compile("|".join(parts).encode(), _options(captures=False))


def _together() -> "re2.Set":
    """What says with which rules a text may begin, by their numbers."""
    rules = re2.Set.MatchSet(_options())
    for rule in RULES:
        rules.Add(_written(rule).encode())
    rules.Compile()
    return rules


def _seeking() -> "re2._Regexp":
    """What finds something in every text in which a rule does, and in hardly any other.

    It knows neither what stands before nor which rule it was: so it is in few states, which stay
    in the processor's cache beside all that reads a record.
    """
    sought = dict.fromkeys(rule.pattern if rule.sought is None else rule.sought for rule in RULES)
    return re2.compile(
        "|".join((*sought, BASE64_SOUGHT, ESCAPED_SOUGHT)).encode(), _options(captures=False)
    )


_SEEKING = _seeking()
_BASE64 = re2.compile(BASE64.encode(), _options())
_HIDDEN = re2.compile(f"{BASE64_SOUGHT}|{ESCAPED_SOUGHT}".encode(), _options())
_ESCAPED = re.compile(rb"(\\++)u00([2-7][0-9A-Fa-f])")
_URL_DIGITS = bytes.maketrans(b"-_", b"+/")
_RULES = _compiled(anywhere=False)
_WHICH = _together()
_EACH = [re2.compile(_written(rule).encode(), _options()) for rule in RULES]
_ANYWHERE = _compiled(anywhere=True)
_SECRET_NAMES = re2.compile(
    "|".join(f"((?i:{names}){AFTER_NAME}$)" for names in NAMES.values()).encode(), _options()
)


_KINDS = tuple(NAMES)


def suspicious(data: bytes) -> bool:
    """Whether binary data may hold a secret; says yes too often, never no too often."""
    return _ANYWHERE.search(data) is not None


def hit_among(texts: list[bytes], joined: bytes = b"") -> set[int]:
    """The numbers of the texts that may hold a secret, found in one pass over all of them.

    `joined` is the texts with SEAM between them, where the caller has that already. A rule that
    runs over a seam names both texts; `redact` has the last word on each.
    """
    numbers: set[int] = set()
    matches = list(_SEEKING.finditer(joined or SEAM.join(texts)))
    if not matches:
        return numbers
    ends = list(accumulate(len(text) + len(SEAM) for text in texts))
    for match in matches:
        first, last = bisect_right(ends, match.start()), bisect_right(ends, match.end() - 1)
        numbers.update(range(first, min(last, len(texts) - 1) + 1))
    return numbers


def redact(text: bytes) -> tuple[bytes, list[Hit]]:
    """The text without its secrets, and what was taken out. The same object when nothing was."""
    clean, hits = _plainly(text)
    if _HIDDEN.search(clean) is None:
        return clean, hits
    # Written without escapes it says the same, and is only kept so where that shows a secret.
    plain, more = _plainly(_ESCAPED.sub(_unescaped, clean))
    if more:
        clean = plain
    clean, encoded = _decoded(clean)
    return clean, hits + more + encoded


def _unescaped(match: re.Match[bytes]) -> bytes:
    letter = bytes.fromhex(match[2].decode())
    if letter == b'"':
        return b"\\" * (2 * len(match[1]) - 1) + letter
    return match[0] if letter == b"\\" else letter


def _decoded(text: bytes) -> tuple[bytes, list[Hit]]:
    """The same of what is written in base64, looked into once: all of such a text goes."""
    found = [match.span() for match in _BASE64.finditer(text)]
    inside = [_of_base64(text[start:end]) for start, end in found]
    pieces: list[bytes] = []
    hits: list[Hit] = []
    done = 0
    for number in sorted(hit_among(inside)):
        _, secrets = _plainly(inside[number])
        if secrets:
            start, end = found[number]
            pieces += (text[done:start], replacement(secrets[0].kind, end - start))
            hits.append(Hit(start, secrets[0].kind, end - start))
            done = end
    return (b"".join((*pieces, text[done:])), hits) if hits else (text, [])


def _of_base64(digits: bytes) -> bytes:
    whole = digits.rstrip(b"=").translate(_URL_DIGITS)
    if len(whole) % 4 == 1:
        whole = whole[:-1]
    return b64decode(whole + b"=" * (-len(whole) % 4))


def _plainly(text: bytes) -> tuple[bytes, list[Hit]]:
    """Without the secrets that stand there as they are."""
    pieces: list[bytes] = []
    hits: list[Hit] = []
    done = 0
    for match in _RULES.finditer(text):
        rule, start, end = _told(text, *match.span())
        secret = text[start:end]
        if _NOTHING.fullmatch(secret) or (rule.mixed and not _MIXED.match(secret)):
            continue
        kind = rule.kind
        length = len(secret.decode("utf-8", "replace"))
        pieces += (text[done:start], replacement(kind, length))
        hits.append(Hit(start, kind, length))
        done = end
    if not hits:
        return text, []
    pieces.append(text[done:])
    return b"".join(pieces), hits


def _told(text: bytes, first: int, last: int) -> tuple[Rule, int, int]:
    """(rule, beginning and end of its secret) of what all rules together match here: the first of
    those that match from here on.

    They are asked at once with the byte behind it, so that the end of a word is one; whether it is
    the beginning or the end of the text as well is seen only when one is asked alone.
    """
    likely = _WHICH.Match(text[first : last + 1])
    for number in chain(sorted(likely), range(len(RULES))):
        match = _EACH[number].match(text, first, last)
        if match is not None:
            return RULES[number], *match.span(1)
    raise AssertionError("all rules together match where none of them does")


def redact_text(text: str) -> tuple[str, list[Hit]]:
    """The same for text that is already decoded."""
    data, hits = redact(text.encode("utf-8", "replace"))
    return (data.decode("utf-8", "replace"), hits) if hits else (text, hits)


def replacement(kind: str, length: int) -> bytes:
    """What stands in the place of a secret."""
    return f"[redacted:{kind}:{length}]".encode()


@lru_cache(maxsize=8192)
def secret_name(name: str) -> str | None:
    """The kind of secret that a member or attribute of this name holds; None: none."""
    match = _SECRET_NAMES.search(name.encode("utf-8", "replace"))
    return None if match is None else _KINDS[match.lastindex - 1]


def says_nothing(value: str) -> bool:
    """Whether a value stands for a secret without being one: stars, a placeholder, nothing."""
    return not value or _NOTHING.fullmatch(value.encode("utf-8", "replace")) is not None


EXCERPT = 300
_LOOKED_AT = 16_384
_LAST_WORD = re.compile(rb"[^\s\"',;&]*\Z")


def excerpt(raw: bytes) -> str:
    """At most 300 characters of something unreadable, safe to store and show.

    It is redacted before it is cut: half a secret would not be recognised.
    """
    window = raw[:_LOOKED_AT]
    clean, _ = redact(window)
    if len(raw) > len(window):
        clean = _LAST_WORD.sub(b"", clean)
    text = clean.decode("utf-8", "replace")[:EXCERPT]
    return "".join(letter if letter.isprintable() or letter == " " else "�" for letter in text)
