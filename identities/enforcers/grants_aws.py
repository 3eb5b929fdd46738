"""Grants in one AWS account: an inline policy that allows until a moment, and sessions under it.

Owns the policy's document, how it is read back, and the sessions that are handed out. Must not know
rows or people.

| kind          | what it gives                                       | handed out             |
| role_sessions | to this grant's own sessions of a role              | by AssumeRole          |
| role          | to all sessions of a role, however they were opened | nothing                |
| user          | to an IAM user                                      | nothing                |

The policy allows while `aws:CurrentTime` is before the end: AWS itself ends it. Removing it ends it
earlier, also for sessions that live on: a session has what its role has at each call. While such
sessions live, their role denies them everything, whatever else it allows.

Sources: IAM User Guide, "Global condition keys" (aws:CurrentTime, aws:userid is role id:session name),
"IAM JSON policy elements: Condition operators", "IAM and AWS STS quotas"; STS API, AssumeRole
(DurationSeconds 900 up to the role's own, one hour where roles are chained; Policy of 2,048).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from . import aws_policies as policies
from . import aws_rights
from .aws_clients import Clients, marked
from .aws_failures import ADMINISTRATOR, Absent, asking
from .aws_principals import Kind as PrincipalKind
from .aws_principals import Principals
from .contract import MissingRight, PermanentFailure, Residual, Seen, Sent, plain
from .grants import Given, Handed, Kind, Minted

POLICY = "CountersignGrant"
SHORTEST_SESSION, LONGEST_SESSION = timedelta(minutes=15), timedelta(hours=1)
LONGEST_SESSION_POLICY = 2_048
KINDS = {
    "role_sessions": Kind(
        "sessions of a role that Countersign opens for the holder",
        "the role's name",
        mints="aws",
        takes_permissions=True,
    ),
    "role": Kind("a role, for all of its sessions", "the role's name", takes_permissions=True),
    "user": Kind("an IAM user", "the user's name", takes_permissions=True),
}
_ACCOUNT = re.compile(r"\d{12}")
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ACTION = re.compile(r"([a-z0-9-]{1,64}):([A-Za-z0-9*?]{1,128})")
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]{1,64}:[a-z0-9-]*:(?:\d{12}|aws)?:[^\s\"]{1,1024}")
_KEY = re.compile(r"GRT-\d{1,19}")
# Who may write policies could make the end later, or give more than this.
_READS = ("Get", "List", "Simulate", "Generate")
_OF_ITSELF = frozenset({"iam", "sts", "organizations", "account"})


class AwsGranter:
    """Gives and takes in one account, through clients whose credentials belong to it."""

    def __init__(self, clients: Clients, *, account: str) -> None:
        self._clients, self._account = clients, account
        self._known: Principals | None = None

    def why_not(self, given: Given) -> str:
        """What of it AWS would not take, or what could give more than it says."""
        target = given.target
        if _ACCOUNT.fullmatch(target.account) is None:
            return f"{plain(target.account)[:40]} is no AWS account: twelve digits."
        if _NAME.fullmatch(target.name) is None:
            return f"{plain(target.name)[:80]} is no name that IAM gives, and no path or ARN."
        for one in given.permissions:
            for action in one.actions:
                if why := _why_not_action(action):
                    return why
            for resource in one.resources:
                if resource != "*" and _ARN.fullmatch(resource) is None:
                    return f"{plain(resource)[:120]} is no ARN: AWS would not know what is meant."
        most = (
            LONGEST_SESSION_POLICY if target.kind == "role_sessions" else policies.MOST[target.kind]
        )
        size = len(_allow(given))
        if size > most:
            return (
                f"It takes {size:,} characters of a policy, and AWS takes {most:,}: give fewer"
                " actions and resources, or more general ones."
            )
        return ""

    def grant(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        """Allow it until the end. Another end replaces the one that is there."""
        with marked(given.key):
            known, kind = self._at(given)
            reference = known.put_policy(kind, given.target.name, _title(given), _allow(given))
        return Sent(reference, f"{_title(given)} on {given.target.name} allows it.")

    def granted(self, given: Given, *, now: datetime) -> Seen:
        with marked(given.key):
            known, kind = self._at(given)
            found = known.policy(kind, given.target.name, _title(given))
        if found is None:
            return Seen("gone", f"{given.target.name} carries no {_title(given)}.", now)
        if not policies.same(found, _allow(given)):
            return Seen("unknown", f"{_title(given)} does not say what was given.", now)
        return Seen(
            "active",
            f"{_title(given)} on {given.target.name} allows it until {_moment(given.ends_at)}.",
            now,
        )

    def end(self, given: Given, *, now: datetime) -> Sent:
        """Take it away. As long as a session of it lives, its role denies that everything."""
        title, name = _title(given), given.target.name
        with marked(given.key):
            known, kind = self._at(given)
            try:
                if _living(given, now):
                    reference = known.put_policy(kind, name, title, _deny(given))
                    return Sent(reference, f"{title} on {name} denies its sessions everything.")
                reference = known.delete_policy(kind, name, title)
            except Absent:
                return Sent("", f"{name} carries no {title} any more.")
        return Sent(reference, f"{title} is taken off {name}.")

    def ended(self, given: Given, *, now: datetime) -> Seen:
        title, name = _title(given), given.target.name
        with marked(given.key):
            known, kind = self._at(given)
            found = known.policy(kind, name, title)
        if found is None:
            if _living(given, now) and self._there(kind, name, given.key):
                return Seen("active", f"{name} does not deny the sessions that live.", now)
            return Seen("gone", f"{name} carries no {title}.", now)
        if policies.same(found, _deny(given)):
            return Seen("denied", f"{title} denies its sessions everything.", now)
        return Seen("active", f"{title} is still on {name}.", now)

    def residual(self, given: Given, *, since: datetime, now: datetime) -> Sequence[Residual]:  # noqa: ARG002 -- the contract gives every step the moment
        return [
            Residual(
                f"session {one.name} ({one.credential}): its token is valid, every call but"
                " GetCallerIdentity is denied",
                one.lives_until,
            )
            for one in _living(given, now)
        ]

    def mint(self, given: Given, *, person: str, now: datetime) -> Minted:
        """A session of the role, for this grant alone. What it may do is what the role's policy of
        this grant says, until its end, even where AWS opens no session as short as what is left."""
        if given.target.kind != "role_sessions":
            raise PermanentFailure(
                f"Of a {given.target.kind} nothing is handed out: it is used as it is.",
                who_must_act="whoever asked for it",
            )
        left = given.ends_at - now
        if left <= timedelta(0):
            raise PermanentFailure("Its time is over.", who_must_act="whoever asked for it")
        seconds = int(min(max(left, SHORTEST_SESSION), LONGEST_SESSION).total_seconds())
        with marked(given.key):
            known, _ = self._at(given)
            role, _ = known.look("role", given.target.name)
            arn = str(role.get("Arn", ""))
            with asking("sts:AssumeRole", arn):
                answer = self._clients.sts.assume_role(
                    RoleArn=arn,
                    RoleSessionName=session_name(given.key, person),
                    DurationSeconds=seconds,
                    Policy=_allow(given, everyone=True),
                )
        return _minted(answer, given)

    def own_rights(self, given: Sequence[Given]) -> list[MissingRight]:
        """By AWS's own simulation, as for the enforcer (aws_rights.py). Whether a role trusts us is
        no right of ours: its first session shows that."""
        if not given:
            return []
        with asking("sts:GetCallerIdentity", self._account):
            _, arn = self._clients.caller()
        return aws_rights.missing(
            self._clients,
            account=self._account,
            own_arn=arn,
            targets=[one.target for one in given],
            needs=aws_rights.GRANTING,
        )

    def _at(self, given: Given) -> tuple[Principals, PrincipalKind]:
        """The account that these credentials belong to, which must be the one that is meant."""
        target = given.target
        if target.kind not in KINDS or _NAME.fullmatch(target.name) is None:
            raise PermanentFailure(
                f"AWS grants no {plain(target.kind)[:40]} {plain(target.name)[:80]}.",
                who_must_act=ADMINISTRATOR,
            )
        if self._known is None:
            with asking("sts:GetCallerIdentity", self._account):
                account, arn = self._clients.caller()
            if account != self._account or target.account != account:
                raise PermanentFailure(
                    f"Countersign's credentials are of the account {account}, not of"
                    f" {plain(target.account)[:40]}.",
                    who_must_act=ADMINISTRATOR,
                )
            partition = arn.split(":")[1] if arn.count(":") > 1 else "aws"
            self._known = Principals(self._clients, account=account, partition=partition)
        return self._known, "user" if target.kind == "user" else "role"

    def _there(self, kind: PrincipalKind, name: str, key: str) -> bool:
        if self._known is None:
            return True
        try:
            with marked(key):
                self._known.look(kind, name)
        except Absent:
            return False
        return True


def session_name(key: str, person: str) -> str:
    """The name that CloudTrail shows for each call of it: the grant's key, and whose it is."""
    return f"{key}.{re.sub(r'[^A-Za-z0-9_=,.@-]', '-', person)}"[:64]


