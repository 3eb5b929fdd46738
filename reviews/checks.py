"""What `manage.py doctor` asks of reviews: notices that reach nobody.

Owns sentences with a fix each; changes nothing.
"""

from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Max, Q
from django.utils import timezone

from evidence.words import counted
from identities.models import User
from reviews import accounts, enrolled, persons, recovering, seeds
from reviews.break_glass import on_call
from reviews.models import AccountUse, CaseTicket, Notice, SealedUse
from reviews.models.recoveries import FIRST
from reviews.notices import trackers
from reviews.sealed import declaring

# Its name, whether it is well, what was found, and what to do about it.
type Check = tuple[str, bool, str, str]
OVERDUE = timedelta(minutes=10)
# Whoever has not come in by an account for so long does not know that it works.
PRACTISED = timedelta(days=90)
FEW_CODES = 2


def doctor() -> list[Check]:
    """Every check; one that cannot be made says so."""
    try:
        return [
            *(_notices(), _webhooks(), _accounts(), _factors(), _recoveries()),
            *(_sealed(), _on_call(), _tickets()),
        ]
    except DatabaseError as problem:
        said = str(problem).strip().splitlines()[0]
        return [("reviews", False, f"cannot be read: {said}", "run `manage.py migrate`")]


def _notices() -> Check:
    now = timezone.now()
    waiting = Notice.objects.filter(sent_at=None, created_at__lt=now - OVERDUE)
    failed = waiting.exclude(failed_why="").order_by("created_at", "pk")
    first = failed.first()
    if first is not None:
        said = f"{counted(failed.count(), 'notice')} did not go out; the oldest: {first.failed_why}"
        return "notices", False, said, "look at COUNTERSIGN_EMAIL_URL and the addresses of people"
    late = waiting.filter(not_before__lt=now - OVERDUE).count()
    if late:
        said = f"{counted(late, 'notice')} due and not sent for ten minutes"
        return "notices", False, said, "start the worker and beat (`manage.py up`)"
    return "notices", True, "none waits for long", ""


def _webhooks() -> Check:
    if settings.WEBHOOK_SECRET:
        return "webhooks", True, "are signed", ""
    wanted = Notice.objects.filter(channel="webhook", sent_at=None).count()
    return (
        "webhooks",
        not wanted,
        f"no secret to sign them with; {counted(wanted, 'notice')} waiting",
        "set COUNTERSIGN_WEBHOOK_SECRET to what `openssl rand -base64 32` prints",
    )


def _accounts() -> Check:
    """Whether somebody comes in when nobody else can let them."""
    name, unused = "break-glass accounts", Q(codes__used_at=None, codes__replaced_at=None)
    rows = list(
        accounts.live().annotate(
            left=Count("codes", filter=unused, distinct=True),
            keys=Count("user__authenticator", filter=Q(user__authenticator__type="webauthn")),
            last=Max("uses__at"),
        )
    )
    if not rows:
        return name, True, "none yet: `manage.py break_glass_account` makes one", ""
    empty = [str(one) for one in rows if one.left < FEW_CODES and not one.keys]
    if empty:
        said = f"{', '.join(empty)}: fewer than {FEW_CODES} codes left, and no passkey"
        return name, False, said, "seal new ones on the page Break-glass accounts"
    waits = AccountUse.objects.filter(reviewed_at=None).count()
    if waits:
        return name, False, f"{counted(waits, 'use')} looked at by nobody", "look at them there"
    since = timezone.now() - PRACTISED
    if all((one.last or one.made_at) < since for one in rows):
        return name, False, "none was practised for 90 days", "come in by one, as a drill"
    return name, True, f"{counted(len(rows), 'account')} ready", ""


