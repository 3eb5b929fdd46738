"""What counts as a secret: names whose value is one, ways to write them, beginnings of tokens.

Owns the published list (docs/redaction.md is made from it). A rule is a pattern of RE2 with one
group, which is what is replaced; a change means a new RULE_VERSION in privacy.py. Pure.
"""

import re
from typing import NamedTuple


class Rule(NamedTuple):
    """One kind of secret. The group in `pattern` is what is replaced."""

    kind: str
    says: str
    pattern: str
    # What may stand before it: a token only begins where a word begins.
    begins_word: bool = True
    # Only what looks like a secret: elsewhere prose is written in the same way.
    mixed: bool = False
    # What the first look searches for instead; it stands in whatever `pattern` matches. None: that.
    sought: str | None = None


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
# And these as a whole name in JSON: `nextToken` and `clientToken` are no secrets.
_WHOLE = r"token|secret|client_token|credentials?|passcode|pass|otp|jwt|assertion"
ALL_NAMES = "|".join(NAMES.values())
# In a line of text a header has its own rules.
_IN_TEXT = "|".join(names for kind, names in NAMES.items() if kind != "authorization")
# What may follow a name that says secret: another of them, or what is done with it.
AFTER_NAME = r"(?:s|[_-]?[0-9]{1,2}|(?i:[_-]?(?:value|confirmation|plain(?:_?text)?)))?"

WORD_BEGINS = r"(?:^|[^A-Za-z0-9_]|\\[nrtbf])"
# A JSON string's inside, and the same where the JSON is itself inside a JSON string.
_INSIDE = r"(?:[^\"\\]|\\.)+"
_INSIDE_TWICE = r"(?:[^\"\\]|\\\\[^\"\\]|\\\\\\[\"\\])+"
_BARE = r"[^\s\"'\\,;&<>(){}\[\]]{3,}"
_BEFORE_NAME = r"[A-Za-z0-9_.\-/: ]*"
# How lists of pairs call the two halves of one.
_PAIR_NAME = r"(?i:name|key|parameter_?(?:key|name)|header(?:_?name)?|field|option)"
_PAIR_VALUE = r"(?i:value|parameter_?value|header_?value|val|string_?value)"
_PAIRED = rf"(?:{_BEFORE_NAME}(?i:{ALL_NAMES}){AFTER_NAME}|(?i:{_WHOLE}))"
_HTML_QUOTE = r"&(?:quot|#34|#x22);"


def _other_than(beginning: str) -> str:
    """What begins with its first letter and goes on otherwise."""
    told = ((re.escape(beginning[:n]), beginning[n]) for n in range(1, len(beginning)))
    return "|".join(f"{same}[^{other}]" for same, other in told)


# What stands in a secret's place and is none: a digest, and the mark of dropped content (marking.py).
_DIGITS = r"\[content:[0-9]{1,12}"
_NO_DIGEST = _other_than("hmac-sha256:")
_NO_MARK = "|".join(
    (
        _other_than("[content:"),
        r"\[content:[^0-9]",
        rf"{_DIGITS}[^0-9:\]]|\[content:[0-9]{{13}}",
        rf"{_DIGITS}:[0-9a-f]{{0,15}}[^0-9a-f]|{_DIGITS}:[0-9a-f]{{16}}[^\]]",
        rf"{_DIGITS}(?::[0-9a-f]{{16}})?\][^\s\"\\]",
    )
)


# One look for all names at once, however their values are written.
# What an object under such a name calls the secret in it; any other object holds none.
_HELD = r"(?i:value|current|plain_?text|text|string|secret|data|raw|old|new)"
_SOUGHT = (
    rf"(?i:{ALL_NAMES}){AFTER_NAME}"
    rf"(?:\\*[\"']\s*:\s*(?:[^\s{{]|\{{\s*\"{_HELD}\")|\s*[:=]|[%&<>])"
)
_SOUGHT_LOOSE = rf"(?i:{_LOOSE}){AFTER_NAME}(?:\s*:\s+[^\s\"]|\s*=|[%>])"


