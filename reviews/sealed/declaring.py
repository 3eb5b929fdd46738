"""Declaring what lies sealed: one person proposes a version, another signs it. And announcing drills.

Owns SealedCredential and SealedDrill rows. What is watched for is a name that the target's own log
writes; one that a sender of traces chooses proves nothing.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, transaction

from evidence import ledger
from evidence.models import Actor
from evidence.names import actor_ids, plain
from identities import actornames
from identities.actions import two_person
from identities.models import Credential, User
from identities.permissions import NOBODY, NotAllowed, NotPossible, require
from identities.reasons import reason_given
from reviews.models import SealedCredential, SealedDrill
from reviews.sealed import rights

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,7}")
CREDENTIAL = re.compile(r"CRED-0*([1-9]\d{0,14})")
LONGEST_SLUG, LONGEST = 60, 500
MOST_HOURS = 30 * 24
MOST_ROWS = 200
LONGEST_DRILL = timedelta(days=1)
MOST_AHEAD = timedelta(days=90)
NAMED = 5


class Declared(NamedTuple):
    """What is said of a sealed credential. `named`: an access key, an ARN, CRED-12, or the name that
    its system's log writes, with realm and kind before it where several have it."""

    slug: str
    words: str
    named: str
    kept: str
    openers: str
    review_within_hours: int = 24
    watched: bool = True


def in_force() -> list[SealedCredential]:
    """What is watched for, by name."""
    rows = SealedCredential.objects.filter(state="in_force", watched=True)
    return list(rows.select_related("actor").order_by("slug")[:MOST_ROWS])


def propose(*, declared: Declared, reason: str, by: User, now: datetime) -> SealedCredential:
    """A next version, which asks for a second person's signature. NotAllowed, NotPossible."""
    require(rights.why_not_propose_sealed(by, now=now))
    slug = declared.slug.strip().lower()
    if SLUG.fullmatch(slug) is None or len(slug) > LONGEST_SLUG:
        raise NotPossible(
            f"Name it in words of small letters and digits with - between them, {LONGEST_SLUG}"
            " characters at most: aws-root-key."
        )
    said = {
        "words": _said(declared.words, "what it is for"),
        "kept": _said(declared.kept, "where it lies"),
        "openers": _said(declared.openers, "who may open the envelope"),
    }
    if not 1 <= declared.review_within_hours <= MOST_HOURS:
        raise NotPossible(f"A use is looked back at within 1 to {MOST_HOURS} hours.")
    reason = reason_given(reason, what="what changes, and what for")
    # A name is made before the transaction, so that the memory of names holds committed ids.
    actor = actor_of(declared.named, now=now)
    try:
        with transaction.atomic():
            last = SealedCredential.objects.filter(slug=slug).order_by("-version").first()
            row = SealedCredential.objects.create(
                slug=slug,
                version=1 if last is None else last.version + 1,
                actor=actor,
                review_within_hours=declared.review_within_hours,
                watched=declared.watched,
                **two_person.proposal(by=by, now=now, reason=reason),
                **said,
            )
            _note(row, "proposed", f"{by.called} proposed {row}: {reason}", by=by, now=now)
    except IntegrityError:
        raise NotPossible(
            f"A version of {slug} waits for its second signature: sign or refuse that first."
        ) from None
    return row


def sign(*, sealed: SealedCredential, by: User, now: datetime) -> SealedCredential:
    """The second signature: its use is recognised from now on."""
    try:
        with transaction.atomic():
            row = _locked(sealed)
            require(rights.why_not_sign_sealed(by, row, now=now))
            before = SealedCredential.objects.filter(slug=row.slug, state="in_force")
            before.update(state="ended", until=now)
            two_person.settle(row, "in_force", by=by, now=now)
            what = "is watched for" if row.watched else "is declared no longer"
            words = f"{by.called} signed {row}: {row.actor.value} {what}. {row.kept}"
            _note(row, "signed", words, by=by, now=now)
    except IntegrityError:
        raise NotPossible(
            f"{sealed.actor.value[:200]} is declared under another name already: change that one."
        ) from None
    return row


