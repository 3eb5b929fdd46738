"""How long it took: to detect, to attribute, to contain, to prove; each from the act, by stored moments.

Owns what each clock is measured from and to. Writes nothing.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Min

from reviews.incidents import contained
from reviews.models import Case, Room


class Clock(NamedTuple):
    """One of the four. `since` and `at` are stored moments; `at` None: it runs, and `since` None:
    there is nothing that it could be measured from."""

    name: str
    since: datetime | None
    at: datetime | None
    done: int = 0
    of: int = 0

    @property
    def took(self) -> timedelta | None:
        """How long it took; nothing where the end was known before the beginning."""
        if self.since is None or self.at is None:
            return None
        return max(self.at - self.since, timedelta())


def spoken(span: timedelta) -> str:
    """ "51 s", "15 min 22 s", "1 h 20 min", "3 d 4 h": its two largest units."""
    seconds = max(0, int(span.total_seconds()))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for unit, size in units:
        count, seconds = divmod(seconds, size)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}" if count or not parts else "")
    return " ".join(one for one in parts[:2] if one)


def of(case: Case, room: Room, *, now: datetime) -> list[Clock]:
    """The four clocks. To detect: from the first event under a finding of the case. To attribute:
    from then to the first answer to who. To contain and to prove: from the detection until all that
    its steps stop is held or dead, and until every revocation is effective."""
    first = case.findings.aggregate(first=Min("first_at"))["first"]
    state = contained.state(case, now=now)
    return [
        Clock("detected", first, room.detected_at),
        Clock("attributed", room.detected_at, room.attributed_at),
        Clock("contained", room.detected_at, state.contained_at),
        Clock("proved", room.detected_at, state.proved_at, state.effective, state.asked),
    ]
