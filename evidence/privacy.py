"""The privacy rule at the door: secrets never reach the disk (decisions 11).

Owns the list of what counts as a secret and the one pass that replaces it. Every rule below is
part of one compiled RE2 expression, so the pass is linear in the bytes whatever an attacker
writes. A secret becomes ``[redacted:kind:length]``: no quote, no backslash, so JSON stays JSON.

Access key ids (AKIA…, ASIA…) are identifiers, not secrets: they say who acted and are kept.
What says nothing is left alone: stars, ``HIDDEN_DUE_TO_SECURITY_REASONS``, ``${VARIABLE}``.

Changing a rule means a new RULE_VERSION; deposits name the version they were read with.
Pure: knows nothing of Django, of formats or of where text comes from.
"""

import re
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import re2

RULE_VERSION = 1
# What stands between texts that are searched together; also how kept records are listed.
SEAM = b",\n"


class Rule(NamedTuple):
    """One kind of secret. The group in `pattern` is what is replaced."""

    kind: str
    says: str
    pattern: str
    # What may stand before it: a token only begins where a word begins.
    begins_word: bool = True


class Hit(NamedTuple):
    """One secret found: where it began in the text that was searched."""

    start: int
    kind: str
    length: int  # characters


# Names whose value is a secret, by kind; matched as the end of a name, ignoring case, so that
# `masterUserPassword` counts and `passwordResetRequired` does not.
NAMES = {
    "aws_secret": r"secret[_-]?access[_-]?key",
    "aws_session_token": r"session[_-]?token|security[_-]?token",
    "password": r"password|passwd|passphrase|pwd",
    "secret": (
        r"client[_-]?secret|secret[_-]?string|secret[_-]?binary|secret[_-]?value|secret[_-]?key"
        r"|api[_-]?key|access[_-]?token|refresh[_-]?token|id[_-]?token|auth[_-]?token"
        r"|bearer[_-]?token|private[_-]?key|key[_-]?material|signing[_-]?secret"
        r"|webhook[_-]?secret|web[_-]?identity[_-]?token|saml[_-]?assertion|vault[_-]?token"
        r"|private[_-]?token|account[_-]?key|shared[_-]?access[_-]?key|connection[_-]?string"
    ),
    "authorization": r"authorization|set-cookie|cookie",
}
# These too, but only as the whole name in `name=value`: alone they are too common elsewhere.
_LOOSE = r"secret|token|sig|signature|x-amz-signature"

_WORD = r"(?:^|[^A-Za-z0-9_]|\\[nrtbf])"
# A JSON string's inside, and the same where the JSON is itself inside a JSON string.
_INSIDE = r"(?:[^\"\\]|\\.)+"
_INSIDE_TWICE = r"(?:[^\"\\]|\\\\[^\"\\]|\\\\\\[\"\\])+"
_BARE = r"[^\s\"'\\,;&<>(){}\[\]]{3,}"
_BEFORE_NAME = r"[A-Za-z0-9_.\-]*"


