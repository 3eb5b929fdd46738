"""CSV, syslog, CEF and quoted members taken apart; nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import lines

CEFS = [
    (
        "CEF:0|V|P|1|7|Log in|5|act=a b src=1.2.3.4 msg=x\\=y\\nz",
        {"act": "a b", "src": "1.2.3.4", "msg": "x=y\nz", "name": "Log in"},
    ),
    (r"CEF:0|V\|W|P|1|7|n|5|", {"deviceVendor": "V|W", "severity": "5"}),
    ('CEF:0|V|P|1|7|n|5|reason="a b=c d" suser=x', {"reason": "a b=c d", "suser": "x"}),
    ('CEF:0|V|P|1|7|n|5|reason="open suser=x', {"reason": '"open', "suser": "x"}),
    ("CEF: 1|V|P|1|7|n|5|dvc= shost=h", {"shost": "h", "cefVersion": "1"}),
    (
        "<13>Mar  4 05:06:07 box CEF:0|V|P|1|7|n|High|a=1",
        {"host": "box", "time": "Mar  4 05:06:07", "severity": "High"},
    ),
    ("CEF:0|V|P|1|7|n|5|name=other host=other", {"name": "n"}),
]


@pytest.mark.parametrize(("line", "expected"), CEFS)
def test_cef(line: str, expected: dict[str, str]) -> None:
    found = lines.cef(line)
    assert found is not None
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("line", ["", "CEF:", "CEF:0|V|P", "plain text", "CEF:x|a|b|c|d|e|f|g"])
def test_cef_that_is_none(line: str) -> None:
    assert lines.cef(line) is None


def test_labels_name_custom_fields() -> None:
    found = lines.cef('CEF:0|V|P|1|7|n|5|cs2Label="Safe Name" cs2=Linux cn1Label=Id cn1=17 cs3=x')
    assert found is not None
    assert found["labels"] == {"Safe Name": "Linux", "Id": "17"}


SYSLOGS = [
    ("<5>1 2031-03-04T05:06:07Z box rest", ("2031-03-04T05:06:07Z", "box", "rest")),
    ("<13>Mar  4 05:06:07 box rest", ("Mar  4 05:06:07", "box", "rest")),
    ("Mar 14 05:06:07 2031 box rest", ("Mar 14 05:06:07 2031", "box", "rest")),
    ("rest", (None, None, "rest")),
]


@pytest.mark.parametrize(("line", "expected"), SYSLOGS)
def test_syslog(line: str, expected: tuple[str | None, str | None, str]) -> None:
    header, rest = lines.syslog(line)
    assert (header.get("time"), header.get("host"), rest) == expected


def test_rows_are_named_by_the_first() -> None:
    found = list(lines.rows(b'\xef\xbb\xbfa, b\r\n1,"x\ny"\r\n\r\n,2\r\n'))
    assert found == [("line 2", {"a": "1", "b": "x\ny"}, "", b""), ("line 5", {"b": "2"}, "", b"")]


def test_rows_with_broken_quotes_are_told_and_the_rest_is_read() -> None:
    found = list(lines.rows(b'a,b\n"1"x,2\n3,4\n'))
    assert [(place, value) for place, value, *_ in found] == [
        ("line 2", None),
        ("line 3", {"a": "3", "b": "4"}),
    ]
    assert found[0][2].startswith("broken CSV: ")


def test_long_cell_is_read() -> None:
    found = list(lines.rows(b"a,b\n" + b"x" * 1_000_000 + b",2\n"))
    assert [len(value["a"]) for _, value, *_ in found] == [1_000_000]


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    lines.cef(text)
    lines.cef(f"CEF:0|a|b|c|d|e|f|{text}")
    lines.syslog(text)
    lines.quoted(text)
    list(lines.rows(text.encode("utf-8", "surrogatepass")))


HOSTILE = [
    ("CEF:0|a|b|c|d|e|f|" + " a=" * 200_000, 7),
    ("CEF:0|a|b|c|d|e|f|" + ' a="' * 150_000, 8),
    ("CEF:0|a|b|c|d|e|f| " + "a" * 600_000, 7),
    ("CEF:0|a|b|c|d|e|f|" + " ".join(f"k{number}=v" for number in range(50_000)), 50_007),
]


@pytest.mark.parametrize(("line", "members"), HOSTILE, ids=["keys", "quotes", "name", "many"])
def test_huge_line_is_read(line: str, members: int) -> None:
    found = lines.cef(line)
    assert found is not None
    assert len(found) == members


@pytest.mark.parametrize("line", ["CEF:0|" + "\\" * 600_000, "<" * 600_000], ids=["bars", "open"])
def test_huge_line_that_is_none(line: str) -> None:
    assert lines.cef(line) is None
    assert lines.syslog(line) == ({}, line)
