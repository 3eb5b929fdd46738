"""Commenting on a case: words of people, with names who are told once.

Owns Comment rows. A comment answers nothing, so the case's version stays: a form that somebody
fills in meanwhile is not refused. The ledger holds its author and digest, the text stays here.
"""

from datetime import datetime
from hashlib import sha256

from django.db import transaction

from identities.models import User
from identities.permissions import NotAllowed, NotPossible, require
from reviews import commenting, permissions
from reviews.models import Case, Comment, Item

from . import entries, reminders

LONGEST = 2_000
# Further ones belong into a case of their own; a page and a file hold all of them.
MOST = 500


def comment(*, case: Case, text: str, by: User, now: datetime, item: Item | None = None) -> Comment:
    """Write a comment; whom it names is told, once, with a link and none of its words."""
    said = _said(text)
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(commenting.why_not_comment(by, case, now=now))
        if by.person is None:
            raise NotAllowed(permissions.NOBODY)
        if item is not None and item.case_id != case.pk:
            raise NotPossible("This item belongs to another case.")
        if case.comments.count() >= MOST:
            raise NotPossible(f"{case.key} has {MOST} comments: it takes no more.")
        persons = commenting.meant(said, case, now=now)
        row = Comment.objects.create(
            case=case,
            item=item,
            at=now,
            by=by,
            person=by.person,
            text=said,
            mentioned=[one.pk for one in persons],
        )
        entries.note(
            case,
            act="comment.written",
            words=f"{by.called} commented{'' if item is None else f' on {item.title}'}",
            by=by,
            now=now,
            data={
                "comment": str(row.pk),
                "item": None if item is None else str(item.pk),
                "digest": digest(row),
                "mentioned": [str(one.pk) for one in persons],
            },
        )
        reminders.tell(
            case,
            [one for one in persons if one.pk != by.person_id],
            occasion=f"comment {row.pk}",
            subject="you were mentioned",
            body=f"{by.called} mentioned you in a comment.",
            now=now,
        )
    return row


def digest(row: Comment) -> str:
    """What the ledger holds of a comment: SHA-256 of its id, a line break and its text."""
    return sha256(f"{row.pk}\n{row.text}".encode()).hexdigest()


def _said(text: str) -> str:
    said = text.replace("\r\n", "\n").strip()
    if not said:
        raise NotPossible("Write something first: a comment without words says nothing.")
    if len(said) > LONGEST:
        raise NotPossible(f"A comment has at most {LONGEST:,} characters: shorten it.")
    if "\0" in said:
        raise NotPossible("The comment holds a character that cannot be stored (NUL).")
    return said
