"""Changing a review policy: one person proposes a version, another signs or refuses it.

Owns which version is in force and that nobody signs alone. Nothing that is signed ever changes;
a running case keeps the version it was opened under.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from evidence import ledger, nudge
from evidence.models import Source
from identities.acting import COUNTERSIGN, By, acting
from identities.models import Identity, Party, Service, Team, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import (
    attestation_bounds,
    micro_reviews,
    policy_document,
    policy_permissions,
    policy_scope,
    policy_words,
)
from reviews.models import ReviewPolicy
from reviews.policy_document import REQUESTS, TEAM, Document, DocumentError

# What reviews are opened under by people and by findings; others open what is due by themselves.
POLICY = "access review"
BUILT_IN = (POLICY, REQUESTS)
NAME = re.compile(r"[a-z0-9]+(?: [a-z0-9]+){0,7}")
LONGEST_NAME = 60
LONGEST_EXEMPTION = timedelta(days=366)
# The product's own numbers, until somebody changes them.
FIRST: dict[str, Any] = {
    "decide_within_hours": 168,
    "remind_before_hours": [48, 4],
    "escalate_before_hours": 6,
}


def in_force(*, now: datetime, name: str = POLICY) -> ReviewPolicy:
    """The newest signed version of a built-in policy; the first is made with FIRST's numbers."""
    row = signed(name)
    if row is None:
        row, _ = ReviewPolicy.objects.get_or_create(
            name=name, version=1, defaults=_first(name, now=now)
        )
    return row


def first(name: str, *, now: datetime) -> ReviewPolicy:
    """The first version of a built-in policy, for pages: not saved before a case needs it."""
    return ReviewPolicy(name=name, version=1, **_first(name, now=now))


def _first(name: str, *, now: datetime) -> dict[str, Any]:
    reviews = {
        "silence": "escalate",
        "micro_reviews": micro_reviews.EVERY,
        "attestation": attestation_bounds.SHIPPED,
    }
    document = FIRST if name == REQUESTS else FIRST | reviews
    return {
        "state": "signed",
        "document": document,
        **_numbers(of_document(document, name)),
        "recorded_at": now,
        "recorded_by": COUNTERSIGN.ref,
        "recorded_by_name": COUNTERSIGN.name,
    }


def signed(name: str) -> ReviewPolicy | None:
    """The version in force under this name, if there is one."""
    return ReviewPolicy.objects.filter(name=name, state="signed").order_by("-version").first()


def all_signed() -> list[ReviewPolicy]:
    """The version in force of every policy, by name."""
    rows = ReviewPolicy.objects.filter(state="signed").order_by("name", "-version")
    return list(rows.distinct("name"))


def lets_tokens(kind: str) -> str:
    """The policy that lets tokens do this kind of act (identities/api/deciding.py), "" for none."""
    row = signed(POLICY)
    return f"the policy {row}" if row is not None and kind in document_of(row).api else ""


def document_of(policy: ReviewPolicy) -> Document:
    """What a version says."""
    return of_document(policy.document, policy.name)


def of_document(value: object, name: str) -> Document:
    return policy_document.parse(value, name=name)


def left_alone(*, now: datetime, name: str = POLICY) -> list[int]:
    """The numbers of the identities that the policy in force leaves alone."""
    row = signed(name)
    return [] if row is None else policy_scope.exempt_numbers(document_of(row), now=now)


def why_left_alone(identity: Identity, *, now: datetime, name: str = POLICY) -> str:
    """The sentence that the policy in force leaves this identity alone; "" where it does not."""
    row = signed(name)
    if row is None:
        return ""
    for one in document_of(row).exempt(now.astimezone(UTC).date()):
        if one.number == identity.number:
            return f"{row} leaves {one.key} alone until {one.until:%Y-%m-%d}: {one.reason}"
    return ""


def named(name: str) -> str:
    """The name of a policy, or NotPossible."""
    said = " ".join(name.lower().split())
    if NAME.fullmatch(said) is None or len(said) > LONGEST_NAME:
        raise NotPossible(
            f"Name the policy in at most 8 words of letters and digits, {LONGEST_NAME} characters."
        )
    return said


def checked(text: str, *, name: str, now: datetime) -> tuple[dict[str, Any], Document]:
    """What this text says, and that everything it names exists; or DocumentError with places."""
    value, document = policy_document.read(text, name=name)
    problems = [*_missing(document), *_exempt_too_long(document, now)]
    if problems:
        raise DocumentError(problems)
    return value, document


def require_known(document: Document) -> None:
    """NotPossible where the document names a service, a source or a team that there is not."""
    problems = list(_missing(document))
    if problems:
        raise NotPossible(" ".join(f"{place}: {what}" for place, what in problems[:10]))


def began_with(name: str) -> int:
    """The version in force that a proposal under this name starts from; 0: there is none yet."""
    row = signed(name)
    return row.version if row is not None else int(name in BUILT_IN)


