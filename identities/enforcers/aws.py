"""The AWS enforcer: access keys, users, roles and role sessions of one account.

Owns what each step means for each kind of target, how it is read back and what lives on.
Must not know rows, cases or people; decides nothing about who may ask.

| kind          | hold, release          | suspend, resume | revoke                              |
| access_key    | status of the key      | as hold         | the key is deleted, or kept held    |
| user          | as suspend             | deny-all policy and keys inactive | and keys deleted  |
| role          | deny-all policy        | as hold         | deny-all policy, for good           |
| …_sessions    | deny by the time of issue, for now | not possible | deny by the time of issue  |
| login_profile | not possible           | not possible    | deleted, its sessions denied        |
| …_entitlement | what is left, for now  | not possible    | narrowed instead                    |

Narrowing puts a deny of everything outside the permissions on a user or role.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from . import aws_holds, aws_keys, aws_narrowing, aws_rights, aws_sessions
from . import aws_policies as policies
from .aws_clients import Clients, Credentials, marked
from .aws_failures import (
    ADMINISTRATOR,
    OUR_CREDENTIALS,
    REFUSED,
    Absent,
    asking,
    code_of,
    translated,
)
from .aws_principals import Kind, Principals
from .contract import (
    KnownSession,
    MissingRight,
    PermanentFailure,
    Permission,
    Residual,
    Seen,
    Sent,
    Step,
    Target,
    plain,
)

_NAMES = {
    "access_key": re.compile(r"[A-Z0-9]{16,128}"),
    "user": re.compile(r"[\w+=,.@-]{1,64}", re.ASCII),
    "role": re.compile(r"[\w+=,.@-]{1,64}", re.ASCII),
    "role_sessions": re.compile(r"[\w+=,.@-]{1,64}", re.ASCII),
    "user_sessions": re.compile(r"[\w+=,.@-]{1,64}", re.ASCII),
    "login_profile": re.compile(r"[\w+=,.@-]{1,64}", re.ASCII),
    "user_entitlement": re.compile(r"[\w+=,.@-]{1,64}", re.ASCII),
    "role_entitlement": re.compile(r"[\w+=,.@-]{1,64}", re.ASCII),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A real use to try with a credential, which was allowed before.

    GetCallerIdentity is always allowed, even against a deny: it proves a dead key, and proves
    nothing about a session. So a session needs an attempt on something that policies judge.
    """

    service: str = "sts"
    operation: str = "get_caller_identity"
    arguments: dict[str, Any] = field(default_factory=dict)