def _factors() -> Check:
    """Whether who decides needs a second factor, and whether their seeds are encrypted."""
    name = "second factors"
    if plain := seeds.unsealed():
        said = f"{counted(plain, 'seed')} not encrypted in the database"
        return name, False, said, "run `manage.py migrate`"
    if lost := seeds.unopened():
        said = f"{counted(lost, 'seed')} that this installation's key does not open"
        return name, False, said, "bring back COUNTERSIGN_DIGEST_KEY, or `manage.py recover LOGIN`"
    if not enrolled.required():
        said = "who decides needs none"
        fix = "set COUNTERSIGN_SECOND_FACTOR=1, or 0 to say that it stays so"
        return name, settings.SECOND_FACTOR is not None, said, fix
    deciding = User.objects.filter(is_active=True, groups__name__in=enrolled.DECIDING).distinct()
    waits = recovering.waiting().filter(kind=FIRST).values("user")
    ready = deciding.filter(authenticator__type__in=enrolled.FACTORS).exclude(pk__in=waits).count()
    return name, True, f"{ready} of {counted(deciding.count(), 'login')} that decide have one", ""


def _recoveries() -> Check:
    """Whether what was recovered on the host has been reviewed by another person."""
    name, now = "login recoveries", timezone.now()
    done = list(recovering.waiting().exclude(done_at=None))
    if done:
        said = f"not reviewed: {', '.join(f'{one.key} ({one.user.username})' for one in done[:10])}"
        able = {
            one.pk for group in recovering.REVIEWING for one in persons.in_group(group, now=now)
        }
        if able <= {one.user.person_id for one in done}:
            return name, False, said, "give a second person a login: nobody reviews their own"
        return name, False, said, "another person reviews them on the page Login recoveries"
    late = recovering.waiting().filter(due_at__lt=now - OVERDUE).count()
    if late:
        said = f"{late} due and not carried out for ten minutes"
        return name, False, said, "start the worker and beat (`manage.py up`)"
    pending = recovering.waiting().count()
    return name, True, f"{pending} pending" if pending else "none waits", ""


def _sealed() -> Check:
    """Whether what lies sealed is recognised by its use: only a use shows that it is."""
    name, rows = "sealed credentials", declaring.in_force()
    waits = SealedUse.objects.filter(reviewed_at=None).count()
    if waits:
        said = f"{counted(waits, 'use')} looked back at by nobody"
        return name, False, said, "look at them on the page Sealed credentials"
    seen = dict(SealedUse.objects.values_list("slug").annotate(last=Max("last_at")).order_by())
    since = timezone.now() - PRACTISED
    unseen = [one.slug for one in rows if (seen.get(one.slug) or one.settled_at or since) < since]
    if unseen:
        said = f"{', '.join(unseen[:10])}: no use in evidence for 90 days"
        return name, False, said, "announce a drill, use it, and look whether it is recognised"
    return name, True, f"{counted(len(rows), 'credential')} watched for", ""


def _on_call() -> Check:
    """Whether rotas say who is on call; where they do not, everybody of a team is asked."""
    found = on_call.overview(now=timezone.now())
    if found["problem"]:
        return "on call", False, found["problem"], "correct the file that COUNTERSIGN_ON_CALL names"
    wrong = [
        f"{one['team']}: {one['problem'] or 'not read yet'}"
        for one in found["rotas"]
        if one["problem"] or not one["counts"]
    ]
    if wrong:
        return "on call", False, " ".join(wrong)[:600], "look at the page On call"
    return "on call", True, f"{counted(len(found['rotas']), 'rota')} read", ""


def _tickets() -> Check:
    """Whether others' trackers are told of cases, and take it."""
    name = "tickets"
    try:
        known = trackers.entries()
    except trackers.NotRead as problem:
        return name, False, str(problem), "correct the file that COUNTERSIGN_TICKETS names"
    waits = CaseTicket.objects.exclude(failed_why="").filter(
        messages__sent_at=None, messages__dropped_at=None
    )
    first = waits.order_by("tracker", "case").first()
    if first is not None:
        said = f"{first.tracker} does not take what it is told: {first.failed_why}"
        return name, False, said, "look at it there; nothing is lost meanwhile"
    return name, True, f"{counted(len(known), 'tracker')} set up", ""