def _named(kind: str, names: str) -> tuple[Rule, ...]:
    """The ways in which a name and its value are written next to each other."""
    return (
        Rule(
            kind,
            f'a JSON member: "…{kind}": "…"',
            rf"\"{_BEFORE_NAME}(?i:{names})\"\s*:\s*\"({_INSIDE})\"",
            begins_word=False,
        ),
        Rule(
            kind,
            f"the same in JSON that is text inside JSON: {kind}",
            rf"\\\"{_BEFORE_NAME}(?i:{names})\\\"\s*:\s*\\\"({_INSIDE_TWICE})\\\"",
            begins_word=False,
        ),
        Rule(
            kind,
            f"a literal in single quotes: '…{kind}': '…'",
            rf"'{_BEFORE_NAME}(?i:{names})'\s*:\s*'([^'\"\\]+)'",
            begins_word=False,
        ),
        Rule(
            kind,
            f"an assignment: …{kind}=…",
            rf"(?i:{names})\s*=\s*(?:\\*[\"'])?({_BARE})",
            begins_word=False,
        ),
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "private_key",
        "a PEM private key block, whole or cut off",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
        r"((?:[^\"\\-]|\\+[nrt]|-[^\"\\-])+)",
        begins_word=False,
    ),
    Rule(
        "jwt",
        "a JSON web token: three parts, the first two JSON",
        r"(eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
    ),
    Rule("github", "a GitHub token", r"(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})"),
    Rule("gitlab", "a GitLab token", r"(gl(?:pat|dt|rt|ptt|cbt)-[A-Za-z0-9_-]{20,})"),
    Rule("slack", "a Slack token", r"(xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,})"),
    Rule(
        "webhook",
        "the secret part of a Slack or Teams webhook address",
        r"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9_/]{20,})",
        begins_word=False,
    ),
    Rule(
        "stripe",
        "a Stripe key or webhook secret",
        r"((?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,})",
    ),
    Rule("anthropic", "an Anthropic key", r"(sk-ant-[A-Za-z0-9_-]{16,})"),
    Rule(
        "openai",
        "an OpenAI key",
        r"(sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{32,})",
    ),
    Rule(
        "google",
        "a Google API key, OAuth token or client secret",
        r"(AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})",
    ),
    Rule("huggingface", "a Hugging Face token", r"(hf_[A-Za-z0-9]{30,})"),
    Rule("vault", "a Vault token", r"(hv[sbr]\.[A-Za-z0-9_-]{20,})"),
    Rule(
        "aws_session_token",
        "a session token of AWS STS, by its beginning",
        r"((?:IQoJb3JpZ2luX2Vj|FwoGZXIvYXdz|FQoGZXIvYXdz|AQoDYXdz)[A-Za-z0-9/+=%]{40,})",
    ),
    Rule("bearer", "a bearer token", r"(?i:bearer)\s+([A-Za-z0-9._~+/=-]{16,})"),
    Rule(
        "basic",
        "HTTP basic authentication",
        r"(?i:authorization)[\"'\\]*\s*[:=]\s*[\"'\\]*(?i:basic)\s+([A-Za-z0-9+/]{6,}={0,2})",
    ),
    Rule(
        "connection",
        "the password inside an address: scheme://user:password@host",
        r"[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@\"\\]*:([^\s@/\"\\]+)@",
        begins_word=False,
    ),
    *(rule for kind, names in NAMES.items() for rule in _named(kind, names)),
    Rule(
        "secret",
        "a header in text: x-api-key: …",
        r"(?i:x-api-key|x-amz-security-token|x-vault-token|private-token)\s*:\s*"
        r"([A-Za-z0-9._~+/=%-]{8,})",
    ),
    Rule(
        "secret",
        "a short name in a query or command: token=…, secret=…, sig=…",
        rf"(?i:{_LOOSE})=([A-Za-z0-9._~+/=%-]{{8,}})",
    ),
)

_NOTHING = re.compile(
    rb"(?i)\*+|x+|\.+|<[^>]*>|\[redacted[^\]]*\]|\[filtered\]|redacted|hidden_due_to_security_reasons"
    rb"|null|none|true|false|undefined|\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]*|%[A-Z_]+%|\{\{[^}]*\}\}"
)


def _options() -> re2.Options:
    options = re2.Options()
    # Bytes are matched as bytes: text of any encoding goes through, and the automaton is smaller.
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = 64 << 20
    options.log_errors = False
    options.dot_nl = True
    return options


def _compiled(*, anywhere: bool) -> "re2._Regexp":
    """One expression of all rules; the number of its group is the number of its rule.

    `anywhere` leaves out the word beginnings: bytes of protobuf have lengths before their text.
    """
    parts = []
    for rule in RULES:
        guard = _WORD if rule.begins_word and not anywhere else ""
        parts.append(guard + rule.pattern)
    return re2.compile("|".join(parts).encode(), _options())


_RULES = _compiled(anywhere=False)
_ANYWHERE = _compiled(anywhere=True)
_SECRET_NAMES = re2.compile(
    "|".join(f"((?i:{names})$)" for names in NAMES.values()).encode(), _options()
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
    matches = list(_RULES.finditer(joined or SEAM.join(texts)))
    if not matches:
        return numbers
    ends = list(accumulate(len(text) + len(SEAM) for text in texts))
    for match in matches:
        first, last = bisect_right(ends, match.start()), bisect_right(ends, match.end() - 1)
        numbers.update(range(first, min(last, len(texts) - 1) + 1))
    return numbers


def redact(text: bytes) -> tuple[bytes, list[Hit]]:
    """The text without its secrets, and what was taken out. The same object when nothing was."""
    if _RULES.search(text) is None:
        return text, []
    pieces: list[bytes] = []
    hits: list[Hit] = []
    done = 0
    for match in _RULES.finditer(text):
        group = match.lastindex
        start, end = match.span(group)
        secret = text[start:end]
        if _NOTHING.fullmatch(secret):
            continue
        kind = RULES[group - 1].kind
        length = len(secret.decode("utf-8", "replace"))
        pieces += (text[done:start], replacement(kind, length))
        hits.append(Hit(start, kind, length))
        done = end
    if not hits:
        return text, []
    pieces.append(text[done:])
    return b"".join(pieces), hits


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
