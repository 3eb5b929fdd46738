"""The privacy rule: every kind of secret, and what must stay."""

import gzip

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import privacy, secret_rules
from tests.evidence.formats.conftest import DATA

# Secrets are put together here so that no scanner of this repository stops at them.
A40 = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"
CASES = [
    ("github", f"token ghp_{'a1' * 18} here", f"ghp_{'a1' * 18}"),
    ("github", f"github_pat_{'b' * 30}", f"github_pat_{'b' * 30}"),
    ("gitlab", f"x glpat-{'c' * 20}", f"glpat-{'c' * 20}"),
    ("slack", "xoxb-123456789012-abcdef", "xoxb-123456789012-abcdef"),
    ("webhook", f"https://hooks.slack.com/services/T0/B0/{'d' * 24}", f"T0/B0/{'d' * 24}"),
    ("stripe", f"sk_live_{'e' * 24}", f"sk_live_{'e' * 24}"),
    ("anthropic", f"sk-ant-api03-{'f' * 24}", f"sk-ant-api03-{'f' * 24}"),
    ("openai", f"sk-proj-{'g' * 24}", f"sk-proj-{'g' * 24}"),
    ("openai", f"key sk-{'G' * 40}", f"sk-{'G' * 40}"),
    ("google", f"AIza{'h' * 35}", f"AIza{'h' * 35}"),
    ("huggingface", f"hf_{'i' * 34}", f"hf_{'i' * 34}"),
    ("vault", f"hvs.{'j' * 24}", f"hvs.{'j' * 24}"),
    ("jwt", f"got {JWT}", JWT),
    ("bearer", "Authorization: Bearer abcdef0123456789xyz", "abcdef0123456789xyz"),
    ("basic", "authorization: basic Zm9vOmJhcg==", "Zm9vOmJhcg=="),
    ("connection", "postgres://app:s3cr3t@db/x", "s3cr3t"),
    ("private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END", "\nMIIE\nabc=\n"),
    ("aws_secret", f"AWS_SECRET_ACCESS_KEY={A40}", A40),
    ("aws_secret", f"secretAccessKey = '{A40}'", A40),
    ("aws_session_token", "x IQoJb3JpZ2luX2Vj" + "k" * 60, "IQoJb3JpZ2luX2Vj" + "k" * 60),
    ("password", "mysql --password=hunter22", "hunter22"),
    ("password", "{'dbPassword': 'hunter22'}", "hunter22"),
    ("secret", "GET /p?api_key=abcd1234&x=1", "abcd1234"),
    ("secret", "GET /p?x=1&token=abcd1234efgh", "abcd1234efgh"),
    ("secret", "x-api-key: abcd1234efgh", "abcd1234efgh"),
]


@pytest.mark.parametrize(("kind", "text", "secret"), CASES)
def test_secret_of_each_kind_is_replaced(kind: str, text: str, secret: str) -> None:
    clean, hits = privacy.redact_text(text)
    assert clean == text.replace(secret, f"[redacted:{kind}:{len(secret)}]")
    assert [(hit.kind, hit.length) for hit in hits] == [(kind, len(secret))]


@pytest.mark.parametrize(("kind", "text", "secret"), CASES)
def test_secret_of_each_kind_is_suspicious_after_any_byte(
    kind: str, text: str, secret: str
) -> None:
    assert [
        byte for byte in range(256) if not privacy.suspicious(bytes([byte]) + text.encode())
    ] == []


@pytest.mark.parametrize(("kind", "text", "secret"), CASES)
def test_secret_inside_json_leaves_json(kind: str, text: str, secret: str) -> None:
    value = {"a": f"before\n{text}", "b": [1, {"c": orjson.dumps({"d": text}).decode()}]}
    clean, hits = privacy.redact(orjson.dumps(value))
    again = orjson.loads(clean)
    assert secret not in again["a"]
    assert secret not in orjson.loads(again["b"][1]["c"])["d"]
    assert len(hits) == 2


MEMBERS = [
    ("password", "password"),
    ("masterUserPassword", "password"),
    ("SecretString", "secret"),
    ("secretAccessKey", "aws_secret"),
    ("sessionToken", "aws_session_token"),
    ("client_secret", "secret"),
    ("Authorization", "authorization"),
]
VALUES = ["s", 'quo"te', "back\\slash", "line\nfeed", "ünïcode", "a,b}c]d"]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("member", "kind"), MEMBERS)
def test_json_member_is_replaced_whole_at_both_depths(member: str, kind: str, value: str) -> None:
    inner = {member: value, "z": "stays"}
    clean, _ = privacy.redact(orjson.dumps({**inner, "text": orjson.dumps(inner).decode()}))
    again = orjson.loads(clean)
    assert again[member].startswith(f"[redacted:{kind}:")
    assert again["z"] == "stays"
    nested = orjson.loads(again["text"])
    assert (nested[member].startswith(f"[redacted:{kind}:"), nested["z"]) == (True, "stays")