def propose(
    *,
    name: str,
    text: str,
    reason: str,
    by: User,
    now: datetime,
    based_on: int | None = None,
) -> ReviewPolicy:
    """A next version, which asks for a second person's signature. DocumentError, NotPossible.

    `based_on`: `began_with` when it was begun; what was signed since is not silently taken back.
    """
    require(policy_permissions.why_not_propose_policy(by, now=now))
    name = named(name)
    value, document = checked(text, name=name, now=now)
    reason = reason_given(reason, what="what changes, and what for")
    with transaction.atomic():
        # Whoever signs the last version now is waited for.
        ReviewPolicy.objects.filter(name=name).order_by("-version").select_for_update().first()
        before = in_force(now=now, name=name) if name in BUILT_IN else signed(name)
        if based_on is not None and before is not None and before.version != based_on:
            raise NotPossible(
                f"{before} is in force, and you began from"
                f" {f'version {based_on}' if based_on else 'another policy'}: read what it says, so"
                " that yours takes back nothing that two people signed."
            )
        if before is not None and before.document == value:
            raise NotPossible(f"{before} says this already.")
        last = ReviewPolicy.objects.filter(name=name).order_by("-version").first()
        try:
            with transaction.atomic():
                row = ReviewPolicy.objects.create(
                    name=name,
                    version=1 if last is None else last.version + 1,
                    document=value,
                    **_numbers(document),
                    reason=reason,
                    recorded_at=now,
                    recorded_by=by.ref,
                    recorded_by_name=by.called,
                    proposed_person=by.person,
                )
        except IntegrityError:
            raise NotPossible(
                f"A version of {name} waits for its second signature: sign or refuse that first."
            ) from None
        # A team that owns nothing yet is no party; it sits in a seat from now on.
        teams = Team.objects.filter(name__in=_teams(document), party__isnull=True)
        Party.objects.bulk_create([Party(team=one) for one in teams], ignore_conflicts=True)
        _note(row, "policy.proposed", f"{by.called} proposed {row}: {reason}", by=by, now=now)
    return row


def sign(*, policy: ReviewPolicy, by: User, now: datetime) -> ReviewPolicy:
    """The second signature: the version is in force for every case that is opened from now on."""
    require(policy_permissions.why_not_sign_policy(by, policy, now=now))
    with transaction.atomic():
        row = ReviewPolicy.objects.select_for_update().get(pk=policy.pk)
        require(policy_permissions.why_not_sign_policy(by, row, now=now))
        before = signed(row.name)
        _settle(row, "signed", by=by, now=now)
        said = policy_words.changes(
            [] if before is None else _lines(before),
            policy_words.lines(document_of(row), name=row.name),
        )
        words = "; ".join(f"{one.about}: {one.after or 'says nothing more'}" for one in said)
        _note(row, "policy.signed", f"{by.called} signed {row}. {words}", by=by, now=now)
        nudge.after_commit("policy.signed")
    return row


def refuse(*, policy: ReviewPolicy, reason: str, by: User, now: datetime) -> ReviewPolicy:
    """The version never comes into force."""
    require(policy_permissions.why_not_refuse_policy(by, policy, now=now))
    reason = reason_given(reason, what="why it is not to come into force")
    with transaction.atomic():
        row = ReviewPolicy.objects.select_for_update().get(pk=policy.pk)
        require(policy_permissions.why_not_refuse_policy(by, row, now=now))
        _settle(row, "refused", by=by, now=now, reason=reason)
        _note(row, "policy.refused", f"{by.called} refused {row}: {reason}", by=by, now=now)
    return row


def _lines(policy: ReviewPolicy) -> list[policy_words.Line]:
    return policy_words.lines(document_of(policy), name=policy.name)


def _settle(row: ReviewPolicy, state: str, *, by: User, now: datetime, reason: str = "") -> None:
    row.state = state
    row.settled_at, row.settled_by, row.settled_by_name = now, by.ref, by.called
    row.settled_person, row.settled_reason = by.person, reason
    row.save(
        update_fields=[
            "state",
            "settled_at",
            "settled_by",
            "settled_by_name",
            "settled_person",
            "settled_reason",
        ]
    )


def _note(row: ReviewPolicy, act: str, words: str, *, by: By, now: datetime) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=row.subject,
        words=words[:1_000],
        data={"policy": str(row.pk), "version": row.version, "document": row.document},
    )


def _numbers(document: Document) -> dict[str, Any]:
    """The columns beside the document, which sweeps read."""
    return {
        "decide_within_hours": document.decide_within_hours,
        "remind_before_hours": list(document.remind_before_hours),
        "escalate_before_hours": document.escalate_before_hours,
        "silence": document.silence,
    }


def _missing(document: Document) -> Iterator[tuple[str, str]]:
    """Names in the document that nothing has."""
    scope = document.scope
    if scope is not None:
        known = Service.objects.filter(slug__in=scope.services).values_list("slug", flat=True)
        yield from _unknown("scope.services", scope.services, known, "service")
        sources = Source.objects.filter(name__in=scope.sources).values_list("name", flat=True)
        yield from _unknown("scope.sources", scope.sources, sources, "source")
    teams = _teams(document)
    if teams:
        names = Team.objects.filter(name__in=teams).values_list("name", flat=True)
        yield from _unknown("seats", teams, names, "team")
    keys = [one.number for one in document.exemptions]
    if keys:
        there = set(Identity.objects.filter(number__in=keys).values_list("number", flat=True))
        for place, one in enumerate(document.exemptions):
            if one.number not in there:
                yield f"exemptions[{place}].identity", f"There is no identity {one.key}."


def _teams(document: Document) -> list[str]:
    """The teams that sit somewhere by this document."""
    said = [
        one.removeprefix(TEAM).strip()
        for seats in (document.seats, *(stage.seats for stage in document.stages))
        for order in seats.values()
        for one in order
        if one.startswith(TEAM)
    ]
    return list(dict.fromkeys(said))


def _unknown(
    place: str, names: Iterable[str], known: Iterable[str], what: str
) -> Iterator[tuple[str, str]]:
    there = set(known)
    for one in names:
        if one not in there:
            yield place, f"There is no {what} {one!r}."


def _exempt_too_long(document: Document, now: datetime) -> Iterator[tuple[str, str]]:
    today = now.astimezone(UTC).date()
    for place, one in enumerate(document.exemptions):
        if one.until < today:
            yield f"exemptions[{place}].until", "It is over: leave the exemption out."
        elif one.until - today > LONGEST_EXEMPTION:
            yield f"exemptions[{place}].until", "An exemption lasts at most 366 days."
