"""What Microsoft's logs have in common: who acted is remembered by what decides it, by nothing less."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from evidence.formats.record import ActorName, Record
from tests.evidence.formats import abuse

# A member in lower case of whose like nothing is remembered: beside it, the whole record is read.
WHOLE = {"entra": "managedidentitytype", "azure": "tenantid", "microsoft365": "usertype"}
OTHERS: tuple[Any, ...] = (
    *("someone@example.com", "99999999-9999-4999-8999-999999999999", "", "a\0b", 1, True, 1.0),
    *({}, [], None, {"user": {"id": "u"}}, ["managedIdentity"]),
)


def _actors(record: Record) -> tuple[ActorName | None, ...]:
    return record.principal, record.credential, record.agent, record.on_behalf


def _others(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The record, and with each of its values replaced by each of a few others."""
    yield record
    for place in range(sum(1 for _ in abuse.holders(record))):
        for value in OTHERS:
            other = copy.deepcopy(record)
            holder, key = list(abuse.holders(other))[place]
            holder[key] = value
            yield other


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_else_decides_who_acted(name: str) -> None:
    low = WHOLE[name]
    records = [
        other
        for record in abuse.sample(name)
        if low not in record and low not in (record.get("properties") or ())
        for other in _others(record)
    ]
    remembered = abuse.parse(name, records)
    whole = abuse.parse(name, [{low: None, **record} for record in records])
    assert len(remembered.records) > len(records) / 2
    for found, wanted in zip(remembered.records, whole.records, strict=True):
        assert _actors(found) == _actors(wanted), found.position


def test_what_is_written_alike_is_not_one() -> None:
    record = abuse.sample("microsoft365")[0]
    found = [
        abuse.read("microsoft365", {**record, "UserId": said, "Actor": []}).principal
        for said in ("1", 1, True, 1.0, "1")
    ]
    assert [one and one.value for one in found] == [
        *("1", "1"),
        record["ApplicationId"],
        *("1", "1"),
    ]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("198.51.100.7:4421", "198.51.100.7"),
        ("198.51.100.7", "198.51.100.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("198.51.100.7:", "198.51.100.7:"),
        ("198.51.100:80", "198.51.100:80"),
        ("198.51.100.7:80:81", "198.51.100.7:80:81"),
        ("[198.51.100.7:80", "[198.51.100.7:80"),
        ("x]:80", "x]:80"),
        (":80", ":80"),
    ],
)
def test_an_address_loses_its_port(said: str, kept: str) -> None:
    record = abuse.sample("microsoft365")[0]
    assert abuse.read("microsoft365", {**record, "ClientIP": said}).address == kept
