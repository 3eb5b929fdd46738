"""What `manage.py doctor` asks of identities: enforcers' rights, stuck work, broken promises.

Owns sentences with a fix each; changes nothing.
"""

from datetime import timedelta

from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from evidence.words import counted
from identities import source_conflicts
from identities.actions import grants
from identities.actions.revocations import not_answering, reach
from identities.enforcers.contract import NotSetUp, PermanentFailure, Target, TemporaryFailure
from identities.findings import CONFLICT
from identities.models import Credential, Identity, Revocation, Rights
from identities.signals import checks as signals

# Its name, whether it is well, what was found, and what to do about it.
type Check = tuple[str, bool, str, str]
OVERDUE = timedelta(minutes=10)
# A night that nobody asked in, with some hours of grace.
NIGHTLY = timedelta(hours=30)
NAMED = 5


def doctor() -> list[Check]:
    """Every check; one that cannot be made says so instead of hiding the others."""
    checks: list[Check] = []
    for check in (
        _rights,
        _nightly,
        _answering,
        _failed,
        _overdue,
        _grants,
        _unattested,
        _contradictions,
        _conflicts,
        signals.doctor,
    ):
        try:
            checks += check()
        except DatabaseError as problem:
            checks.append(
                ("identities", False, f"cannot be read: {problem}", "run manage.py migrate")
            )
    return checks


def _contradictions() -> list[Check]:
    """Nothing is broken here: what a log states is kept, and people are told that it cannot be."""
    many = Credential.objects.exclude(contradiction="").count()
    said = "no credential states times that contradict each other"
    if many:
        said = f"{counted(many, 'credential')} {'states' if many == 1 else 'state'} times that"
        said = f"{said} contradict each other (/credentials/?times=contradict)"
    return [("stated times", True, said, "")]


def _conflicts() -> list[Check]:
    """Who runs the installation is told as well which sources contradict which."""
    pairs = [str(pair) for pair in source_conflicts.of_pairs()]
    if not pairs:
        return [("traces", True, "none contradicts a log or another trace", "")]
    more = f" and {counted(len(pairs) - NAMED, 'more pair')}" if len(pairs) > NAMED else ""
    said = f"contradictions between sources: {', '.join(pairs[:NAMED])}{more}"
    fix = f"find out which of the two is wrong (/findings/?rule={CONFLICT})"
    return [("traces", False, said, fix)]


def _rights() -> list[Check]:
    """What the enforcer of each account we may have to act in is not allowed to do."""
    checks: list[Check] = []
    for system, row in reach.REGISTRY.items():
        try:
            accounts = sorted(row.owned(timezone.now()).items())
        except PermanentFailure as problem:
            fix = f"{problem.who_must_act} must act"
            checks.append((f"enforcers {system}", False, problem.reason, fix))
            continue
        for account, targets in accounts:
            checks.append(_of_account(system, account, targets))
    return checks


def _of_account(system: str, account: str, targets: list[Target]) -> Check:
    name = f"enforcer {system} {account}"
    try:
        missing = reach.enforcer(system, account).own_rights(targets[:20])
    except TemporaryFailure as problem:
        return name, False, problem.reason, "ask again in a while"
    except NotSetUp as problem:
        # Nobody has set it up yet: a choice, as long as nothing waits for it (`revocations`).
        return name, True, f"{problem.reason} Nothing is stopped there by itself.", ""
    except PermanentFailure as problem:
        return name, False, problem.reason, f"{problem.who_must_act} must act"
    except Exception as problem:  # noqa: BLE001 - whatever one target answers, the others are asked
        said = " ".join(str(problem).split())[:300]
        return name, False, f"{type(problem).__name__}: {said}", "report it"
    if not missing:
        return name, True, "may do everything it needs", ""
    lacking = ", ".join(sorted({right.permission for right in missing}))
    return name, False, f"may not {lacking}", missing[0].sentence


def _nightly() -> list[Check]:
    """What was asked last night: of each account that could not be asked, or where something could
    not be stopped."""
    rows = list(Rights.objects.order_by("system", "account"))
    found: list[Check] = []
    for one in rows:
        name = f"last night {one.system} {one.account}".strip()
        said = f", last answered {one.answered_at:%Y-%m-%d %H:%M} UTC" if one.answered_at else ""
        if one.failed_why:
            must = f"{one.who_must_act} must act" if one.who_must_act else "it is asked again"
            found.append((name, False, f"{one.failed_why}{said}", must))
        elif one.unstoppable:
            names = ", ".join(row["name"] for row in one.unstoppable[:NAMED])
            more = len(one.unstoppable) - NAMED
            some = f"{names} and {more} more" if more > 0 else names
            found.append((name, False, f"could not be stopped: {some}", one.unstoppable[0]["why"]))
        elif one.answered_at is not None and one.answered_at < timezone.now() - NIGHTLY:
            found.append((name, False, f"not asked{said}", "start the worker and the schedule"))
    if rows and not found:
        found.append(("last night", True, f"asked of {counted(len(rows), 'account')}", ""))
    return found


def _answering() -> list[Check]:
    """The accounts that are left alone for a while, because they do not answer."""
    return [
        (f"enforcer {system} {account}", False, said, "see whether it can be reached from here")
        for (system, account), said in not_answering().items()
    ]


def _failed() -> list[Check]:
    rows = Revocation.objects.filter(state="failed")
    first = rows.order_by("number").first()
    if first is None:
        return [("revocations", True, "none waits for a person", "")]
    message = f"{rows.count()} wait for a person; {first.key}: {first.failed_why}"
    return [
        (
            "revocations",
            False,
            message,
            f"{first.who_must_act or 'somebody'} must act, then try it again",
        )
    ]


def _overdue() -> list[Check]:
    late = timezone.now() - OVERDUE
    rows = Revocation.objects.filter(
        Q(leased_until__isnull=True) | Q(leased_until__lt=late),
        state__in=["requested", "sending", "sent"],
        not_before__lt=late,
    )
    count = rows.count()
    if count == 0:
        return [("enforcement", True, "nothing is overdue", "")]
    return [
        (
            "enforcement",
            False,
            f"due and made by nobody: {counted(count, 'change')}",
            "start the worker, or run manage.py enforce",
        )
    ]


def _grants() -> list[Check]:
    """What break-glass gave and should be gone, or what waits for a person; nothing where all is well."""
    now = timezone.now()
    rows = list(grants.unfinished(now=now)[:NAMED])
    if not rows:
        return []
    said = "; ".join(f"{one.key} {one.sentence}" for one in grants.seen(rows, now=now))
    who = next((one.who_must_act for one in rows if one.who_must_act), "")
    fix = f"{who} must act" if who else "start the worker, or run manage.py enforce"
    return [("grants", False, said, fix)]


def _unattested() -> list[Check]:
    gone = Identity.objects.filter(state="active", expires_at__lt=timezone.now()).count()
    if gone == 0:
        return [("identities", True, "every active identity is attested", "")]
    return [
        (
            "identities",
            False,
            f"past their attested time: {counted(gone, 'active identity', 'active identities')}",
            "their owners attest them anew or retire them",
        )
    ]
