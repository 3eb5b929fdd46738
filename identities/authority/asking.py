"""What is asked before it is done: the judge's answer, made certain.

Owns what only a question needs: a resource that can be read in several ways, a type beside the
id, and delegations whose task or person the question leaves out. It takes an allow of the judge
away where it is not certain, and never gives one.
"""

from datetime import datetime

from . import kinds, resources
from .compiling import Slice
from .judging import judge, named
from .terms import NOT_STATED, UNCLEAR_RESOURCE, WRONG_TYPE, Grant, Request, Verdict, shown

_MEMBERS = {"task": "context.task", "person": "context.on_behalf"}


def judge_asked(slice_: Slice, request: Request, type_: str = "", *, now: datetime) -> Verdict:
    """Judge a question at `now`; `type_`: the type of the resource, empty when none is said."""
    verdict = _certain(slice_, request, type_, now)
    if not verdict.allowed or _written_exactly(slice_, request, verdict, now):
        return verdict
    try:
        others = resources.readings(request.resource)[1:]
    except resources.UnclearResourceError as problem:
        return verdict._replace(
            allowed=False,
            reason=UNCLEAR_RESOURCE,
            detail=f"The resource id {problem}: ask with one name that every system reads alike.",
        )
    policies = dict.fromkeys(verdict.policies)
    for other in others:
        also = _certain(slice_, request._replace(resource=other), type_, now)
        if not also.allowed:
            return verdict._replace(
                allowed=False,
                reason=UNCLEAR_RESOURCE,
                detail=(
                    f"{', '.join(map(shown, verdict.policies))} covers {shown(request.resource)} as"
                    f" it is written, but some systems read it as {shown(other)}, which is not"
                    " covered."
                ),
            )
        policies.update(dict.fromkeys(also.policies))
    return verdict._replace(policies=tuple(policies))


def _certain(slice_: Slice, request: Request, type_: str, now: datetime) -> Verdict:
    """The verdict on one reading; an allow rests on delegations that are answered in full."""
    verdict = judge(slice_, request, now=now)
    if not verdict.allowed:
        return verdict
    deciding = _deciding(slice_, verdict, now)
    typed = [
        grant for grant in deciding if not type_ or kinds.names_type(grant, request.action, type_)
    ]
    if not typed:
        words = dict.fromkeys(
            word for grant in deciding for word in kinds.understood(grant, request.action)
        )
        return verdict._replace(
            allowed=False,
            reason=WRONG_TYPE,
            detail=(
                f"{named(deciding)} names no resource of the type {shown(type_)}; types that it"
                f" names: {', '.join(shown(word) for word in [kinds.GENERIC, *words])}."
            ),
        )
    stated = [grant for grant in typed if not _missing(grant, request)]
    if not stated:
        missing = dict.fromkeys(one for grant in typed for one in _missing(grant, request))
        return verdict._replace(
            allowed=False,
            reason=NOT_STATED,
            policies=_keys(typed),
            detail=(
                f"{named(typed)} is limited to one {' and one '.join(missing)}, and the question"
                f" states none: send {' and '.join(_MEMBERS[one] for one in missing)}."
            ),
        )
    what = f"{shown(request.action)} on {shown(request.resource)}"
    covers = "covers" if len(_keys(stated)) == 1 else "cover"
    return verdict._replace(
        policies=_keys(stated),
        detail=f"{named(stated)} {covers} {what}.",
        unstated=(),
        signed=any(grant.signed for grant in stated),
    )


def _deciding(slice_: Slice, verdict: Verdict, now: datetime) -> list[Grant]:
    """The versions in force at `now` of the delegations that decided."""
    return [
        grant
        for grant in slice_.grants
        if grant.key in verdict.policies
        and (grant.starts_at is None or grant.starts_at <= now)
        and (grant.over_at is None or now < grant.over_at)
    ]


def _missing(grant: Grant, request: Request) -> list[str]:
    """Limits of this delegation that the question leaves out; the judge checked the others."""
    limits = {
        "task": grant.task is not None and not request.task,
        "person": grant.on_behalf is not None and not request.on_behalf,
    }
    return [name for name, missing in limits.items() if missing]


def _written_exactly(slice_: Slice, request: Request, verdict: Verdict, now: datetime) -> bool:
    """A delegation writes this very name, so that its approvers signed it however it is read."""
    return "*" not in request.resource and any(
        request.resource in grant.resources for grant in _deciding(slice_, verdict, now)
    )


def _keys(grants: list[Grant]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(grant.key for grant in grants))
