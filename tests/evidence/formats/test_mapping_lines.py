"""CEF behind every header that a mapping may meet, and behind none."""

import pytest

from evidence.formats.mapping_lines import message, syslog_pieces

EVENT = "CEF:0|Vendor|Product|1.0|7|Password Retrieved|3|suser=ann src=198.51.100.7 act=Retrieved"
SPACED = EVENT.replace("CEF:0", "CEF: 0")
FIELDS = {"suser": "ann", "src": "198.51.100.7", "act": "Retrieved", "deviceEventClassId": "7"}
HEADERS = [
    ("Nov 20 09:15:01 host ", "host"),
    ("<13>Nov 20 09:15:01 host ", "host"),
    ("<13>Nov 20 09:15:01 host app[7]: ", "host"),
    ("2026-11-20T09:15:01Z host ", "host"),
    ("<13>1 2026-11-20T09:15:01Z host app - - - ", "host"),
    ("", None),
    ("<13>", None),
]


@pytest.mark.parametrize("event", [EVENT, SPACED], ids=["close", "spaced"])
@pytest.mark.parametrize(("header", "host"), HEADERS)
def test_cef_is_found_behind_its_header(header: str, host: str | None, event: str) -> None:
    made = message(header + event, "cef", 2026)
    assert made is not None
    assert made.get("host") == host
    assert made["message"] == ""
    assert made["fields"].items() >= FIELDS.items()


def test_name_of_the_program_before_cef_is_no_part_of_it() -> None:
    made = message(f"<13>Nov 20 09:15:01 host app[7]: {EVENT}", "cef", 2026)
    assert made is not None
    assert (made["app"], made["pid"], made["time"]) == ("app", "7", "Nov 20 2026 09:15:01")


@pytest.mark.parametrize("payload", ["text", "json", "keyvalue"])
def test_bare_line_stays_no_syslog_for_other_payloads(payload: str) -> None:
    assert message(EVENT, payload, 2026) is None


def test_line_without_cef_is_a_reject() -> None:
    body = f"{EVENT}\nNov 20 09:15:01 host nothing of it\n".encode()
    found = list(syslog_pieces("cef", 2026)(body))
    assert [(place, problem) for place, _, problem, _ in found] == [
        ("line 1", ""),
        ("line 2", "is no syslog line with cef in it"),
    ]