STAYS = [
    "AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE",
    '{"passwordResetRequired":"x","PasswordLastUsed":"2031"}',
    '{"nextToken":"abcdefghijkl","clientToken":"abcdefghijkl","secretId":"prod/db"}',
    '{"password":"HIDDEN_DUE_TO_SECURITY_REASONS","secretString":"***"}',
    '{"password":"${DB_PASSWORD}","apiKey":"<sensitiveDataRemoved>"}',
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-Ab3dE6",
    "password: must contain at least eight letters",
    "risk-abcdefghijklmnopqrstuvwxyzabcdefghijklmnop",
    "https://host:443/path@here",
    "0af7651916cd43dd8448eb211c80319c",
    A40,
]


@pytest.mark.parametrize("text", STAYS)
def test_text_without_secret_stays(text: str) -> None:
    assert privacy.redact_text(text) == (text, [])


def test_redaction_of_redacted_text_changes_nothing() -> None:
    text = " ".join(text for _, text, _ in CASES).encode()
    clean, _ = privacy.redact(text)
    assert privacy.redact(clean) == (clean, [])


def test_hits_among_texts_name_the_texts() -> None:
    texts = [b"nothing", b"password=hunter22", b"", b"ghp_" + b"a" * 36, b"x"]
    assert privacy.hit_among(texts) == {1, 3}


@given(st.lists(st.sampled_from([case[1] for case in CASES] + STAYS + [""]), max_size=6))
def test_hits_among_texts_miss_none(texts: list[str]) -> None:
    given_texts = [orjson.dumps({"t": text}) for text in texts]
    alone = {number for number, text in enumerate(given_texts) if privacy.redact(text)[1]}
    assert alone - privacy.hit_among(given_texts) == set()


NAMED = [
    word.replace("[_-]?", "_") for names in secret_rules.NAMES.values() for word in names.split("|")
]
BETWEEN = ['": "', '":"', '\\": \\"', "': '", "=", " = ", "='", '=\\"', ': "', '"=']
AFTER = ["ab", "abc", "a b", "", '"', "\\", '\\\\\\"', "'", "é", "[redacted:x:1]"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", '"', '\\"', "'", "my.", "x-", "://"]),
            st.sampled_from([*NAMED, *map(str.upper, NAMED), "u:p@h", "token", "name"]),
            st.sampled_from(BETWEEN),
            st.sampled_from(AFTER),
            st.sampled_from(['"', '\\"', "'", " ", "@"]),
        ),
        max_size=4,
    )
)
def test_first_look_finds_what_any_rule_finds(parts: list[tuple[str, ...]]) -> None:
    texts = ["".join(part).encode() for part in parts]
    alone = {number for number, text in enumerate(texts) if privacy.redact(text)[1]}
    assert alone - privacy.hit_among(texts) == set()


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=60), max_size=5))
def test_json_of_any_text_stays_json(value: dict[str, str]) -> None:
    try:
        text = orjson.dumps(value)
    except (TypeError, UnicodeEncodeError):
        return
    # A name may hold a secret as well.
    assert len(orjson.loads(privacy.redact(text)[0])) == len(value)


@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_taken(data: bytes) -> None:
    privacy.redact(data)
    privacy.suspicious(data)
    assert len(privacy.excerpt(data)) <= privacy.EXCERPT


def test_excerpt_never_shows_half_a_secret() -> None:
    raw = b"x" * (16_384 - 60) + b" ghp_" + b"a" * 200
    assert "ghp_" not in privacy.excerpt(raw)
    assert privacy.excerpt(b"ghp_" + b"a" * 400) == "[redacted:github:404]"


if DATA.is_dir():

    def test_recordings_only_session_tokens_are_hit() -> None:
        kinds = []
        for path in sorted((DATA / "cloudtrail-invictus").glob("*.gz")):
            for record in orjson.loads(gzip.decompress(path.read_bytes()))["Records"]:
                text = orjson.dumps(record)
                kinds += [(hit.kind, hit.length > 400) for hit in privacy.redact(text)[1]]
        assert (set(kinds), len(kinds)) == ({("aws_session_token", True)}, 36)
