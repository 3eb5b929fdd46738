"""What one person is told of many cases in the same words, as one mail.

Owns which notices those are and how the one mail reads. Each keeps its row: that it went out says
whom the request of which case has reached (docs/decisions/0045).
"""

import re
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from reviews.models import FAST, GATHERED, HELD, Notice

# "CS-12: decide soon": of which case it is, and its kind.
ABOUT = re.compile(r"(CS-\d+): (.+)", re.DOTALL)
# So many cases are named; there may be thousands after an outage.
MOST_NAMED = 20
# With so many others at once; what is left over is the next mail.
MOST = 5_000


def with_it(first: Notice, waiting: QuerySet[Notice], *, now: datetime) -> list[Notice]:
    """What goes out in the mail of this one: of the same person and kind, due or gathering."""
    about = ABOUT.fullmatch(first.subject)
    if first.channel != "mail" or first.person_id is None or first.address or about is None:
        return []
    rows = waiting.filter(
        person=first.person_id,
        channel="mail",
        address="",
        not_before__lte=now + GATHERED,
        subject__endswith=f": {about[2]}",
    ).exclude(pk=first.pk)
    found = rows.order_by("not_before", "pk")[:MOST]
    return [one for one in found if ABOUT.fullmatch(one.subject) and _kind(one) == about[2]]


def as_one(those: Sequence[Notice]) -> Notice:
    """These as one message; it is not saved, and has the id of the first."""
    first = those[0]
    said: dict[str, list[str]] = {}
    for one in those:
        about = ABOUT.fullmatch(one.subject)
        said.setdefault(about[1] if about else "", []).append(one.body.rstrip())
    if len(those) == 1:
        return first
    subject, body = first.subject, _in_words(said, _kind(first))
    if len(said) > 1:
        subject = f"{len(said):,} cases: {_kind(first)}"
    return Notice(
        pk=first.pk,
        person=first.person,
        channel=first.channel,
        subject=subject,
        body=body,
        case=first.case,
        occasion=first.occasion,
        created_at=first.created_at,
        not_before=first.not_before,
    )


def _kind(one: Notice) -> str:
    return one.subject.partition(": ")[2]


def _number(said: tuple[str, list[str]]) -> int:
    return int(said[0].partition("-")[2] or 0)


def _in_words(said: dict[str, list[str]], kind: str) -> str:
    parts = [
        "\n\n".join([key, *dict.fromkeys(bodies)] if len(said) > 1 else dict.fromkeys(bodies))
        for key, bodies in sorted(said.items(), key=_number)[:MOST_NAMED]
    ]
    if len(said) > MOST_NAMED:
        parts.append(f"And {len(said) - MOST_NAMED:,} more.")
    if len(said) > 1:
        listed = {HELD: "releases/", FAST: "cases/?again=mine"}.get(kind, "queue/")
        parts.append(f"All on one list: {settings.BASE_URL}/{listed}")
    return "\n\n".join(parts) + "\n"
