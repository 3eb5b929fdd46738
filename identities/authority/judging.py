"""The one judge: the same function answers at run time and afterwards (decisions 10).

Owns the question that is put to Cedar, the reason of a no and its sentence. Cedar decides;
nothing here allows what Cedar did not.

Reasons, in this order: a stop applies (``held``); it would be allowed with the time lifted
(``expired``, ``revoked``, ``not_yet``), the conditions lifted (``condition``), the task lifted
(``task_not_covered``), the resource lifted (``wrong_resource``), the action lifted
(``wrong_action``); else ``none``.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from cedarpy import AuthzResult, Entities, is_authorized_batch

from . import names
from .compiling import ACTION, RESOURCE, Slice, addresses, entity, wants_mfa
from .terms import (
    CONDITION,
    EXPIRED,
    HELD,
    INSIDE,
    LONGEST_ASKED,
    NONE,
    NOT_YET,
    REVOKED,
    TASK_NOT_COVERED,
    WRONG_ACTION,
    WRONG_RESOURCE,
    AuthorityError,
    Grant,
    Request,
    Verdict,
    micros,
    shown,
    written,
)

type Address = IPv4Address | IPv6Address

_NOBODY = Entities.from_json_str("[]")
_NOTHING = ""
# What is lifted when the answer was no, in the order in which the reason is looked for.
_LIFTS = ("time", "conditions", "task", "resource", "action")
_REASON_OF_LIFT = {
    "conditions": CONDITION,
    "task": TASK_NOT_COVERED,
    "resource": WRONG_RESOURCE,
    "action": WRONG_ACTION,
}


def judge(slice_: Slice, request: Request, *, now: datetime) -> Verdict:
    """Judge one request at its own time, or at `now` when it has none."""
    at = now if request.at is None else request.at
    return _judge(slice_, request, _address(request.address), at)


def judge_many(slice_: Slice, requests: Iterable[Request], *, now: datetime) -> list[Verdict]:
    """Judge many, in the order given; what is equal between two stored instants only once.

    Two addresses are equal when they lie in the same networks of those the grants ask for.
    """
    known: dict[tuple[Any, ...], Verdict] = {}
    places: dict[str | None, tuple[Address | None, tuple[bool, ...]]] = {}
    found = []
    for request in requests:
        place = places.get(request.address)
        if place is None:
            address = _address(request.address)
            within = tuple(address is not None and address in one for one in slice_.networks)
            places[request.address] = place = (address, (address is not None, *within))
        at = now if request.at is None else request.at
        shape = (
            request.action,
            request.resource,
            request.task,
            request.on_behalf,
            request.mfa,
            place[1],
            bisect_right(slice_.instants, at),
        )
        verdict = known.get(shape)
        if verdict is None:
            known[shape] = verdict = _judge(slice_, request, place[0], at)
        found.append(verdict)
    return found


def _judge(slice_: Slice, request: Request, address: Address | None, at: datetime) -> Verdict:
    what = shown(request.action)
    if request.resource:
        what = f"{what} on {shown(request.resource)}"
    for field in ("action", "resource", "task", "on_behalf"):
        said = getattr(request, field)
        if said is not None and len(said) > LONGEST_ASKED:
            return Verdict(
                False,
                NONE,
                (),
                f"The {field} has more than {LONGEST_ASKED:,} characters: nothing covers it.",
            )
    context = _context(slice_, request, address, at)
    first = _ask(slice_, [context])[0]
    deciding = _deciding(first)
    if first.allowed:
        return _inside(slice_, request, address, what, deciding)
    if deciding:
        # Only a forbid is ever the reason of Cedar's no.
        stops = [slice_.forbids[number] for number in deciding]
        because = "; ".join(shown(stop.because or stop.key) for stop in stops)
        keys = tuple(dict.fromkeys(stop.key for stop in stops))
        return Verdict(False, HELD, keys, f"Held: {because}.")
    if not slice_.grants:
        return Verdict(False, NONE, (), f"No delegation at all, so none for {what}.")
    lifts = _lifts(slice_, request)
    asked = [{**context, "lifted": lift} for lift in lifts]
    for lift, answer in zip(lifts, _ask(slice_, asked), strict=True):
        if answer.allowed:
            grants = [slice_.grants[number] for number in _deciding(answer)]
            if lift == "time":
                return _out_of_time(grants, what, at)
            return _lifted(_REASON_OF_LIFT[lift], grants, request, address, what)
    return Verdict(False, NONE, (), f"No delegation in force at that time covers {what}.")


def _lifts(slice_: Slice, request: Request) -> list[str]:
    """What to lift: only clauses that some grant has, for lifting another changes nothing."""
    here = {
        "time": bool(slice_.instants),
        "conditions": any(grant.conditions or grant.on_behalf for grant in slice_.grants),
        "task": bool(request.task),
    }
    return [lift for lift in _LIFTS if here.get(lift, True)]


def _context(
    slice_: Slice, request: Request, address: Address | None, at: datetime
) -> dict[str, Any]:
    """What Cedar compares with. Texts travel as JSON strings and are only ever data."""
    called = names.names(_text(request.action), _text(request.resource))
    context: dict[str, Any] = {
        **called._asdict(),
        "task": _text(request.task),
        "on_behalf": _text(request.on_behalf),
        "mfa": request.mfa is True,
        "now": micros(at, "at"),
        "lifted": _NOTHING,
    }
    if address is not None and slice_.networks:
        context["address"] = {"__extn": {"fn": "ip", "arg": str(address)}}
    return context


def _text(said: str | None) -> str:
    # Half of a surrogate pair, which a log may hold, is no text that JSON can carry.
    return "" if not said else said.encode("utf-8", "replace").decode("utf-8")


def _address(said: str | None) -> Address | None:
    """The address, None where a log writes a service's name or nothing."""
    if not said or len(said) > 64:
        return None
    try:
        address = ip_address(said)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.scope_id is not None:
            return IPv6Address(int(address))
    return address


