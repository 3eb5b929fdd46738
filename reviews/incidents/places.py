"""How a place in a timeline is written in an address, and what the address of a timeline may ask.

Owns the words of the filters. Pure: knows neither rows nor pages.
"""

import re
from datetime import datetime, timedelta

from evidence.intake.admitting import EPOCH, micros
from evidence.parameters import Known
from evidence.queries.events import parse_moment
from reviews.incidents.reading import NOTE, SHOWN, STRENGTHS, Asked, Place

_PLACE = re.compile(r"(\d{1,16})-([0-5])-(\d{1,39})")


def text_of(place: Place) -> str:
    """ "<microseconds>-<kind>-<number>"."""
    return f"{micros(place.at)}-{place.kind}-{place.number}"


def place_in(text: str) -> Place | None:
    """The place that such a text means."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    kind, number = int(found[2]), int(found[3])
    if number >= (2**128 if kind == NOTE else 2**63):
        return None
    try:
        return Place(EPOCH + timedelta(microseconds=int(found[1])), kind, number)
    except OverflowError:
        return None


def _is_place(text: str) -> bool:
    return place_in(text) is not None


def _is_moment(text: str) -> bool:
    return parse_moment(text) is not None


# What the address of a page of a timeline may ask; without the places, of all of it.
FILTERS: Known = {
    "show": SHOWN,
    "label": (),
    "strength": tuple(STRENGTHS),
    "from": _is_moment,
    "to": _is_moment,
}
PAGED: Known = {**FILTERS, "before": _is_place, "after": _is_place}


def asked_of(said: dict[str, str], bounds: tuple[datetime, datetime]) -> Asked:
    """What is asked for; without a time of its own within these bounds."""
    return Asked(
        begins=parse_moment(said.get("from", "")) or bounds[0],
        ends=parse_moment(said.get("to", "")) or bounds[1],
        show=said.get("show") or "all",
        label=said.get("label", "").lower(),
        strength=said.get("strength", ""),
    )
