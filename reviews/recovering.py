"""Recovering a login whose second factor or password is lost: asked for on the host, announced,
carried out after a delay unless somebody cancels it, and reviewed by another person.

Owns every step of it, and the same steps of a first factor, which counts once they are over
(reviews/enrolling.py). It takes a factor away or lets a password be set, and gives nobody a role.
"""

from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from evidence import ledger
from identities.acting import COMMAND, COUNTERSIGN, By, acting
from identities.models import Person, User
from identities.permissions import INACTIVE, NotPossible, cannot_sign, groups, require
from identities.reasons import reason_given
from reviews import persons
from reviews.actions import reminders
from reviews.models import Notice, Recovery
from reviews.models.recoveries import FIRST, KINDS, LINK_LASTS, VERDICTS

PATH = "/recoveries/"
TOLD = ("administrator", "responder", "reviewer", "owner")
DECIDING = frozenset(TOLD)
REVIEWING = frozenset({"reviewer", "responder", "administrator"})
WHO_CANCELS = "Only a person who decides, or the login itself, cancels a recovery."
WHO_REVIEWS = "Only a reviewer, a responder or an administrator reviews a recovery."
# What is announced, and what was carried out and waits for its review.
WAITS = Q(cancelled_at__isnull=True, reviewed_at__isnull=True) & (
    Q(done_at__isnull=True) | ~Q(kind=FIRST)
)
# Who added it has not shown more than the password.
HOW_FIRST = "added in a browser with the password alone"
OWN = "It is your own login: another person reviews its recovery."


def why_not_cancel_recovery(user: User, row: Recovery, *, now: datetime) -> str | None:
    """Cancel a recovery before it is carried out: who decides, and the login itself."""
    if not user.is_active:
        return INACTIVE
    if user.pk != row.user_id:
        why = cannot_sign(user, DECIDING, WHO_CANCELS, now=now)
        if why is not None:
            return why
    return None if row.state == "pending" else f"{row.key} is {row.state} already."


def why_not_review_recovery(user: User, row: Recovery, *, now: datetime) -> str | None:
    """Say afterwards what a recovery was: another person than whose login it is."""
    why = cannot_sign(user, REVIEWING, WHO_REVIEWS, now=now)
    if why is not None:
        return why
    if user.person_id == row.user.person_id or user.pk == row.user_id:
        return OWN
    if row.state != "carried out":
        return f"{row.key} is {row.state}: a recovery is reviewed once it was carried out."
    return None


def waiting() -> QuerySet[Recovery]:
    """What is announced, and what nobody has reviewed yet, the earliest due first."""
    return Recovery.objects.filter(WAITS).select_related("user__person").order_by("due_at", "pk")


def ask(*, login: str, kind: str, reason: str, asker: str, now: datetime) -> Recovery:
    """Announce that a login's lost factor goes, or that it may set a new password, after the delay.
    `asker`: the account on the host. NotPossible where nothing of it is lost."""
    reason = reason_given(reason, what="why it has to be recovered")
    if kind not in KINDS:
        raise NotPossible(f"Say what is lost: {' or '.join(KINDS)}.")
    user = User.objects.select_related("person").filter(username=login).first()
    if user is None or not user.is_active:
        raise NotPossible(f"There is no login {login!r} that signs in.")
    if kind == "factor" and not Authenticator.objects.filter(user_id=user.pk).exists():
        raise NotPossible(f"The login {login} has no second factor: there is nothing to remove.")
    if kind == "password" and not user.has_usable_password():
        raise NotPossible(f"The login {login} has no password yet: `manage.py login {login}`.")
    due = now + timedelta(hours=settings.RECOVERY_HOURS)
    try:
        with transaction.atomic():
            row = Recovery.objects.create(
                user=user, kind=kind, reason=reason, asked_at=now, asked_by_name=asker, due_at=due
            )
            words = (
                f"{row.key}: {asker} on the host says that the login {login} has lost its {row.lost}"
                f" ({reason}). {_does(row)} at {due:%Y-%m-%d %H:%M} UTC unless it is cancelled"
            )
            _note(row, "asked", words, COMMAND, now, asker=asker, reason=reason)
            _tell(row, "asked", f"The login {login} is to be recovered", f"{words}.", now=now)
    except IntegrityError:
        pending = Recovery.objects.get(
            user=user, kind=kind, cancelled_at__isnull=True, done_at__isnull=True
        )
        raise NotPossible(
            f"{pending.key} is pending already: due at {pending.due_at:%Y-%m-%d %H:%M} UTC."
        ) from None
    return row


def announce_first(user: User, *, now: datetime) -> Recovery:
    """Announce the first factor of a login, which whoever knows the password could add."""
    row = Recovery.objects.create(
        user=user,
        kind=FIRST,
        reason=HOW_FIRST,
        asked_at=now,
        asked_by_name=user.called,
        due_at=now + timedelta(hours=settings.RECOVERY_HOURS),
    )
    words = (
        f"{row.key}: the login {user.username} has its first second factor, {HOW_FIRST}."
        f" {_does(row)} at {row.due_at:%Y-%m-%d %H:%M} UTC unless it is cancelled"
    )
    _note(row, "asked", words, user, now)
    subject = f"The login {user.username} has its first second factor"
    _tell(row, "asked", subject, f"{words}.", now=now)
    return row


def enrolled_by_link(user: User, *, now: datetime) -> None:
    """Write down that the first factor of a login counts at once: its browser opened a link of the
    host."""
    ledger.append(
        at=now,
        by=user.ref,
        by_name=user.called,
        act="recovery.enrolled",
        subject=user.ref,
        words=f"The login {user.username} has its first second factor, added through a link of the host",
        data={"login": user.username, "kind": FIRST},
    )


