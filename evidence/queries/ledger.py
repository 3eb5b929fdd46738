"""Rows of the ledger for its page and for the API: newest first, by keyset.

Owns what is shown of a row that belongs to a sealed case: its commitment, nothing else.
"""

import re
from datetime import datetime
from typing import Any, NamedTuple

from django.core.cache import cache
from django.db import connection
from django.db.models import Q

from evidence import ledger, withheld
from evidence.models import LedgerEntry
from evidence.withheld import Withheld

PAGE = 50
KEPT_SECONDS = 60
SEALED_WORDS = "sealed: a commitment only"
# The different acts by walking the index of subjects would scan; a bounded look is enough.
MOST_ACTS_FROM = 20_000

PLACES = {
    "CS": "/cases/{}/",
    "NHI": "/identities/{}/",
    "CRED": "/credentials/{}/",
    "F": "/findings/{}/",
    "RUN": "/runs/{}/",
}


class Filter(NamedTuple):
    """What is asked for; empty is no condition."""

    q: str = ""
    act: str = ""
    subject: str = ""


def rows(
    asked: Filter, *, hidden: Withheld, before: int | None = None
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of entries and where the next begins; `hidden` is what sealed cases of others withhold."""
    found = LedgerEntry.objects.order_by("-id").select_related("seal")
    if before is not None:
        found = found.filter(pk__lt=before)
    if asked.act:
        found = found.filter(act=asked.act)
    if asked.subject:
        found = found.filter(subject=asked.subject)
    if asked.q:
        found = found.filter(Q(subject__iexact=asked.q) | Q(by_name__icontains=asked.q))
    if asked.subject or asked.q or asked.act:
        # A search says nothing about rows whose words may not be seen.
        found = hidden.left_out(found)
    page = list(found[: PAGE + 1])
    shown = [_row(one, hidden) for one in page[:PAGE]]
    return shown, page[PAGE - 1].pk if len(page) > PAGE else None


def _row(entry: LedgerEntry, hidden: Withheld) -> dict[str, Any]:
    seal = getattr(entry, "seal", None)
    digest = bytes(entry.digest).hex()
    row: dict[str, Any] = {
        "number": seal.number if seal is not None else None,
        "at": entry.at,
        "recorded_at": entry.recorded_at,
        "by": entry.by_name or entry.by,
        "act": entry.act,
        "subject": entry.subject,
        "subject_url": place(entry.subject),
        "words": hidden.unnamed(entry.words),
        "digest": f"{digest[:4]}…{digest[-4:]}",
    }
    if hidden.hides(entry):
        row |= {"by": "", "act": "", "subject": "", "subject_url": "", "words": SEALED_WORDS}
    return row


def place(subject: str) -> str:
    """The page of a subject: "CS-12", "source:lab"; empty when it has none."""
    found = re.fullmatch(r"(CS|NHI|CRED|F|RUN)-\d+", subject)
    if found is not None:
        return PLACES[found[1]].format(subject)
    source = re.fullmatch(r"source:([a-z0-9_-]+)", subject)
    return f"/sources/{source[1]}/" if source is not None else ""


def acts() -> list[str]:
    """The acts of the newest entries, for the filter; a minute old at most. Not those of which only
    the rows of sealed cases tell."""
    found: list[str] | None = cache.get("evidence.ledger.acts")
    if found is None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT act FROM (SELECT act, subject, sealed_case"
                " FROM evidence_ledgerentry ORDER BY id DESC LIMIT %s) a"
                " WHERE sealed_case IS NULL AND subject <> ALL(%s) ORDER BY 1",
                [MOST_ACTS_FROM, list(withheld.everywhere().keys)],
            )
            found = [act for (act,) in cursor.fetchall()]
        cache.set("evidence.ledger.acts", found, KEPT_SECONDS)
    return found


def sealed() -> dict[str, Any]:
    """How far the ledger is sealed, and how many entries wait for it."""
    number, at = ledger.sealed_to()
    moment: datetime | None = at
    return {"row": number, "at": moment, "waiting": ledger.waiting()}