class AwsEnforcer:
    """Write access to one AWS account, through clients whose credentials belong to it."""

    system = "aws"

    def __init__(self, clients: Clients, *, account: str) -> None:
        self._clients = clients
        self._account = account
        self._known: Principals | None = None
        self._arn = ""

    # Steps

    def hold(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,
        permissions: Sequence[Permission] = (),
    ) -> Sent:
        """A reversible stop; of an entitlement, of everything outside the permissions."""
        with marked(key):
            known = self._at(target)
            match target.kind:
                case "access_key":
                    return aws_keys.set_key(known, target, active=False)
                case "user":
                    return aws_holds.suspend_user(known, target)
                case "role":
                    return aws_holds.hold_role(known, target)
                case "role_sessions" | "user_sessions":
                    return aws_sessions.deny_sessions(known, target, now=now, hold=True)
                case "user_entitlement" | "role_entitlement":
                    return aws_narrowing.hold(known, target, permissions)
                case _:
                    raise _not_possible(target, "hold")

    def release(
        self, target: Target, *, key: str, now: datetime, allowed: Mapping[str, str] | None = None
    ) -> Sent:
        """Undo a hold; of an entitlement, unless AWS allows more than `allowed` by now."""
        with marked(key):
            known = self._at(target)
            match target.kind:
                case "access_key":
                    return aws_keys.set_key(known, target, active=True)
                case "user":
                    return aws_holds.resume_user(known, target)
                case "role":
                    return aws_holds.drop_policy(known, "role", target, policies.HOLD)
                case "role_sessions" | "user_sessions":
                    kind = aws_sessions.OF[target.kind]
                    return aws_holds.drop_policy(known, kind, target, policies.HELD_SESSIONS)
                case "user_entitlement" | "role_entitlement":
                    return aws_narrowing.release(
                        known,
                        target,
                        before=allowed or {},
                        now=self.allowed(target, now=now),
                    )
                case _:
                    raise _not_possible(target, "release")

    def suspend(self, target: Target, *, key: str, now: datetime) -> Sent:
        """Nothing of this identity works until it is resumed."""
        return self.hold(target, key=key, now=now)

    def resume(self, target: Target, *, key: str, now: datetime) -> Sent:
        """Undo a suspension: what was active before works again, and nothing else."""
        return self.release(target, key=key, now=now)

    def narrow(
        self,
        target: Target,
        *,
        permissions: Sequence[Permission],
        key: str,
        now: datetime,  # noqa: ARG002 -- the contract gives every step the moment
    ) -> Sent:
        """Deny everything outside the permissions. A later set replaces an earlier one."""
        kind = _principal(target, "narrow")
        with marked(key):
            return aws_narrowing.narrow(self._at(target), kind, target, permissions)

    def allowed(self, target: Target, *, now: datetime) -> dict[str, str]:
        """What the target allows apart from our own stops, to give to `release` later."""
        self._at(target)
        if target.kind not in aws_narrowing.KINDS:
            raise _not_possible(target, "reading of what is allowed")
        return aws_narrowing.allowed(self._clients, self._account, target, now=now)

    def revoke(self, target: Target, *, key: str, now: datetime, delete: bool = True) -> Sent:
        """The end of a credential. `delete=False` keeps keys held instead of deleting them."""
        with marked(key):
            known = self._at(target)
            match target.kind:
                case "access_key":
                    return (
                        aws_keys.delete_key(known, target)
                        if delete
                        else aws_keys.set_key(known, target, active=False)
                    )
                case "user":
                    return aws_holds.revoke_user(known, target, delete=delete)
                case "role":
                    return aws_holds.hold_role(known, target)
                case "role_sessions" | "user_sessions":
                    return aws_sessions.deny_sessions(known, target, now=now)
                case "login_profile":
                    return aws_sessions.end_password(known, target, now=now)
                case _:
                    raise _not_possible(target, "revoke")

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,
        permissions: Sequence[Permission] = (),
    ) -> Seen:
        """What the target shows now, read from it and not from what it answered before.

        `since` is the moment before which sessions must be denied (role_sessions);
        `permissions` is what a narrowing left.
        """
        known = self._at(target)
        if target.kind == "access_key":
            return aws_keys.seen_key(known, target, now)
        if target.kind == "login_profile":
            return aws_sessions.seen_password(known, target, since=since, now=now)
        kind = _principal(target, step)
        try:
            known.look(kind, target.name)
        except Absent:
            return Seen("gone", f"There is no {kind} {target.name}.", now)
        if step == "narrow":
            return aws_narrowing.seen_narrow(known, kind, target, permissions, now=now)
        if target.kind in aws_narrowing.KINDS:
            return aws_narrowing.seen_held(known, kind, target, permissions, step=step, now=now)
        if target.kind in aws_sessions.OF:
            return aws_sessions.seen_sessions(known, target, step=step, since=since, now=now)
        return aws_holds.seen_hold(known, kind, target, now=now)

    def probe(self, secret: Credentials, *, now: datetime, attempt: Attempt | None = None) -> Seen:
        """A real use of a credential whose secret the caller holds: is it refused?

        A refusal for want of a right is "denied" too, so the attempt must be one that was
        allowed before. Failing to reach AWS raises; it is not a refusal.
        """
        attempt = attempt or Attempt()
        name = f"{attempt.service}:{attempt.operation}"
        used = self._clients.with_credentials(secret)
        try:
            getattr(used.client(attempt.service), attempt.operation)(**attempt.arguments)
        except ClientError as error:
            code = code_of(error)
            if code in OUR_CREDENTIALS or code in REFUSED or code == "403":
                return Seen("denied", f"{name} was refused: {code}.", now)
            raise translated(error, permission=name, resource=secret.access_key_id) from error
        except BotoCoreError as error:
            raise translated(error, permission=name, resource=secret.access_key_id) from error
        return Seen("active", f"{name} was answered.", now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]:
        """What lives on after a step sent at `since`; ends that have passed are left out."""
        known = self._at(target)
        match target.kind:
            case "access_key":
                lives = aws_keys.after_key(aws_keys.last_use(known, target.name), since, now)
            case "user":
                # Tokens of the user itself fall under its deny-all; sessions of roles do not.
                lives = [
                    Residual(
                        f"role sessions that {target.name} opened before: a deny on the user does "
                        "not reach them",
                        since + aws_keys.LONGEST_ROLE_SESSION,
                    )
                ]
            case "role" | "user_entitlement" | "role_entitlement":
                lives = []
            case _:
                lives = aws_sessions.after_sessions(known, target, since)
        return [r for r in _named(lives, sessions, since) if r.until is None or r.until > now]

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """What this enforcer may not do, empty when it may do everything it needs.

        With targets, their users and roles are asked about; without, any user and role. AWS is
        asked to simulate; where it may not be asked, each right is tried on something that
        cannot succeed (see aws_rights), which needs targets.
        """
        self._principals()
        return aws_rights.missing(
            self._clients, account=self._account, own_arn=self._arn, targets=targets
        )

    # The account

    def _at(self, target: Target) -> Principals:
        """The account's principals, after looking that this target is ours to change."""
        name = _NAMES.get(target.kind)
        if target.system != self.system or name is None:
            raise PermanentFailure(
                f"The AWS enforcer knows no {target.kind} of {target.system}.",
                who_must_act=ADMINISTRATOR,
            )
        user = target.extra.get("user", "")
        if not name.fullmatch(target.name) or (user and not _NAMES["user"].fullmatch(user)):
            raise PermanentFailure(
                f"{target.name!r} is not a name AWS gives to a {target.kind}.",
                who_must_act=ADMINISTRATOR,
            )
        if target.account != self._account:
            raise PermanentFailure(
                f"The target is in account {target.account}, this enforcer in {self._account}.",
                who_must_act=ADMINISTRATOR,
            )
        return self._principals()

    def _principals(self) -> Principals:
        # User names repeat between accounts: with the credentials of another account the wrong
        # one would be cut, so whose they are is asked once before anything is changed.
        if self._known is None:
            with asking("sts:GetCallerIdentity", "*"):
                whose, self._arn = self._clients.caller()
            if whose != self._account:
                raise PermanentFailure(
                    f"Countersign's credentials belong to account {whose}, not to {self._account}.",
                    who_must_act=ADMINISTRATOR,
                )
            partition = self._arn.split(":")[1]
            self._known = Principals(self._clients, account=self._account, partition=partition)
        return self._known


