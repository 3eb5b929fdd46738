"""Which event was read from what: places of rejects, and both readings side by side."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats.record import Record, Rejected
from evidence.intake.places import numbers, places
from evidence.rereading.aligning import NotAligned, OldEvent, OldReject, align

AT = datetime(2026, 11, 24, tzinfo=UTC)


def record(position: str) -> Record:
    return Record(position, position.encode().ljust(16, b"\0")[:16], 0, "x", 1, 1, 1, "act")


def reject(position: str) -> Rejected:
    return Rejected(position, "why", "")


def event(number: int, ordinal: int) -> OldEvent:
    return OldEvent(AT, number, ordinal, b"", True)


def test_positions_sort_as_numbers() -> None:
    found = ["line 12 Records[3]", "line 2", "line 12", "spans[0.0.10]", "spans[0.0.9]"]
    assert sorted(found, key=numbers) == [
        "spans[0.0.9]",
        "spans[0.0.10]",
        "line 2",
        "line 12",
        "line 12 Records[3]",
    ]


@given(st.lists(st.sampled_from(["read", "unread", "refused"]), max_size=60))
def test_places_count_every_element_once(kinds: list[str]) -> None:
    records, unread, refused, wanted = [], [], [], {}
    for number, kind in enumerate(kinds):
        position = f"Records[{number}]"
        if kind == "unread":
            unread.append(reject(position))
        else:
            records.append(record(position))
        if kind == "refused":
            refused.append(reject(position))
        wanted[position] = number
    found = places(records, unread, refused)
    assert found == [wanted[one.position] for one in (*unread, *refused)]


@given(
    st.lists(st.sampled_from(["event", "duplicate", "unread"]), min_size=1, max_size=40), st.data()
)
def test_every_event_finds_its_element_whatever_is_read_there_now(
    kinds: list[str], data: st.DataObject
) -> None:
    events, answered, ordinal = [], [], 0
    for element, kind in enumerate(kinds):
        if kind == "unread":
            answered.append(OldReject(element, f"line {element}", element, True))
            continue
        if kind == "event":
            events.append(event(element, ordinal))
        ordinal += 1
    now = data.draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds)))
    found = align(
        many=len(kinds),
        records=[record(f"Records[{one}]") for one, read in enumerate(now) if read],
        rejects=[reject(f"Records[{one}]") for one, read in enumerate(now) if not read],
        events=events,
        answered=answered,
        kept_as_list=True,
    )
    for pair in found.pairs:
        kind = kinds[pair.element]
        assert (pair.old.id if pair.old else None) == (pair.element if kind == "event" else None)
        assert pair.new == (kind == "unread")
    assert sorted(element for _, element in found.left) == [
        element for element, kind in enumerate(kinds) if kind == "event" and not now[element]
    ]
    # What was a reject and is one still keeps its words.
    still = {one for one, kind in enumerate(kinds) if kind == "unread" and not now[one]}
    assert set(found.void) == {one.id for one in answered} - still
    assert {element for element, _ in found.rejects} == {
        element for element, read in enumerate(now) if not read
    } - still


def test_one_element_that_now_tells_of_several_keeps_its_event_for_the_first() -> None:
    found = align(
        many=1,
        records=[record("Records[0].events[0]"), record("Records[0].events[1]")],
        rejects=[],
        events=[event(7, 0)],
        answered=[],
        kept_as_list=True,
    )
    assert [(one.old.id if one.old else None, one.new) for one in found.pairs] == [
        (7, False),
        (None, True),
    ]


def test_events_of_elements_that_nothing_reads_are_found_by_their_number() -> None:
    found = align(
        many=2,
        records=[record("Records[0]"), record("Records[1]")],
        rejects=[],
        events=[event(8, -2), event(7, 0)],
        answered=[OldReject(1, "Records[1]", 1, True)],
        kept_as_list=True,
    )
    assert [one.old.id for one in found.pairs if one.old] == [7, 8]


@pytest.mark.parametrize(
    ("many", "events", "answered", "said"),
    [
        (3, [], [], "2 elements are found where 3 were kept"),
        (2, [event(1, 5)], [], "it has more events than records"),
        (2, [], [OldReject(1, "line 1", None, True)], "before the places of rejects were kept"),
    ],
)
def test_deposit_that_does_not_fit_is_refused(
    many: int, events: list[OldEvent], answered: list[OldReject], said: str
) -> None:
    with pytest.raises(NotAligned, match=said):
        align(
            many=many,
            records=[record("Records[0]"), record("Records[1]")],
            rejects=[],
            events=events,
            answered=answered,
            kept_as_list=True,
        )


def test_bodies_that_are_no_list_are_paired_by_rank() -> None:
    found = align(
        many=3,
        records=[record("spans[0.0.2]"), record("spans[0.0.10]")],
        rejects=[reject("spans[0.0.3]")],
        events=[event(1, 0), event(2, 1)],
        answered=[OldReject(1, "spans[0.0.3]", 1, True)],
        kept_as_list=False,
    )
    assert [(one.element, one.old.id if one.old else None) for one in found.pairs] == [
        (0, 1),
        (2, 2),
    ]
