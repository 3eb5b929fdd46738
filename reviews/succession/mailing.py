"""One mail to each of several people about what changes hands: the rows of it, and the nudge."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from evidence import nudge
from identities.models import Person
from reviews.models import Notice


class Mail(NamedTuple):
    person: Person
    subject: str
    body: str


def write(mails: Iterable[Mail], *, page: str, occasion: str, now: datetime) -> None:
    """Each with the way to `page`; to nobody twice on the same occasion."""
    rows = [
        Notice(
            person=one.person,
            channel="mail",
            subject=one.subject,
            body=f"{one.body}\n\n{settings.BASE_URL}{page}\n",
            occasion=occasion,
            created_at=now,
            not_before=now,
        )
        for one in mails
    ]
    Notice.objects.bulk_create(rows, ignore_conflicts=True)
    if rows:
        nudge.after_commit("notice.written")
