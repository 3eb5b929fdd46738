"""Which rule a secret falls under, and what of it is replaced: the first rule that matches there."""

import pytest

from evidence import privacy
from evidence.secret_rules import RULES

# (text, (kind, secret) of each hit): where a word or the text ends decides between two rules.
TOLD: tuple[tuple[bytes, list[tuple[str, bytes]]], ...] = (
    (b"ghp_" + b"a" * 36, [("github", b"ghp_" + b"a" * 36)]),
    (b"xghp_" + b"a" * 36, []),
    (b"s.abcdefghijklmnopqrstuv12", [("vault", b"s.abcdefghijklmnopqrstuv12")]),
    (b"s.abcdefghijklmnopqrstuv12_", []),
    (b"password: hunter", [("secret", b"hunter")]),
    (b"password: hunter again", []),
    (b"password: hunter2 again", [("secret", b"hunter2")]),
    (b"password: hunter\nagain", [("secret", b"hunter")]),
    (b"password=hunter", [("password", b"hunter")]),
    (b'{"password":"hunter two"}', [("password", b"hunter two")]),
    (b'{"access_token":["one","two"]}', [("secret", b'one","two')]),
    (
        b"https://u:first@h and https://v:second@h",
        [("connection", b"first"), ("connection", b"second")],
    ),
)


@pytest.mark.parametrize(("text", "told"), TOLD, ids=lambda value: str(value)[:40])
def test_a_hit_is_the_first_rules_that_matches(text: bytes, told: list[tuple[str, bytes]]) -> None:
    clean, hits = privacy.redact(text)
    expected = text
    for kind, secret in told:
        expected = expected.replace(secret, privacy.replacement(kind, len(secret)), 1)
    assert clean == expected
    assert [(hit.kind, text[hit.start : hit.start + hit.length]) for hit in hits] == told


def test_what_matches_nothing_is_the_same_object() -> None:
    text = b'{"nothing":"here"}'
    assert privacy.redact(text)[0] is text


def test_every_rule_is_asked_alone_by_its_own_pattern() -> None:
    patterns = [rule.pattern.encode() for rule in RULES]
    alone = [one.pattern for one in privacy._EACH]
    assert [one.endswith(rule) for one, rule in zip(alone, patterns, strict=True)] == [True] * len(
        RULES
    )
