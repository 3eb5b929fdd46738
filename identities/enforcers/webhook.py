"""The enforcer of systems that have none of their own: told by signed webhook, believed by proof.

Owns the message of each step, and what counts as proof of it. That the message was taken proves
nothing: the step stays *sent* until the receiver has said what became of it, by call-back or at its
status address, or its time is over. Must not know how rows are kept: what was asked and what was
said of it stands in a `Book`.

Sources: the specification of Standard Webhooks; RFC 3339 for times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import httpx

from . import webhook_answers
from .contract import (
    KnownSession,
    MissingRight,
    PermanentFailure,
    Permission,
    Residual,
    Seen,
    Sent,
    State,
    Step,
    Target,
    TemporaryFailure,
    plain,
)
from .web import Web, pause
from .webhook_answers import Told
from .webhook_receivers import Receiver, signed

# What the target shows when the receiver says that the step was made.
SHOWN: dict[str, State] = {
    "hold": "held",
    "release": "active",
    "narrow": "denied",
    "suspend": "denied",
    "resume": "active",
    "revoke": "gone",
}
STOPS = ("hold", "suspend", "revoke")
# How often a status address is asked: after a quarter of what has been waited already.
SOONEST, LATEST = timedelta(seconds=5), timedelta(minutes=15)


class Asked(NamedTuple):
    """One step as it was asked of a receiver: where its row stands, and what was said of it."""

    key: str
    state: str
    sent_at: datetime | None
    told: Sequence[Told]


class Book(Protocol):
    """Where it is kept what was asked, and what receivers say."""

    def asked(self, target: Target, *, step: str, now: datetime) -> Asked | None: ...

    def begin(self, target: Target, *, step: str, now: datetime) -> None:
        """It is sent, perhaps again: what was said of it before is of the time before."""
        ...

    def wait(self, asked: Asked, *, until: datetime, why: str, now: datetime) -> bool:
        """Leave it alone until then. False: something was said meanwhile."""
        ...


class WebhookEnforcer:
    """Steps at one receiver."""

    system = "webhook"

    def __init__(
        self, receiver: Receiver, book: Book, *, base: str, answer: str, allow_private: bool
    ) -> None:
        """`base`: of our own pages; `answer`: where the receiver calls back, if it does."""
        self._receiver, self._book, self._base, self._answer = receiver, book, base, answer
        self._allow_private = allow_private

    def cannot(self, target: Target, step: str) -> str:
        return cannot(self._receiver, target, step)

    # Steps

    def hold(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,
        permissions: Sequence[Permission] = (),
    ) -> Sent:
        return self._tell(target, "hold", key, now, permissions=permissions)

    def release(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,
        allowed: Mapping[str, str] | None = None,  # noqa: ARG002 -- of entitlements, which it has not
    ) -> Sent:
        return self._tell(target, "release", key, now)

    def allowed(self, target: Target, *, now: datetime) -> dict[str, str]:  # noqa: ARG002 -- the contract gives every step the moment
        raise self._not_possible(target, "reading of what is allowed")

    def narrow(
        self,
        target: Target,
        *,
        permissions: Sequence[Permission],
        key: str,
        now: datetime,
    ) -> Sent:
        return self._tell(target, "narrow", key, now, permissions=permissions)

    def suspend(self, target: Target, *, key: str, now: datetime) -> Sent:
        return self._tell(target, "suspend", key, now)

    def resume(self, target: Target, *, key: str, now: datetime) -> Sent:
        return self._tell(target, "resume", key, now)

    def revoke(self, target: Target, *, key: str, now: datetime, delete: bool = True) -> Sent:
        return self._tell(target, "revoke", key, now, delete=delete)

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002 -- the book knows when it was sent
        permissions: Sequence[Permission] = (),  # noqa: ARG002 -- the receiver was told them
    ) -> Seen:
        """What the receiver says became of it; nothing else is seen of its system from here."""
        self._check(target, step)
        name = self._receiver.name
        asked = self._book.asked(target, step=step, now=now)
        told = self._said(target, step, asked, now)
        sent = asked is not None and asked.state == "sent"
        if told is not None and told.outcome != "failed":
            return Seen(SHOWN[step], plain(told.words()), now)
        if told is not None and sent:
            raise PermanentFailure(
                f"{name} says that it failed: {told.said} (in {told.message}).",
                who_must_act=self._receiver.who,
            )
        if asked is None or not sent:
            return Seen("unknown", f"{name} has not said that it was made.", now)
        began = asked.sent_at or now
        ends = began + timedelta(seconds=self._receiver.proof_seconds)
        if now >= ends:
            raise PermanentFailure(
                f"{name} took the message and has not said until {ends:%Y-%m-%d %H:%M} UTC what"
                " became of it. Its word is still taken when it comes.",
                who_must_act=self._receiver.who,
            )
        why = f"{name} took the message; its word is waited for until {ends:%Y-%m-%d %H:%M} UTC."
        if not self._book.wait(asked, until=self._again(began, ends, now), why=why, now=now):
            return self.verify(target, step=step, now=now)
        return Seen("unknown", why, now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]:
        """What lives on by the receiver's word, and by evidence; without a word no end is known."""
        name, told = self._receiver.name, None
        for step in STOPS:
            asked = self._book.asked(target, step=step, now=now)
            if asked is not None:
                told = self._said(target, step, asked, now)
                break
        lives = [
            Residual(plain(f"session {one.name}"), one.expires_at)
            for one in sessions
            if one.issued_at <= since and (one.expires_at is None or one.expires_at > now)
        ]
        if told is None or told.outcome in ("confirmed", "failed"):
            return [*lives, Residual(f"what {name} has not yet said to be dead", None)]
        if told.outcome == "residual" and (told.until is None or told.until > now):
            what = f"{told.said or 'what it was used for'}, as {name} says in {told.message},"
            lives.append(Residual(plain(what), told.until))
        return lives

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """Whether secrets are there and the address answers. Nobody is told anything."""
        web, receiver = self._web(), self._receiver
        if targets and not set(STOPS) & set(receiver.steps):
            said = cannot(receiver, targets[0], "revoke")
            return [MissingRight("stop anything", receiver.name, said)]
        signed(web, receiver.secrets, "", message="check", now=web.now())
        for reference in receiver.answers:
            web.secret(reference, called="answers")
        for address in filter(None, (receiver.url, receiver.status)):
            try:
                web.request("HEAD", address, right="be asked", explain=_answered)
            except _Answered:
                continue
        return []

    # Telling and asking

    def _tell(
        self,
        target: Target,
        step: str,
        key: str,
        now: datetime,
        *,
        permissions: Sequence[Permission] = (),
        delete: bool = True,
    ) -> Sent:
        self._check(target, step)
        data = self._about(target, step, key) | {
            "deadline": (now + timedelta(seconds=self._receiver.proof_seconds)).isoformat(),
            "reason_url": f"{self._base}/revocations/?q={key}",
        }
        if self._receiver.answers:
            data["answer_url"] = self._answer
        if permissions:
            data["permissions"] = [
                {"actions": list(one.actions), "resources": list(one.resources)}
                for one in permissions
            ]
        if step == "revoke":
            data["delete"] = delete
        self._book.begin(target, step=step, now=now)
        self._post(self._receiver.url, f"revocation.{step}", data, message=key)
        return Sent(key, f"{self._receiver.name} took the message; what it did is not known yet.")

    def _about(self, target: Target, step: str, key: str) -> dict[str, Any]:
        of = {"realm": target.extra.get("realm", ""), "kind": target.kind, "name": target.name}
        return {"revocation": key, "step": step, "target": of}

    def _said(self, target: Target, step: str, asked: Asked | None, now: datetime) -> Told | None:
        """Of all words the one that counts; a status address is asked anew each time."""
        told = list(asked.told) if asked is not None else []
        if asked is not None and self._receiver.status:
            found = self._status(target, step, asked.key, now)
            told += [found] if found is not None else []
        return webhook_answers.counts(told)

    def _status(self, target: Target, step: str, key: str, now: datetime) -> Told | None:
        name, message = self._receiver.name, f"status-{now:%Y%m%dT%H%M%S}"
        answer, web = self._post(
            self._receiver.status,
            "revocation.status",
            self._about(target, step, key),
            message=f"{key}.{message}",
        )
        data = web.document(answer)
        named = (data.get("revocation"), data.get("step"))
        if named != (key, step):
            raise TemporaryFailure(
                f"{name} answers about another than the {step} {key}, at its status address.",
                retry_after=pause(),
            )
        if data.get("outcome") == "waiting":
            return None
        try:
            return webhook_answers.read(data, by=name, message=message)
        except webhook_answers.Unclear as problem:
            raise TemporaryFailure(
                f"{name} does not say what became of {key}: {problem}.", retry_after=pause()
            ) from None

    def _post(
        self, url: str, kind: str, data: dict[str, Any], *, message: str
    ) -> tuple[httpx.Response, Web]:
        web = self._web()
        at = web.now()
        said = {"type": kind, "timestamp": at.isoformat(), "data": data}
        body = json.dumps(said, ensure_ascii=True)
        headers = signed(web, self._receiver.secrets, body, message=message, now=at)
        right = "send it messages"
        answer = web.request("POST", url, right=right, content=body.encode(), headers=headers)
        return answer, web

    def _web(self) -> Web:
        return Web(
            allow_private=self._allow_private,
            who_must_act=self._receiver.who,
            ca_file=self._receiver.ca_file,
        )

    def _again(self, began: datetime, ends: datetime, now: datetime) -> datetime:
        if not self._receiver.status:
            return ends
        return min(ends, now + min(max((now - began) / 4, SOONEST), LATEST))

    def _check(self, target: Target, step: str) -> None:
        if target.account != self._receiver.name:
            raise PermanentFailure(
                f"{plain(target.name)} is of {plain(target.account)}, not of"
                f" {self._receiver.name}: nobody is told.",
                who_must_act="whoever asked for it",
            )
        if self.cannot(target, step):
            raise self._not_possible(target, step)

    def _not_possible(self, target: Target, step: str) -> PermanentFailure:
        return PermanentFailure(
            f"{target.name}: {self.cannot(target, step)}", who_must_act="whoever asked for it"
        )


def cannot(receiver: Receiver, target: Target, step: str) -> str:
    """Why this receiver is not told of such a step; "" where it is."""
    if step in receiver.steps:
        return ""
    return (
        f"{receiver.name} takes no {step} of a {target.kind.replace('_', ' ')}: have it done there"
        f" by {receiver.who}, or hold the identity, which is at our own door."
    )


class _Answered(Exception):
    """Whatever it was, somebody answered."""


def _answered(answer: httpx.Response) -> Exception | None:
    return None if answer.is_redirect else _Answered()