def _named(kind: str, names: str) -> tuple[Rule, ...]:
    """The ways in which a name and its value are written next to each other."""
    return (
        Rule(
            kind,
            f'a JSON member: "…{kind}": "…"',
            rf"\"{_BEFORE_NAME}(?i:{names}){AFTER_NAME}\"\s*:\s*\"({_INSIDE})\"",
            begins_word=False,
            sought=_SOUGHT,
        ),
        Rule(
            kind,
            f'a list under such a name: "…{kind}": ["…", "…"]',
            rf"\"{_BEFORE_NAME}(?i:{names}){AFTER_NAME}\"\s*:\s*\[\s*"
            rf"\"({_INSIDE}(?:\"\s*,\s*\"{_INSIDE})*)\"",
            begins_word=False,
            sought=_SOUGHT,
        ),
        Rule(
            kind,
            f"the same in JSON that is text inside JSON: {kind}",
            rf"\\\"{_BEFORE_NAME}(?i:{names}){AFTER_NAME}\\\"\s*:\s*"
            rf"\\\"({_INSIDE_TWICE})\\\"",
            begins_word=False,
            sought=_SOUGHT,
        ),
        Rule(
            kind,
            f"the same in texts inside texts inside JSON, however deep: {kind}",
            rf"\\{{3,}}\"{_BEFORE_NAME}(?i:{names}){AFTER_NAME}\\{{3,}}\"\s*:\s*"
            rf"\\{{3,}}\"((?:[^\"\\]|\\+[^\"\\])+)",
            begins_word=False,
            sought=_SOUGHT,
        ),
        Rule(
            kind,
            f"a literal in single quotes: '…{kind}': '…'",
            rf"'{_BEFORE_NAME}(?i:{names})'\s*:\s*'([^'\"\\]+)'",
            begins_word=False,
            sought=_SOUGHT,
        ),
        Rule(
            kind,
            f"an assignment: …{kind}=…",
            rf"(?i:{names})\s*=\s*(?:\\*[\"'])?({_BARE})",
            begins_word=False,
            sought=_SOUGHT,
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
        sought=r"://[^\s:/@\"\\]*:[^\s@/\"\\]+@",
    ),
    Rule(
        "connection",
        "the same where the password has a slash, and is no port before a path",
        r"[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@\"\\\[]*:"
        r"((?:[0-9]*[^\s0-9/:@\"\\{}$<][^\s/@\"\\]*|[0-9]{6,})/[^\s@\"\\]*)@[A-Za-z0-9\[]",
        begins_word=False,
        sought=r"://[^\s:/@\"\\\[]*:[^\s/@\"\\]+/[^\s@\"\\]*@",
    ),
    Rule(
        "connection",
        "a token alone before the host of an address: https://token@host",
        r"[A-Za-z][A-Za-z0-9+.-]*://([^\s:/@\"\\?#]{12,})@",
        begins_word=False,
        mixed=True,
        sought=r"://[^\s:/@\"\\?#]{12,}@",
    ),
    Rule(
        "token",
        "tokens of many services, by their beginnings",
        r"(npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
        r"|gl(?:sa|c)_[A-Za-z0-9+/=_]{24,}|sk-(?:or-v1|lf)-[A-Za-z0-9_-]{16,}"
        r"|lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,}|(?:gsk|r8|fw|ntn|tfp|lin_api)_[A-Za-z0-9]{22,}"
        r"|(?:xai|pplx|tvly|PMAK|nvapi)-[A-Za-z0-9_-]{22,}|do[opr]_v1_[A-Za-z0-9]{24,}"
        r"|shp(?:at|ca|pa|ss)_[A-Za-z0-9]{24,}|ATATT3[A-Za-z0-9_=+/-]{24,}"
        r"|AGE-SECRET-KEY-1[A-Za-z0-9]{20,}|dckr_[op]at_[A-Za-z0-9_-]{20,}"
        r"|pat-(?:na|eu)[0-9]-[A-Za-z0-9-]{20,}|sntry[su]_[A-Za-z0-9+/=_]{24,}"
        r"|dapi[a-f0-9]{32}(?:-[0-9])?)",
    ),
    Rule("vault", "a Vault token of before version 1.10", r"(s\.[A-Za-z0-9]{24,40})\b", mixed=True),
    *(rule for kind, names in NAMES.items() for rule in _named(kind, names)),
    *(
        Rule(
            kind,
            f'an object under such a name: "…{kind}": {{"value": "…"}}',
            rf"\"{_BEFORE_NAME}(?i:{names}){AFTER_NAME}\"\s*:\s*\{{\s*"
            rf"\"{_HELD}\"\s*:\s*"
            rf"\"({_INSIDE})\"",
            begins_word=False,
            sought=_SOUGHT,
        )
        for kind, names in NAMES.items()
        # What an Azure activity calls its authorization is the evidence itself.
        if kind != "authorization"
    ),
    *(
        Rule(
            "secret",
            f"a pair of name and value{where}",
            rf"{q}{_PAIR_NAME}{q}\s*:\s*{q}{_PAIRED}{q}"
            rf"(?:\s*,\s*{q}[A-Za-z]+{q}\s*:\s*{q}[^\"\\]*{q})?"
            rf"\s*,\s*{q}{_PAIR_VALUE}{q}\s*:\s*{q}({inside}){q}",
            begins_word=False,
            sought=rf"(?:(?i:{ALL_NAMES}){AFTER_NAME}|\"(?i:{_WHOLE}))\\?\"\s*,[^,]*,?\s*\\?\"{_PAIR_VALUE}\\?\"",
        )
        for q, inside, where in (
            (r"\"", _INSIDE, ""),
            (r"\\\"", _INSIDE_TWICE, ", in JSON that is text inside JSON"),
        )
    ),
    Rule(
        "secret",
        "a pair of value and name, in this order",
        rf"\"{_PAIR_VALUE}\"\s*:\s*\"({_INSIDE})\"\s*,\s*\"{_PAIR_NAME}\"\s*:\s*"
        rf"\"{_PAIRED}\"",
        begins_word=False,
        sought=rf"\"\s*,\s*\"{_PAIR_NAME}\"\s*:\s*\"{_PAIRED}\"",
    ),
    Rule(
        "secret",
        'a member of exactly this name: "token": "…"',
        rf"\\*\"(?i:{_WHOLE})\\*\"\s*:\s*\\*\"([^\s\"\\]{{8,}})",
        begins_word=False,
        mixed=True,
        # Vault writes keyed digests under these names, in every record (privacy.py, _NOTHING).
        sought=rf"\"(?i:{_WHOLE})\\*\"\s*:\s*\\*\"(?:[^h\[\\\"]|{_NO_DIGEST}|{_NO_MARK})",
    ),
    Rule(
        "secret",
        "an argument of a command: --password …, --token …, also as a list",
        r"--?(?:[a-z0-9]+-)*(?i:password|passwd|passphrase|token|api-?key|secret-?key|client-?secret"
        r"|secret-access-key|private-?key)(?:\s+|\\*\"\s*,\s*\\*\")\\*[\"']?"
        rf"([^\s\"'\\,;&<>(){{}}\[\]-]{_BARE})",
    ),
    Rule(
        "password",
        "curl -u user:…",
        rf"(?i:curl|wget)[^\"\\\r\n]*\s(?:-u|--user|--proxy-user)[\s=]*\\*[\"']?"
        rf"[^\s:\"'\\]+:({_BARE})",
        sought=r"(?:-u|--user|--proxy-user)[\s=]*\\*[\"']?[^\s:\"'\\]+:[^\s]",
    ),
    Rule(
        "password",
        "mysql -p…",
        r"(?:mysql|mysqldump|mariadb)[^\"\\\r\n]*\s-p([^\s\"'\\=-][^\s\"'\\]+)",
        sought=r"\s-p[^\s\"'\\=-]",
    ),
    Rule(
        "secret",
        "the end of a line of text: …password: …",
        rf"(?i:{_IN_TEXT}){AFTER_NAME}\s*:\s+({_BARE})(?:\\+[nr]|[\"\r\n]|$)",
        sought=_SOUGHT_LOOSE,
    ),
    Rule(
        "secret",
        "in a line of text: …password: … with digits in it",
        rf"(?i:{_IN_TEXT}|{_LOOSE}){AFTER_NAME}\s*:\s+({_BARE})",
        mixed=True,
        sought=_SOUGHT_LOOSE,
    ),
    Rule(
        "authorization",
        "a header in text: Authorization: …",
        r"(?i:authorization)\s*:\s*"
        r"(?i:(?:token|ssws|api-?key|digest|negotiate|key|splunk|geniekey|pat|jwt|hmac)\s+)?"
        r"([A-Za-z0-9._~+/=:-]{8,})",
        mixed=True,
        sought=_SOUGHT,
    ),
    Rule(
        "authorization",
        "a header in text: Cookie: …",
        r"(?i:set-cookie|cookie)\s*:\s*([^\"\\\s=;]+=[^\"\\\r\n]+)",
        sought=_SOUGHT,
    ),
    Rule(
        "secret",
        "percent-encoded, in an address inside an address: …token%3D…",
        rf"(?i:{ALL_NAMES}|{_LOOSE})%(?:25)*3[Dd]"
        r"((?:[A-Za-z0-9._~+/-]|%(?:25)*(?:[013-9A-Fa-f][0-9A-Fa-f]|2[0-57-9A-Fa-f])){6,})",
        begins_word=False,
        sought=_SOUGHT_LOOSE,
    ),
    Rule(
        "secret",
        "XML: <…password>…</…>",
        rf"<[A-Za-z0-9_.:\-]*(?i:{ALL_NAMES}|{_LOOSE})(?:\s[^<>]*)?>([^<>\"]{{3,}})<",
        begins_word=False,
        sought=_SOUGHT_LOOSE,
    ),
    Rule(
        "secret",
        'XML: key="…password" value="…"',
        rf"(?i:key|name)=\\*[\"'][^\"'<>\\]*(?i:{ALL_NAMES})\\*[\"']\s+(?i:value)=\\*[\"']"
        r"([^\"'\\<>]+)",
        sought=rf"(?i:{ALL_NAMES})\\*[\"']\s+(?i:value)=",
    ),
    Rule(
        "secret",
        "JSON escaped for HTML: &quot;…password&quot;:&quot;…",
        rf"{_HTML_QUOTE}[^&\"\\]*(?i:{ALL_NAMES}){AFTER_NAME}{_HTML_QUOTE}\s*:\s*{_HTML_QUOTE}"
        r"([^&\"\\]+)",
        begins_word=False,
        sought=_SOUGHT,
    ),
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


def _sixes(*bits: str) -> str:
    """The digits of base64 whose six bits are like one of these, `.` being either."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    like = re.compile("|".join(bits))
    return "[" + "".join(a for n, a in enumerate(alphabet) if like.fullmatch(f"{n:06b}")) + "]"


# Base64 of 18 bytes of text, of which each is printable ASCII or ends a line: one piece of noise in
# a million looks so. What stands there is looked at as the text that it is, once.
_DIGIT = "[A-Za-z0-9+/_-]"
_FOUR = (
    _sixes("00001.", "001...", "01....")
    + _sixes("..0000", "..001.", "..01..")
    + _sixes("....00", "....01")
    + _DIGIT
)
BASE64_SOUGHT = f"(?:{_FOUR}){{6}}"
BASE64 = f"{BASE64_SOUGHT}{_DIGIT}*={{0,2}}"
# Letters and what stands between a name and its value, as JSON may also write them, in texts in
# texts as well: read as what they stand for.
ESCAPED_SOUGHT = r"\\u00(?:[4-7][0-9A-Fa-f]|2[27]|3[AaDd])"
