"""Many by a rule: "everything of service X whose tag owner=Y goes to team Z", as one act.

Owns what a rule covers. It is shown first, thing by thing, and signed as shown: when what it
covers has changed since, it is shown again. What other evidence gives to somebody else, and what
the new owner has said is not theirs, is left to people.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from django.db import transaction

from evidence.words import counted
from identities.acting import acting
from identities.claims import rights
from identities.claims.answering import UNDO
from identities.claims.asking import LEDGER, note
from identities.claims.choosing import WEAK, from_json, tag
from identities.claims.questioning import RELATED
from identities.claims.standing import refusals, unable_of
from identities.models import Claim, ClaimAnswer, Party, Service, User
from identities.permissions import NOBODY, NotPossible, require
from identities.reasons import reason_given

# What one rule may cover.
MOST = 5_000
# A whole service goes only to somebody whom of so many named things the evidence names for one.
ONE_IN = 10


class Rule(NamedTuple):
    """Of which service, and with which tag (kind, value), goes to whom. One of the two is said."""

    party: Party
    service: Service | None = None
    kind: str = ""
    value: str = ""
    with_service: bool = False  # the service itself too

    @property
    def tag(self) -> str:
        return tag(self.kind, self.value) if self.kind and self.value.strip() else ""

    def words(self) -> str:
        of = f"everything of {self.service}" if self.service else "everything"
        whose = f" whose {self.kind} tag is {self.value.strip()[:120]}" if self.tag else ""
        return f"{of}{whose} goes to {self.party}"


class Left(NamedTuple):
    """One thing that the rule does not cover, and why."""

    claim: Claim
    why: str


class Covered(NamedTuple):
    """What a rule would do; `digest` is what is signed."""

    claims: list[Claim]
    left: list[Left]
    digest: str
    more: bool  # there are more than one rule may cover


def preview(*, rule: Rule, now: datetime, lock: bool = False) -> Covered:
    """Exactly what the rule covers now, and what it leaves to people. Five statements."""
    if rule.service is None and not rule.tag:
        raise NotPossible("Say a service, or a tag with its value: a rule is about something.")
    if rule.with_service and rule.service is None:
        raise NotPossible("Say which service becomes theirs.")
    if str(rule.party.pk) in unable_of({str(rule.party.pk)}, now=now):
        raise NotPossible(f"Nobody could answer for {rule.party}: name somebody who is here.")
    rows = Claim.objects.filter(state="open")
    if rule.service is not None:
        rows = rows.filter(service=rule.service)
    if rule.tag:
        rows = rows.filter(tags__contains=[rule.tag])
    if lock:
        rows = rows.select_for_update(of=("self",))
    found = list(rows.select_related(*RELATED, "identity", "actor").order_by("pk")[: MOST + 1])
    more, found = len(found) > MOST, found[:MOST]
    refused = refusals(found, said=True)
    theirs = members(rule.party, now=now)
    if rule.service is not None and not rule.tag and not _backed(found, rule.service, theirs):
        raise NotPossible(
            f"Hardly anything in the evidence of {rule.service} names {rule.party}: ask them instead"
            " of making them its owner, or say which tag means them."
        )
    claims, left = [], []
    for row in found:
        why = _why_left(row, rule, refused[row.identity_id, row.actor_id], theirs)
        if why:
            left.append(Left(row, why))
        else:
            claims.append(row)
    signed = f"{rule.party.pk} {rule.with_service} " + " ".join(str(row.pk) for row in claims)
    return Covered(claims, left, sha256(signed.encode()).hexdigest(), more)


def _why_left(row: Claim, rule: Rule, refused: frozenset[str], theirs: Collection[str]) -> str:
    if str(rule.party.pk) in refused:
        return f"{rule.party} has said that it is not theirs"
    # The tag of the rule is no witness against the rule, nor is who made a thing, nor one of the
    # team; and whoever has said no speaks for nobody else.
    mine = {*WEAK, "neighbours", rule.kind if rule.tag else ""}
    other = next(
        (
            one
            for one in from_json(row.reasons)
            if one.kind not in mine and one.party not in theirs and one.party not in refused
        ),
        None,
    )
    return f"other evidence: {other.words}" if other is not None else ""


def _backed(rows: Sequence[Claim], service: Service, theirs: Collection[str]) -> bool:
    """Whether evidence of any kind, or the register, gives some of it to them: a slip does not."""
    if {str(service.owner_id), str(service.sponsor_id), str(service.backup_id)} & set(theirs):
        return True
    named = [{one["party"] for one in row.reasons if one["kind"] != "neighbours"} for row in rows]
    said = [parties for parties in named if parties]
    return sum(not parties.isdisjoint(theirs) for parties in said) * ONE_IN >= max(len(said), 1)


def members(party: Party, *, now: datetime) -> set[str]:
    """The party, and of a team everybody in it."""
    found = Party.objects.filter(
        person__memberships__team=party.team_id,
        person__memberships__team__isnull=False,
        person__memberships__during__contains=now,
        person__memberships__superseded_at__isnull=True,
    )
    return {str(party.pk), *(str(pk) for pk in found.values_list("pk", flat=True))}


def confirm(*, rule: Rule, digest: str, reason: str, by: User, now: datetime) -> ClaimAnswer:
    """Sign the rule as it was shown. NotPossible when it covers something else by now."""
    with transaction.atomic():
        require(rights.why_not_run(by, now=now))
        require(rights.gives_themselves(by, rule.party, now=now))
        reason = reason_given(reason, what=LEDGER)
        found = preview(rule=rule, now=now, lock=True)
        if not found.claims:
            raise NotPossible("The rule covers nothing: there is nothing to sign.")
        if found.digest != digest:
            raise NotPossible("What the rule covers has changed since it was shown: look again.")
        if rule.with_service and rule.service is not None and rule.service.owner is not None:
            raise NotPossible(f"The service has an owner: {rule.service.owner}.")
        if by.person is None:
            raise NotPossible(NOBODY)
        who = acting(by)
        row = ClaimAnswer.objects.create(
            answer="rule",
            party=rule.party,
            rule={
                "service": rule.service.slug if rule.service else "",
                "tag": rule.tag,
                "words": rule.words(),
            },
            service=rule.service if rule.with_service else None,
            reason=reason,
            asked=len(found.claims),
            by=who.ref,
            by_name=who.name,
            person=by.person,
            at=now,
            not_before=now + UNDO,
        )
        Claim.objects.filter(pk__in=[one.pk for one in found.claims]).update(
            state="answered", answer=row, left_why=""
        )
        note(
            act="claims.rule",
            words=f"{by.called} signed a rule for {counted(len(found.claims), 'thing')}:"
            f" {rule.words()}: {reason}",
            by=by,
            now=now,
            subject="claims",
            data={"answer": str(row.pk), "n": len(found.claims), "digest": digest},
        )
    return row