def _principal(target: Target, step: str) -> Kind:
    match target.kind:
        case "user":
            return "user"
        case "role":
            return "role"
        case "role_sessions" | "user_sessions" if step != "narrow":
            return aws_sessions.OF[target.kind]
        case "user_entitlement" | "role_entitlement" if step in ("hold", "release"):
            return aws_narrowing.KINDS[target.kind]
        case _:
            raise _not_possible(target, step)


def _not_possible(target: Target, step: str) -> PermanentFailure:
    why = {
        "access_key": "narrow its user instead",
        "role_sessions": "hold, release or revoke them, or narrow the role",
        "user_sessions": "hold, release or revoke them, or narrow the user",
        "login_profile": "revoke it, or hold the user",
        "user_entitlement": "hold, release or narrow it instead",
        "role_entitlement": "hold, release or narrow it instead",
    }.get(target.kind, "the AWS enforcer does not know this kind")
    return PermanentFailure(
        f"AWS has no {step} for {target.kind} {target.name}: {why}.",
        who_must_act="whoever asked for it",
    )


def _named(
    lives: list[Residual], sessions: Iterable[KnownSession], since: datetime
) -> list[Residual]:
    """Bounds, and before them the sessions that evidence names, with their own ends."""
    longest = max((r.until for r in lives if r.until), default=None)
    named = [
        Residual(plain(f"session {s.name}"), s.expires_at or longest)
        for s in sessions
        if lives and s.issued_at <= since
    ]
    return named + lives