def _ask(slice_: Slice, contexts: list[dict[str, Any]]) -> list[AuthzResult]:
    principal = entity(slice_.grantee)
    answers: list[AuthzResult] = is_authorized_batch(
        [
            {
                "principal": principal,
                "action": ACTION,
                "resource": RESOURCE,
                "context": context,
            }
            for context in contexts
        ],
        slice_.policies,
        _NOBODY,
    )
    for answer in answers:
        if answer.diagnostics.errors:
            # A policy that could not be evaluated was left out, and a stop may be among them.
            raise AuthorityError("policies", f"cannot be evaluated: {answer.diagnostics.errors[0]}")
    return answers


def _deciding(answer: AuthzResult) -> list[int]:
    """Numbers of the grants that allowed, or of the stops that forbade, in their order."""
    named = answer.diagnostics.id_annotations_by_reason
    return sorted(int(named[policy][1:]) for policy in answer.diagnostics.reasons)


def _keys(grants: Iterable[Grant]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(grant.key for grant in grants))


def named(grants: list[Grant]) -> str:
    """The delegations as a sentence names them: three keys at most."""
    keys = _keys(grants)
    return ", ".join(shown(key) for key in keys[:3]) + (
        f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    )


def _inside(
    slice_: Slice, request: Request, address: Address | None, what: str, deciding: list[int]
) -> Verdict:
    grants = [slice_.grants[number] for number in deciding]
    signed = any(grant.signed for grant in grants)
    unstated = _unstated(grants, request, address)
    covers = "covers" if len(_keys(grants)) == 1 else "cover"
    detail = f"{named(grants)} {covers} {what}"
    if unstated:
        detail += f"; not stated: {', '.join(unstated).replace('_', ' ')}"
    if not signed:
        detail += "; imported, unsigned"
    return Verdict(True, INSIDE, _keys(grants), f"{detail}.", unstated, signed)


def _out_of_time(grants: list[Grant], what: str, at: datetime) -> Verdict:
    """Which end counts: that of the grant that ended last; only without any, the next start."""
    ended = [grant for grant in grants if grant.over_at is not None and grant.over_at <= at]
    if not ended:
        starts = min(grant.starts_at for grant in grants if grant.starts_at is not None)
        deciding = [grant for grant in grants if grant.starts_at == starts]
        return Verdict(
            False,
            NOT_YET,
            _keys(deciding),
            f"{named(deciding)} will cover {what} from {written(starts)}.",
            signed=any(grant.signed for grant in deciding),
        )
    last = max(grant.over_at for grant in ended if grant.over_at is not None)
    deciding = [grant for grant in ended if grant.over_at == last]
    revoked = [grant for grant in deciding if grant.revoked_at == last]
    reason, word = (REVOKED, "was revoked on") if revoked else (EXPIRED, "ended on")
    deciding = revoked or deciding
    return Verdict(
        False,
        reason,
        _keys(deciding),
        f"{named(deciding)} covered {what} and {word} {written(last)}.",
        signed=any(grant.signed for grant in deciding),
    )


def _lifted(
    reason: str, grants: list[Grant], request: Request, address: Address | None, what: str
) -> Verdict:
    unstated = _unstated(grants, request, address) if reason == CONDITION else ()
    who = named(grants)
    if reason == CONDITION:
        missed = ", ".join(_missed(grants, request, address)).replace("_", " ")
        detail = f"{who} would cover {what}, but a condition is not met: {missed}"
    elif reason == TASK_NOT_COVERED:
        detail = f"{who} would cover {what}, but not for the task {shown(request.task or '')}"
    elif reason == WRONG_RESOURCE:
        where = shown(request.resource) or "no named resource"
        detail = f"{who} covers {shown(request.action)}, but not on {where}"
    else:
        detail = f"{who} covers {shown(request.resource) or 'every resource'}, but not {shown(request.action)}"
    return Verdict(
        False, reason, _keys(grants), f"{detail}.", unstated, any(one.signed for one in grants)
    )


def _unstated(
    grants: Iterable[Grant], request: Request, address: Address | None
) -> tuple[str, ...]:
    asks: set[str] = set()
    for grant in grants:
        if grant.task is not None and not request.task:
            asks.add("task")
        if grant.on_behalf is not None and not request.on_behalf:
            asks.add("on_behalf")
        if address is None and addresses(grant):
            asks.add("address")
        if request.mfa is None and wants_mfa(grant):
            asks.add("mfa")
    return tuple(name for name in ("task", "on_behalf", "address", "mfa") if name in asks)


def _missed(grants: list[Grant], request: Request, address: Address | None) -> list[str]:
    found: dict[str, None] = {}
    for grant in grants:
        networks = addresses(grant)
        if networks and (address is None or not any(address in one for one in networks)):
            found["address" if address is not None else "address not stated"] = None
        if wants_mfa(grant) and request.mfa is not True:
            found["second factor" if request.mfa is False else "second factor not stated"] = None
        if grant.on_behalf is not None and request.on_behalf not in (None, "", grant.on_behalf):
            found[f"only on behalf of {shown(grant.on_behalf)}"] = None
    return list(found)