def refuse(*, sealed: SealedCredential, reason: str, by: User, now: datetime) -> SealedCredential:
    """It is never in force."""
    with transaction.atomic():
        row = _locked(sealed)
        require(rights.why_not_refuse_sealed(by, row, now=now))
        reason = reason_given(reason, what="why it is not to be declared")
        two_person.settle(row, "refused", by=by, now=now, reason=reason)
        _note(row, "refused", f"{by.called} refused {row}: {reason}", by=by, now=now)
    return row


def announce(
    *,
    slug: str,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    by: User,
    now: datetime,
) -> SealedDrill:
    """Say beforehand that it is practised. Its use then is a drill, told and looked back at."""
    require(rights.why_not_announce(by, now=now))
    if by.person is None:
        raise NotAllowed(NOBODY)
    reason = reason_given(reason, what="who practises what")
    if not now <= starts_at < ends_at or starts_at > now + MOST_AHEAD:
        raise NotPossible("A drill begins from now on, within 90 days, and ends after it begins.")
    if ends_at - starts_at > LONGEST_DRILL:
        raise NotPossible("A drill lasts a day at most.")
    with transaction.atomic():
        row = SealedCredential.objects.filter(slug=slug, state="in_force", watched=True).first()
        if row is None:
            raise NotPossible(f"No sealed credential {slug[:60]!r} is in force.")
        drill = SealedDrill.objects.create(
            slug=slug,
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason,
            announced_at=now,
            announced_by=by.ref,
            announced_by_name=by.called,
            person=by.person,
        )
        words = (
            f"{by.called} announced a drill of {slug} from {starts_at:%-d %b %Y %H:%M} to"
            f" {ends_at:%-d %b %Y %H:%M} UTC: {reason}"
        )
        _note(row, "drill", words, by=by, now=now)
    return drill


def actor_of(text: str, *, now: datetime) -> Actor:
    """The name in evidence that this text says; NotPossible where it says none, or several."""
    text = plain(text).strip()
    if number := CREDENTIAL.fullmatch(text):
        found = Credential.objects.select_related("actor").filter(number=int(number[1])).first()
        if found is None:
            raise NotPossible(f"There is no credential {text}.")
        return _proves(found.actor)
    if (name := actornames.from_text(text)) is not None:
        # It may never have been used: the name is made here.
        return Actor.objects.get(pk=actor_ids([name], now=now)[name])
    rows = Actor.objects.filter(value=text)
    parts = text.split(" ", 2)
    if not rows and len(parts) == 3:
        rows = Actor.objects.filter(realm=parts[0], kind=parts[1], value=parts[2])
    known = list(rows.order_by("realm", "kind")[: NAMED + 1])
    if not known:
        raise NotPossible(
            f"No evidence names {text[:200]!r}: write an access key, an ARN, CRED-12, or the name"
            " that its system's log writes."
        )
    if len(known) > 1:
        ways = "; ".join(f"{one.realm} {one.kind} {one.value}"[:200] for one in known[:NAMED])
        raise NotPossible(f"Several are called this: write one of {ways}.")
    return _proves(known[0])


def _proves(actor: Actor) -> Actor:
    if actor.kind in actornames.SENDER_CHOSEN:
        raise NotPossible(
            f"{actor.value[:200]} is a name that whoever sends traces chooses: name the credential or"
            " the account that its system's own log writes."
        )
    return actor


def _said(text: str, what: str) -> str:
    said = plain(text).strip()
    if not said or len(said) > LONGEST:
        raise NotPossible(f"Say {what}, in at most {LONGEST} characters.")
    return said


def _locked(row: SealedCredential) -> SealedCredential:
    rows = SealedCredential.objects.select_for_update(of=("self",)).select_related("actor")
    return rows.get(pk=row.pk)


def _note(row: SealedCredential, act: str, words: str, *, by: User, now: datetime) -> None:
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.called,
        act=f"sealed_credential.{act}",
        subject=row.subject,
        words=words[:1_000],
        data={
            "sealed": str(row.pk),
            "version": row.version,
            "actor": row.actor.value[:500],
            "watched": row.watched,
        },
    )