def _minted(answer: Any, given: Given) -> Minted:
    found, user = answer["Credentials"], answer["AssumedRoleUser"]
    lives_until: datetime = found["Expiration"]
    ends = min(lives_until, given.ends_at)
    return Minted(
        Handed(user["Arn"].rsplit("/", 1)[-1], found["AccessKeyId"], lives_until),
        ends,
        {
            "Version": 1,
            "AccessKeyId": found["AccessKeyId"],
            "SecretAccessKey": found["SecretAccessKey"],
            "SessionToken": found["SessionToken"],
            "Expiration": ends.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        },
    )


def _why_not_action(action: str) -> str:
    found = _ACTION.fullmatch(action)
    if found is None:
        return f"{plain(action)[:120]} is no action of AWS that can be given, as s3:GetObject is."
    service, name = found.groups()
    if service in _OF_ITSELF and not name.startswith(_READS):
        return (
            f"{action} could give more than the grant does, or for longer: of {service} only what"
            " reads (Get…, List…) is granted."
        )
    return ""


def _title(given: Given) -> str:
    if _KEY.fullmatch(given.key) is None:
        raise PermanentFailure("This is no key of a grant.", who_must_act=ADMINISTRATOR)
    return f"{POLICY}-{given.key}"


def _living(given: Given, now: datetime) -> list[Handed]:
    return [one for one in given.handed if one.lives_until > now]


def _moment(when: datetime) -> str:
    """Cut to the millisecond that is written: never later than the end."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _own(given: Given) -> dict[str, Any]:
    """The condition that only this grant's own sessions meet."""
    return {"StringLike": {"aws:userid": f"*:{given.key}.*"}}


def _allow(given: Given, *, everyone: bool = False) -> str:
    """The policy. `everyone`: a session's own, which needs no word of whose it is."""
    when: dict[str, Any] = {"DateLessThan": {"aws:CurrentTime": _moment(given.ends_at)}}
    if given.target.kind == "role_sessions" and not everyone:
        when |= _own(given)
    return _document(
        [
            {
                "Effect": "Allow",
                "Action": list(one.actions),
                "Resource": list(one.resources),
                "Condition": when,
            }
            for one in given.permissions
        ]
    )


def _deny(given: Given) -> str:
    return _document([{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": _own(given)}])


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
