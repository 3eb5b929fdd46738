"""Playbooks: one person proposes a version, another puts it in force, refuses it, or one ends it.

Owns Playbook rows. Nothing that is signed ever changes; a run keeps the version it was signed with.
How they run is running.py.
"""

import re
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from evidence import ledger
from identities.actions import two_person
from identities.models import User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.models import Playbook

from . import containment_rights as rights
from . import playbook_document as document
from .playbook_document import Document

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,7}")
LONGEST_SLUG = 60
MOST = 200


def in_force() -> list[Playbook]:
    """What can be run, by name; the first 200."""
    return list(Playbook.objects.filter(state="in_force").order_by("slug")[:MOST])


def document_of(row: Playbook) -> Document:
    """What this version says."""
    return document.parse(row.document)


def propose(*, slug: str, text: str, reason: str, by: User, now: datetime) -> Playbook:
    """A next version, which asks for a second person's signature. DocumentError, NotPossible."""
    require(rights.why_not_propose_playbook(by, now=now))
    slug = slug.strip().lower()
    if SLUG.fullmatch(slug) is None or len(slug) > LONGEST_SLUG:
        raise NotPossible(
            f"Name it in words of small letters and digits with - between them, {LONGEST_SLUG}"
            " characters at most: leaked-key."
        )
    value, _ = document.read(text)
    reason = reason_given(reason, what="what changes, and what for")
    last = Playbook.objects.filter(slug=slug).order_by("-version").first()
    if last is not None and last.state == "in_force" and last.document == value:
        raise NotPossible(f"{last} says this already.")
    try:
        with transaction.atomic():
            row = Playbook.objects.create(
                slug=slug,
                version=1 if last is None else last.version + 1,
                document=value,
                **two_person.proposal(by=by, now=now, reason=reason),
            )
            _note(row, "playbook.proposed", f"{by.called} proposed {row}: {reason}", by=by, now=now)
    except IntegrityError:
        raise NotPossible(
            f"A version of {slug} waits for its second signature: sign or refuse that first."
        ) from None
    return row


def sign(*, playbook: Playbook, by: User, now: datetime) -> Playbook:
    """The second signature: it can be run from now on, in place of the version before."""
    with transaction.atomic():
        row = _locked(playbook)
        require(rights.why_not_sign_playbook(by, row, now=now))
        Playbook.objects.filter(slug=row.slug, state="in_force").update(state="ended")
        two_person.settle(row, "in_force", by=by, now=now)
        words = "; ".join(f"{about}: {said}" for about, said in document.lines(document_of(row)))
        _note(row, "playbook.signed", f"{by.called} signed {row}. {words}", by=by, now=now)
    return row


def refuse(*, playbook: Playbook, reason: str, by: User, now: datetime) -> Playbook:
    """It is never run."""
    with transaction.atomic():
        row = _locked(playbook)
        require(rights.why_not_refuse_playbook(by, row, now=now))
        reason = reason_given(reason, what="why it is not to be run")
        two_person.settle(row, "refused", by=by, now=now, reason=reason)
        _note(row, "playbook.refused", f"{by.called} refused {row}: {reason}", by=by, now=now)
    return row


def end(*, playbook: Playbook, reason: str, by: User, now: datetime) -> Playbook:
    """Nobody runs it any more; what runs goes on."""
    with transaction.atomic():
        row = _locked(playbook)
        require(rights.why_not_end_playbook(by, row, now=now))
        reason = reason_given(reason, what="why it is run no more")
        row.state = "ended"
        row.save(update_fields=["state"])
        _note(row, "playbook.ended", f"{by.called} took {row} out of use: {reason}", by=by, now=now)
    return row


def _locked(playbook: Playbook) -> Playbook:
    # All versions of a name, so that two signatures are one after the other.
    rows = Playbook.objects.select_for_update(of=("self",)).filter(slug=playbook.slug)
    return next(row for row in rows.order_by("version") if row.pk == playbook.pk)


def _note(row: Playbook, act: str, words: str, *, by: User, now: datetime) -> None:
    data: dict[str, Any] = {
        "playbook": str(row.pk),
        "version": row.version,
        "document": row.document,
    }
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.called,
        act=act,
        subject=row.subject,
        words=words[:1_000],
        data=data,
    )
