"""The one HTTP client of enforcers: one request, and what its answer means for a step.

Owns the table from statuses and faults to temporary and permanent failures. The guard on addresses,
the patience, the unpacking and the discretion are those by which evidence is read; what one system
means by a refusal is its enforcer's to say. Must not know any one system.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import Any

import httpx
from django.utils import timezone

from evidence.sources import outside, tokens, unpacking
from evidence.sources import secrets as references
from evidence.sources.contract import failing
from evidence.sources.discretion import Discretion
from evidence.sources.failures import Later, Stopped, TooLarge
from evidence.sources.judging import place_of
from evidence.sources.patience import Patience, Slow

from .addresses import WHO
from .contract import PermanentFailure, TemporaryFailure, plain

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
# A step makes a handful of requests within one lease, however slowly their bytes trickle in.
LONGEST_SECONDS = 20.0
LARGEST_ANSWER = 1 << 20
# When the answer does not say how long.
PAUSE_SECONDS = 15.0
LONGEST_PAUSE = 3600.0
# What a system says of its refusal, beside what we say of it.
LONGEST_SAID = 300
WAITING = frozenset({408, 425, 429})

type Explain = Callable[[httpx.Response], Exception | None]


class Refused(PermanentFailure):
    """The system says that we may not; `right` is what is missing, in its own words."""

    def __init__(self, reason: str, *, right: str, who_must_act: str) -> None:
        super().__init__(reason, who_must_act=who_must_act)
        self.right = right


class TooMuch(TemporaryFailure):
    """An answer with more bytes than are read. Whoever asked knows whether it can ever be less."""


def pause(seconds: float | None = None) -> float:
    """The wait and up to half as much again, so that many rows do not come back at once."""
    wanted = min(PAUSE_SECONDS if seconds is None else seconds, LONGEST_PAUSE)
    return wanted * (1 + secrets.randbelow(500) / 1000)


class Web:
    """Requests of one enforcer. A client for each: nothing is left open between two steps."""

    def __init__(
        self,
        *,
        allow_private: bool,
        who_must_act: str,
        ca_file: str = "",
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        """`who_must_act`: who administers the system, for what only they can mend."""
        self._allow_private, self._who = allow_private, who_must_act
        self._ca_file, self.now = ca_file, clock
        self._discretion = Discretion()

    def secret(self, reference: str, *, called: str) -> str:
        """The secret that a setting names, which from now on stands in no text."""
        try:
            found = references.read(reference, called=called)
        except Stopped as problem:
            raise PermanentFailure(f"{problem.what} {problem.fix}", who_must_act=WHO) from None
        return self.discreet(found)

    def discreet(self, secret: str) -> str:
        """The secret, which from now on stands in no text."""
        self._discretion.keep(secret)
        return secret

    def request(
        self,
        method: str,
        url: str,
        *,
        right: str,
        key: str = "",
        explain: Explain = lambda _: None,
        largest: int = LARGEST_ANSWER,
        **options: Any,
    ) -> httpx.Response:
        """The answer, when it is a success; TooMuch where it has more than `largest` bytes.

        `right`: what the system has to allow for this, said where it refuses. `key`: the step's,
        left in the system's own log. `explain` may know better what a refusal means; what it
        returns is raised.
        """
        place = place_of(url)
        try:
            answer = self._asked(method, url, place, key, largest, options)
        except Later as problem:
            raise TemporaryFailure(
                self.clean(f"{problem.what}. {problem.fix}"), retry_after=pause(problem.seconds)
            ) from None
        except Stopped as problem:
            raise PermanentFailure(
                self.clean(f"{problem.what} {problem.fix}"), who_must_act=WHO
            ) from None
        code, wait = answer.status_code, outside.retry_after(answer, now=self.now())
        if answer.is_success:
            return answer
        if code in WAITING or code >= 500 or (code == 403 and wait):
            raise TemporaryFailure(f"{place} answered {code}.", retry_after=pause(wait))
        better = explain(answer)
        if better is not None:
            raise better
        raise self._refusal(answer, place, right)

    def clean(self, text: str) -> str:
        """What a system said, without the secrets it was asked with."""
        return plain(self._discretion.clean(text))

    def document(self, answer: httpx.Response) -> dict[str, Any]:
        """The JSON object of a success; anything else may be whole the next time."""
        try:
            found = tokens.object_of(answer)
        except Later:
            found = None
        if found is None:
            place = place_of(str(answer.request.url))
            raise TemporaryFailure(
                f"{place} answered {answer.status_code} with what is no JSON object.",
                retry_after=pause(),
            )
        return found

    def _asked(
        self, method: str, url: str, place: str, key: str, largest: int, options: dict[str, Any]
    ) -> httpx.Response:
        ends = monotonic() + LONGEST_SECONDS

        def look() -> None:
            if monotonic() > ends:
                raise Slow(f"took more than {LONGEST_SECONDS:.0f} s")

        headers = dict(options.pop("headers", {}))
        if key:
            headers["User-Agent"] = f"{outside.USER_AGENT} {outside.USER_AGENT}-key/{key}"
        try:
            with (
                failing(place),
                outside.client(
                    allow_private=self._allow_private,
                    patience=Patience(look),
                    verify=self._verify(),
                    timeout=TIMEOUT,
                ) as client,
                client.stream(method, url, headers=headers, **options) as answer,
            ):
                self._discretion.header(answer.request.headers.get("Authorization", ""))
                body = _body(answer, place, largest)
        except httpx.InvalidURL:
            raise Stopped(f"{place} is no address.", "Check the enforcer's settings.") from None
        packed = ("content-encoding", "content-length", "transfer-encoding")
        kept = [(name, value) for name, value in answer.headers.items() if name not in packed]
        return httpx.Response(
            answer.status_code, headers=kept, content=body, request=answer.request
        )

    def _verify(self) -> Any:
        if not self._ca_file:
            return None
        try:
            return outside.vouched_by(self._ca_file)
        except outside.Refused as problem:
            raise Stopped(
                f"The file {self._ca_file[:200]}, which ca_file names, {problem}.",
                "Put the authority's certificates there in PEM.",
            ) from None

    def _refusal(self, answer: httpx.Response, place: str, right: str) -> PermanentFailure:
        code, said = answer.status_code, self.clean(_words(answer))[:LONGEST_SAID]
        because = f"{place} answered {code}{said and f' ({said})'}"
        if code == 401:
            return Refused(
                f"{because}: it does not accept Countersign's own credentials. Renew them where the"
                " enforcer's settings refer to.",
                right=right,
                who_must_act=WHO,
            )
        if code == 403:
            return Refused(
                f"{because}: allow Countersign's client to {right}.",
                right=right,
                who_must_act=self._who,
            )
        if answer.is_redirect:
            leads = place_of(answer.headers.get("Location", "nowhere"))
            because += f", which leads to {leads}: name the final address"
        return PermanentFailure(f"{because}.", who_must_act=WHO)


def _body(answer: httpx.Response, place: str, largest: int) -> bytes:
    """All of it. What cannot be read, or is too large, says nothing about what was done."""
    try:
        return unpacking.read(answer, place, largest)
    except TooLarge as problem:
        raise TooMuch(problem.what, retry_after=pause()) from None
    except Stopped as problem:
        raise TemporaryFailure(problem.what, retry_after=pause()) from None


def _words(answer: httpx.Response) -> str:
    """Why it refuses, in its own words, by the members that OAuth and most APIs use."""
    try:
        found = tokens.document(answer)
    except Later:
        found = {}
    said = [found.get(name) for name in ("error", "error_description", "message")]
    # Whole: cut before `clean` has looked, a secret that is repeated is not known any more.
    return " ".join(one for one in said if type(one) is str)
