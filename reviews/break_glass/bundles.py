"""Changing what break-glass can give: one person proposes a version, another signs or refuses it.

Owns Bundle rows. Nothing that is signed ever changes; a request keeps the version it asked for.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from evidence import ledger
from identities.actions import grants, two_person
from identities.enforcers.contract import Permission
from identities.models import Identity, Party, Team, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.break_glass import document, rights
from reviews.break_glass.document import Document
from reviews.models import Bundle
from reviews.policy_document import DocumentError

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,7}")
LONGEST_SLUG = 60
MOST_BUNDLES = 200


def in_force(slug: str) -> Bundle | None:
    """The version of this bundle that can be asked for."""
    return Bundle.objects.filter(slug=slug, state="in_force").first()


def catalogue() -> list[Bundle]:
    """What is in force and offered, by name; the last 200 names."""
    rows = Bundle.objects.filter(state="in_force").order_by("slug")[:MOST_BUNDLES]
    return [one for one in rows if one.document.get("offered", True)]


def checked(text: str) -> tuple[dict[str, Any], Document]:
    """What this text says, and that everything it names exists; or DocumentError with places."""
    value, found = document.read(text)
    problems = [*_missing(found), *_not_given(found)]
    if problems:
        raise DocumentError(problems)
    return value, found


def propose(*, slug: str, text: str, reason: str, by: User, now: datetime) -> Bundle:
    """A next version, which asks for a second person's signature. DocumentError, NotPossible."""
    require(rights.why_not_propose_bundle(by, now=now))
    slug = slug.strip().lower()
    if SLUG.fullmatch(slug) is None or len(slug) > LONGEST_SLUG:
        raise NotPossible(
            f"Name it in words of small letters and digits with - between them, {LONGEST_SLUG}"
            " characters at most: contain-agent."
        )
    value, _ = checked(text)
    reason = reason_given(reason, what="what changes, and what for")
    last = Bundle.objects.filter(slug=slug).order_by("-version").first()
    if last is not None and last.state == "in_force" and last.document == value:
        raise NotPossible(f"{last} says this already.")
    try:
        with transaction.atomic():
            row = Bundle.objects.create(
                slug=slug,
                version=1 if last is None else last.version + 1,
                document=value,
                **two_person.proposal(by=by, now=now, reason=reason),
            )
            _note(row, "bundle.proposed", f"{by.called} proposed {row}: {reason}", by=by, now=now)
    except IntegrityError:
        raise NotPossible(
            f"A version of {slug} waits for its second signature: sign or refuse that first."
        ) from None
    return row


def sign(*, bundle: Bundle, by: User, now: datetime) -> Bundle:
    """The second signature: it can be asked for from now on; requests keep their version."""
    with transaction.atomic():
        row = Bundle.objects.select_for_update(of=("self",)).get(pk=bundle.pk)
        require(rights.why_not_sign_bundle(by, row, now=now))
        problems = list(_missing(rights.document_of(row)))
        if problems:
            raise NotPossible(" ".join(f"{place}: {what}" for place, what in problems[:10]))
        Bundle.objects.filter(slug=row.slug, state="in_force").update(state="ended")
        # Its teams decide from now on, so that nobody joins one of them alone.
        for team in Team.objects.filter(name__in=_teams(_said(row)), party=None):
            Party.objects.get_or_create(team=team)
        two_person.settle(row, "in_force", by=by, now=now)
        words = "; ".join(f"{about}: {said}" for about, said in document.lines(_said(row)))
        _note(row, "bundle.signed", f"{by.called} signed {row}. {words}", by=by, now=now)
    return row


def refuse(*, bundle: Bundle, reason: str, by: User, now: datetime) -> Bundle:
    """It is never given."""
    with transaction.atomic():
        row = Bundle.objects.select_for_update(of=("self",)).get(pk=bundle.pk)
        require(rights.why_not_refuse_bundle(by, row, now=now))
        reason = reason_given(reason, what="why it is not to be given")
        two_person.settle(row, "refused", by=by, now=now, reason=reason)
        _note(row, "bundle.refused", f"{by.called} refused {row}: {reason}", by=by, now=now)
    return row


def _said(row: Bundle) -> Document:
    return rights.document_of(row)


def _teams(found: Document) -> set[str]:
    """The teams that sign by it, or may ask."""
    return {one.name for one in found.quorum.leaves() if one.of == "team"} | set(found.who.teams)


def _missing(found: Document) -> Iterator[tuple[str, str]]:
    """Names in the document that nothing has."""
    named = {(one.of, one.name) for one in found.quorum.leaves()}
    teams = _teams(found)
    there = set(Team.objects.filter(name__in=teams).values_list("name", flat=True))
    for name in sorted(teams - there):
        yield "quorum" if ("team", name) in named else "who.teams", f"There is no team {name!r}."
    if found.number is not None:
        holder = Identity.objects.filter(number=found.number).first()
        if holder is None:
            yield "holder", f"There is no identity NHI-{found.number:04d}."
        elif holder.state == "retired":
            yield "holder", f"{holder.name} is retired: nothing can be granted to it."


def _not_given(found: Document) -> Iterator[tuple[str, str]]:
    """Why its target would refuse it, as far as that is known without asking it."""
    waits = found.use_within_minutes if found.clock == "first_use" else 0
    starts = datetime(2026, 1, 1, tzinfo=UTC)
    target = found.target
    why = grants.why_not(
        grants.What(
            system=target.system,
            account=target.account,
            kind=target.kind,
            name=target.name,
            permissions=(Permission(found.actions, found.resources),),
            extra=dict(target.extra),
        ),
        starts_at=starts,
        ends_at=starts + timedelta(minutes=found.cap_minutes + waits),
    )
    if why:
        yield "target", why


def _note(row: Bundle, act: str, words: str, *, by: User, now: datetime) -> None:
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.called,
        act=act,
        subject=row.subject,
        words=words[:1_000],
        data={"bundle": str(row.pk), "version": row.version, "document": row.document},
    )