def cancel(*, row: Recovery, reason: str, by: User, now: datetime) -> Recovery:
    """It is not carried out; a first factor goes, with what was added beside it."""
    with transaction.atomic():
        row = _locked(row.pk)
        require(why_not_cancel_recovery(by, row, now=now))
        row.cancel_reason = reason_given(reason, what="why it is cancelled")
        row.cancelled_at, row.cancelled_by, row.cancelled_by_name = now, by.ref, by.called
        row.save(
            update_fields=["cancelled_at", "cancelled_by", "cancelled_by_name", "cancel_reason"]
        )
        removed = _removed(row, now) if row.kind == FIRST else []
        words = f"{row.key} of the login {row.user.username} is cancelled: {row.cancel_reason}"
        _note(row, "cancelled", words, by, now, removed=removed)
        _tell(row, "cancelled", f"{row.key} is cancelled", f"{words} ({by.called}).", now=now)
    return row


def carry_out_next(*, now: datetime) -> bool:
    """Carry out one recovery that is due, in one transaction; False where none is."""
    with transaction.atomic():
        due = Recovery.objects.filter(
            cancelled_at__isnull=True, done_at__isnull=True, due_at__lte=now
        )
        # Whoever cancels or carries it out has the row; a second worker takes the next one.
        row = due.select_for_update(of=("self",), skip_locked=True).order_by("due_at", "pk").first()
        if row is None:
            return False
        # One that was added since is not lost.
        removed = _removed(row, row.asked_at) if row.kind == "factor" else []
        row.done_at = now
        row.save(update_fields=["done_at"])
        words = f"{row.key} is carried out for the login {row.user.username}: {_did(row)}"
        _note(row, "done", words, COUNTERSIGN, now, removed=removed)
        if row.kind != FIRST:
            body = f"{words}. Another person reviews it at {settings.BASE_URL}{PATH}"
            _tell(row, "done", f"The login {row.user.username} was recovered", body, now=now)
    return True


def _removed(row: Recovery, until: datetime) -> list[str]:
    """The kinds of the factors that its login had then; they are gone."""
    found = Authenticator.objects.filter(user_id=row.user_id, created_at__lte=until)
    removed = sorted(found.values_list("type", flat=True))
    found.delete()
    return removed


def link_due(login: str, *, now: datetime) -> Recovery | None:
    """Mark that the link of a new password is printed; None where no recovery allows one."""
    with transaction.atomic():
        rows = Recovery.objects.select_for_update(of=("self",)).select_related("user")
        rows = rows.filter(
            user__username=login,
            user__is_active=True,
            kind="password",
            done_at__gt=now - LINK_LASTS,
            linked_at__isnull=True,
        )
        row = rows.exclude(verdict="misuse").first()
        if row is not None:
            row.linked_at = now
            row.save(update_fields=["linked_at"])
            words = f"{row.key}: the link of a new password for the login {login} is printed"
            _note(row, "linked", words, COMMAND, now)
    return row


def review(*, row: Recovery, verdict: str, words: str, by: User, now: datetime) -> Recovery:
    """Write down what it was; once."""
    with transaction.atomic():
        row = _locked(row.pk)
        require(why_not_review_recovery(by, row, now=now))
        if verdict not in VERDICTS:
            raise NotPossible(f"Say what it was: {' or '.join(VERDICTS)}.")
        row.verdict = verdict
        row.review_words = reason_given(words, what="what you found out, and from whom")
        row.reviewed_at, row.reviewed_by, row.reviewed_by_name = now, by.ref, by.called
        row.reviewed_person = by.person
        row.save()
        said = f"{row.key} of the login {row.user.username} was {verdict}: {row.review_words}"
        _note(row, "reviewed", said, by, now, verdict=verdict)
    return row


def _locked(pk: int) -> Recovery:
    rows = Recovery.objects.select_for_update(of=("self",)).select_related("user__person")
    return rows.get(pk=pk)


def _does(row: Recovery) -> str:
    if row.kind == "factor":
        return "All second factors that the login has now are removed"
    if row.kind == FIRST:
        return "It counts from then on"
    return "A link that sets a new password can be printed on the host"


def _did(row: Recovery) -> str:
    if row.kind == "factor":
        return "the second factors that it had are removed"
    if row.kind == FIRST:
        return "its first second factor counts"
    return "a link that sets a new password can be printed on the host for three days"


def _note(row: Recovery, act: str, words: str, by: By, now: datetime, **more: object) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=f"recovery.{act}",
        subject=row.user.ref,
        words=words[:1_000],
        data={"recovery": row.key, "login": row.user.username, "kind": row.kind, **more},
    )


def _tell(row: Recovery, step: str, subject: str, body: str, *, now: datetime) -> None:
    """Everybody who decides, whose login it is, and every address for alarms, at once; of the first
    factor of a login that has no role that decides, not everybody."""
    told: dict[object, Person] = {}
    for group in TOLD if row.kind != FIRST or groups(row.user) & DECIDING else ():
        told |= {one.pk: one for one in persons.in_group(group, now=now)}
    if row.user.person is not None:
        told[row.user.person_id] = row.user.person
    said = {
        "subject": subject[:300],
        "body": f"{body}\n\nWhoever does not expect this cancels it, or treats it as an attack:"
        f" {settings.BASE_URL}{PATH}\n",
        "occasion": f"{row.key} {step}",
        "created_at": now,
        "not_before": now,
    }
    rows = [Notice(person=one, **said) for one in told.values()]
    if settings.ALERT_EMAIL:
        rows.append(Notice(address=settings.ALERT_EMAIL, **said))
    if settings.WEBHOOK_URL:
        rows.append(Notice(channel="webhook", address=settings.WEBHOOK_URL, **said))
    reminders.send(rows)
