"""OpenAI's audit log: sessions and keys, details under either writing of a type."""

from pathlib import Path

from evidence.formats.record import ActorName
from tests.evidence.formats.abuse import labelled, parse, read, said, sample


def test_record_reads_whole() -> None:
    record = read("openai", sample("openai")[1])
    assert (record.at, record.realm, record.vendor_id, record.error) == (
        1_930_000_060_000_000,
        "openai",
        "audit_log-sample001",
        "invalid_credentials",
    )
    assert (record.address, record.user_agent) == ("192.0.2.10", "Mozilla/5.0")


def test_details_are_found_under_dots_and_under_underscores() -> None:
    dotted = sample("openai")[3]
    lined = {name.replace("api_key.created", "api_key_created"): v for name, v in dotted.items()}
    assert said(read("openai", dotted)) == said(read("openai", lined))


def test_key_that_was_issued_is_the_key_that_is_used() -> None:
    issued, used = parse("openai", sample("openai")[3:5]).records
    assert issued.issued is not None
    assert issued.issued.credential == used.credential
    assert issued.issued.issued_to == ActorName("openai", "user", "rosa@harbour.example")


def test_recorded_rows_say_who(data: Path) -> None:
    parsed = parse("openai", labelled(data, "openai"))
    assert (len(parsed.records), parsed.rejects) == (14, [])
    assert [one.action for one in parsed.records if one.principal is None] == []
