"""What a person answers to a question: yes, not mine, ask X; and taking it back.

Owns the signature. An answer is a row; what follows from it is carried out when its time to be
taken back is over (carrying.py), so an answer about thousands is undone as easily as one. Nobody
becomes an owner here without a yes of somebody who stands for them.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from evidence.words import counted
from identities.acting import acting
from identities.claims import rights
from identities.claims.asking import LEDGER, note, party_named
from identities.claims.questioning import question
from identities.claims.standing import refusals, unable_of
from identities.models import Claim, ClaimAnswer, Party, Service, User
from identities.permissions import NOBODY, NotPossible, require
from identities.reasons import reason_given

UNDO = timedelta(seconds=8)


def yes(
    *,
    party: Party,
    bundle: str,
    by: User,
    now: datetime,
    except_for: Collection[UUID] = (),
    with_service: bool = False,
    reason: str = "",
    seen: int | None = None,
) -> ClaimAnswer:
    """It is ours, but for what is ticked out. `seen`: how many the person was shown.

    With `with_service` the service itself becomes theirs: what is added to it later follows.
    """
    with transaction.atomic():
        require(rights.why_not_answer(by, party, now=now))
        rows = _asked(party, bundle, seen)
        if len({row.pk for row in rows} & set(except_for)) == len(rows):
            raise NotPossible("Everything is ticked out: answer that it is not yours.")
        service = _service(rows, party, by=by, now=now) if with_service else None
        answer = _sign("yes", rows, by=by, now=now, party=party, bundle=bundle, reason=reason)
        answer.service = service
        answer.save(update_fields=["service"])
        out = [row.pk for row in rows if row.pk in set(except_for)]
        Claim.objects.filter(pk__in=out).update(excepted=True)
        and_service = f", and {service} itself" if service is not None else ""
        but = f", but for {counted(len(out), 'thing')}" if out else ""
        note(
            act="claims.yes",
            words=f"{by.called} said for {party}: {counted(len(rows) - len(out), 'thing')} of"
            f" {bundle} are theirs{and_service}{but}",
            by=by,
            now=now,
            subject="claims",
            data={"answer": str(answer.pk), "n": len(rows), "except": [str(pk) for pk in out]},
        )
    return answer


def not_mine(
    *,
    party: Party,
    bundle: str,
    by: User,
    now: datetime,
    reason: str,
    ask: str = "",
    seen: int | None = None,
) -> ClaimAnswer:
    """It is not ours; `ask` says whose it might be. They are not asked about it again."""
    with transaction.atomic():
        require(rights.why_not_answer(by, party, now=now))
        reason = reason_given(reason, what=LEDGER)
        rows = _asked(party, bundle, seen)
        to = _askable(ask, rows, now=now) if ask.strip() else None
        answer = _sign("not_mine", rows, by=by, now=now, party=party, bundle=bundle, reason=reason)
        answer.to = to
        answer.save(update_fields=["to"])
        note(
            act="claims.not_mine",
            words=f"{by.called} said for {party}: {counted(len(rows), 'thing')} of {bundle} are not"
            f" theirs{f'; ask {to}' if to else ''}: {reason}",
            by=by,
            now=now,
            subject="claims",
            data={"answer": str(answer.pk), "n": len(rows)},
        )
    return answer


def pass_on(*, bundle: str, ask: str, by: User, now: datetime, reason: str) -> ClaimAnswer:
    """Where nobody is known: a reviewer says whom to ask. It makes nobody an owner.

    Somebody who has said no may be asked once more this way: a no is sometimes a mistake.
    """
    with transaction.atomic():
        require(rights.why_not_run(by, now=now))
        reason = reason_given(reason, what=LEDGER)
        rows = question(party=None, bundle=bundle, lock=True)
        if not rows:
            raise NotPossible("Nothing of this waits for somebody to ask any more.")
        to = _askable(ask, rows, now=now, again=True)
        require(rights.gives_themselves(by, to, now=now))
        answer = _sign("pass_on", rows, by=by, now=now, party=None, bundle=bundle, reason=reason)
        answer.to = to
        answer.save(update_fields=["to"])
        note(
            act="claims.passed",
            words=f"{by.called} asks {to} about {counted(len(rows), 'thing')} of {bundle}: {reason}",
            by=by,
            now=now,
            subject="claims",
            data={"answer": str(answer.pk), "n": len(rows)},
        )
    return answer


def undo(*, answer: ClaimAnswer, by: User, now: datetime) -> None:
    """Take back one's own answer before it is carried out; the question is asked as it was."""
    with transaction.atomic():
        answer = ClaimAnswer.objects.select_for_update().get(pk=answer.pk)
        require(rights.why_not_undo(by, answer, now=now))
        answer.undone_at = now
        answer.save(update_fields=["undone_at"])
        Claim.objects.filter(answer=answer, state="answered").update(
            state="open", answer=None, excepted=False
        )
        note(
            act="claims.undone",
            words=f"{by.called} took an answer about {counted(answer.asked, 'thing')} back",
            by=by,
            now=now,
            subject="claims",
            data={"answer": str(answer.pk)},
        )


def _asked(party: Party, bundle: str, seen: int | None) -> list[Claim]:
    rows = question(party=party, bundle=bundle, lock=True)
    if not rows:
        raise NotPossible("This question was answered or has moved in the meantime: look again.")
    if seen is not None and seen != len(rows):
        raise NotPossible(
            f"The question has changed since you opened it: it is about {len(rows):,} now."
        )
    return rows


def _askable(ask: str, rows: Sequence[Claim], *, now: datetime, again: bool = False) -> Party:
    """Who may be asked: not themselves, not somebody who has said no to all of it, not nobody.

    `again`: who has said no once may be asked once more.
    """
    to = party_named(ask)
    if any(row.party_id == to.pk for row in rows):
        raise NotPossible(f"{to} is who is asked now: name somebody else.")
    if str(to.pk) in unable_of({str(to.pk)}, now=now):
        raise NotPossible(f"Nobody could answer for {to}: name somebody who is here.")
    refused = refusals(rows, said=True, twice=again)
    if all(str(to.pk) in refused[row.identity_id, row.actor_id] for row in rows):
        raise NotPossible(f"{to} has been asked already, and it is not theirs: name somebody else.")
    return to


def _service(rows: Sequence[Claim], party: Party, *, by: User, now: datetime) -> Service:
    service = rows[0].service
    bundles = {row.bundle for row in rows}
    if service is None or bundles != {f"service:{service.slug}"}:
        raise NotPossible("These things share no service that could become yours.")
    service = Service.objects.select_for_update(of=("self",)).get(pk=service.pk)
    others = Claim.objects.filter(bundle=rows[0].bundle, state__in=["open", "answered"]).exclude(
        party=party
    )
    require(
        rights.why_not_own_service(
            by, party, owner=service.owner, mine=len(rows), others=others.count(), now=now
        )
    )
    return service


def _sign(
    answer: str,
    rows: Sequence[Claim],
    *,
    by: User,
    now: datetime,
    party: Party | None,
    bundle: str,
    reason: str,
) -> ClaimAnswer:
    who = acting(by)
    if by.person is None:
        raise NotPossible(NOBODY)
    row = ClaimAnswer.objects.create(
        answer=answer,
        party=party,
        bundle=bundle,
        reason=reason.strip()[:2_000],
        asked=len(rows),
        by=who.ref,
        by_name=who.name,
        person=by.person,
        at=now,
        not_before=now + UNDO,
    )
    Claim.objects.filter(pk__in=[one.pk for one in rows]).update(
        state="answered", answer=row, left_why=""
    )
    return row
