"""What a bundle says, as one JSON document: read and checked, and put into words. Pure.

Owns which fields a pre-approved catalogue entry has and what each may hold; every problem names
its place. Whether a team or an identity of that name exists is asked by bundles.py.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from identities import authority
from reviews.break_glass import quorum
from reviews.policy_document import DocumentError, value_of
from reviews.policy_reading import (
    Problem,
    list_of,
    members,
    names,
    one_of,
    shown,
    some_of,
    text,
    truth,
    whole,
)

MOST_PATTERNS = 100
CLOCKS = ("approval", "first_use")
TICKETS = ("none", "checked", "promised")
IDENTITY = re.compile(r"NHI-0*([1-9]\d{0,14})")
FIELD = re.compile(r"[a-z][a-z0-9 ]{0,39}")
DAY = 24 * 60  # minutes


@dataclass(frozen=True, slots=True)
class Target:
    """Where it is given: the words of identities/enforcers. `kind` and `name` say to what there."""

    system: str
    account: str
    kind: str
    name: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Who:
    """Who may ask: members of these teams or holders of these roles; neither: every login."""

    teams: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """The shape a reason has: its least length, and what else has to be said by name."""

    least: int = 10
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ticket:
    """`how`: none; checked at `hook` while asking; or promised within `hours`."""

    how: str = "none"
    hook: str = ""
    hours: int = 24


@dataclass(frozen=True, slots=True)
class Document:
    """A bundle. `number` is the identity that holds it; None: who asks is one, or names one."""

    words: str
    target: Target
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    quorum: quorum.Rule
    patience_minutes: int
    cap_minutes: int
    cap_after_bypass_minutes: int
    number: int | None = None
    who: Who = Who()
    clock: str = "approval"
    use_within_minutes: int = 60
    unanswered_minutes: int = 60
    page_minutes: int | None = None
    reason: Reason = Reason()
    ticket: Ticket = Ticket()
    deny: tuple[str, ...] = ()
    review_within_hours: int = 24
    drill_every_days: int | None = None
    free: bool = False
    offered: bool = True


def _patterns(value: Any) -> tuple[str, ...]:
    return list_of(value, lambda one: text(one, 1_024), MOST_PATTERNS)


def _need(found: dict[str, Any], *needed: str) -> dict[str, Any]:
    for name in needed:
        if name not in found:
            raise Problem("It is missing.", f".{name}")
    return found


def _extra(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > 20:
        raise Problem("Write an object of at most 20 members.")
    for name, one in value.items():
        if not isinstance(one, str | int | bool) or len(str(one)) > 1_024 or "\0" in str(one):
            raise Problem("Write a short text, a number, true or false.", f".{shown(name)[:80]}")
    return value


def _target(value: Any) -> Target:
    readers = dict.fromkeys(("system", "account", "kind", "name"), text)
    found = members(value, {**readers, "extra": _extra})
    return Target(**_need(found, *readers))


def _who(value: Any) -> Who:
    return Who(**members(value, {"teams": names, "roles": some_of((*quorum.ROLES, "owner"))}))


def _field(value: Any) -> str:
    if not isinstance(value, str) or FIELD.fullmatch(value) is None:
        raise Problem("Write a short name in small letters, as impact.")
    return value


def _reason(value: Any) -> Reason:
    readers = {"least": whole(1, 500), "fields": lambda said: list_of(said, _field, 6)}
    return Reason(**members(value, readers))


def _hook(value: Any) -> str:
    said = text(value, 500)
    if not said.startswith("https://") or "{ticket}" not in said:
        raise Problem("Write an https address with {ticket} where the ticket's number stands.")
    return said


def _ticket(value: Any) -> Ticket:
    found = members(value, {"how": one_of(TICKETS), "hook": _hook, "hours": whole(1, 168)})
    _need(found, "how")
    if (found["how"] == "checked") != ("hook" in found):
        raise Problem("The hook is where a ticket is checked: with checked it is needed, else not.")
    return Ticket(**found)


def _holder(value: Any) -> int:
    found = IDENTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Problem("Write the key of an identity, as NHI-0042.")
    return int(found.group(1))


# name: how it is read, whether it is needed, and what it says, for the form's help.
FIELDS: dict[str, tuple[Callable[[Any], Any], bool, str]] = {
    "words": (lambda said: text(said, 120), True, "what it is for, in a few words"),
    "target": (_target, True, "where: system, account, kind, name, perhaps extra"),
    "actions": (_patterns, True, "what may be done there: iam:UpdateAccessKey"),
    "resources": (_patterns, True, "to what: user/svc-report"),
    "quorum": (
        quorum.read,
        True,
        'who signs: {"all_of": [{"team": "A", "n": 1, "on_call": true}, …]}, any_of, role',
    ),
    "patience_minutes": (whole(1, DAY), True, "after how long the asker may open it alone"),
    "cap_minutes": (whole(5, DAY), True, "how long it lasts at most"),
    "cap_after_bypass_minutes": (whole(5, DAY), True, "the same after a bypass nobody reviewed"),
    "holder": (
        _holder,
        False,
        "the identity that acts with it; else the asker's own, or a named one",
    ),
    "who": (_who, False, "who may ask: teams, roles; else every login"),
    "clock": (one_of(CLOCKS), False, "when the time begins: approval or first_use"),
    "use_within_minutes": (whole(5, DAY), False, "with first_use: until when it has to begin"),
    "unanswered_minutes": (whole(5, 7 * DAY), False, "when an unanswered request ends"),
    "page_minutes": (
        whole(1, DAY),
        False,
        "after how long others than who is on call are told; else half of the patience",
    ),
    "reason": (_reason, False, "the reason's shape: least (characters), fields"),
    "ticket": (_ticket, False, "how: none, checked (with hook), promised (with hours)"),
    "deny": (_patterns, False, "actions that cut it off by themselves when they are seen"),
    "review_within_hours": (whole(1, 720), False, "by when its use is looked at"),
    "drill_every_days": (whole(1, 366), False, "how often it is practised"),
    "free": (truth, False, "true: whoever asks says which of it; nothing else is given"),
    "offered": (truth, False, "false: nobody can ask for it any more"),
}


def parse(value: object) -> Document:
    """The bundle that this JSON value is; or DocumentError."""
    if not isinstance(value, dict):
        raise DocumentError([("document", "Write an object: { … }.")])
    problems: list[tuple[str, str]] = []
    found: dict[str, Any] = {}
    for key, one in value.items():
        if key not in FIELDS:
            problems.append((shown(key)[:80], f"It is not known. Known: {', '.join(FIELDS)}."))
            continue
        try:
            found[key] = FIELDS[key][0](one)
        except Problem as problem:
            problems.append((f"{key}{problem.at}", str(problem)))
    problems += [
        (key, "It is missing.") for key, row in FIELDS.items() if row[1] and key not in value
    ]
    if problems:
        raise DocumentError(problems)
    found["number"] = found.pop("holder", None)
    document = Document(**found)
    problems += _together(document)
    if problems:
        raise DocumentError(problems)
    return document


def _together(one: Document) -> list[tuple[str, str]]:
    """What is wrong with fields beside each other, and what the judge could not read."""
    found = []
    if one.cap_after_bypass_minutes > one.cap_minutes:
        found.append(("cap_after_bypass_minutes", "It is not shorter than cap_minutes."))
    if one.patience_minutes >= one.unanswered_minutes:
        said = "A request would end before its asker may open it alone: give it longer."
        found.append(("unanswered_minutes", said))
    if one.page_minutes is not None and one.page_minutes >= one.patience_minutes:
        said = "Others would be told when the asker may open it alone: give it shorter."
        found.append(("page_minutes", said))
    grant = authority.Grant("bundle", 1, one.actions, one.resources)
    denied = grant._replace(actions=one.deny)
    unread = _unread(grant, "actions") + (_unread(denied, "deny") if one.deny else [])
    if not unread and one.deny and not authority.narrower([grant], [denied]):
        found.append(("deny", "It names everything that the bundle gives."))
    return found + unread


def _unread(grant: authority.Grant, actions: str) -> list[tuple[str, str]]:
    """What the judge could not read of it; `actions`: the field that its actions stand in."""
    try:
        authority.compile_slice("bundle", [grant])
    except authority.AuthorityError as problem:
        place = problem.field.partition(": ")[2] or problem.field
        return [(place.replace("actions", actions), problem.what)]
    return []


def read(said: str) -> tuple[dict[str, Any], Document]:
    """The JSON value of this text and the bundle it is; or DocumentError with line and column."""
    value = value_of(said)
    return value, parse(value)


def lines(one: Document) -> list[tuple[str, str]]:
    """What it says, for pages and the ledger: (about, sentence)."""
    target = one.target
    found = [
        ("For", one.words),
        ("Where", f"{target.system} {target.account}, {target.kind} {target.name}"),
        ("May", f"{', '.join(one.actions)} on {', '.join(one.resources)}"),
        ("Signed by", one.quorum.words()),
        ("Bypass", f"by who asked, {one.patience_minutes} min after asking; it is looked at"),
        ("Lasts", f"{one.cap_minutes} min at most"),
        ("After a bypass", f"{one.cap_after_bypass_minutes} min until it is looked at"),
        ("Clock", "from approval" if one.clock == "approval"
                  else f"from first use, within {one.use_within_minutes} min"),
        ("Unanswered", f"ends after {one.unanswered_minutes} min"),
        ("Reason", f"at least {one.reason.least} characters"
                   + "".join(f"; {name}" for name in one.reason.fields)),
        ("Ticket", {"none": "none", "checked": "checked while asking",
                    "promised": f"within {one.ticket.hours} h"}[one.ticket.how]),
        ("Looked at", f"within {one.review_within_hours} h of its end"),
    ]  # fmt: skip
    if one.number is not None:
        found.append(("Acts as", f"NHI-{one.number:04d}"))
    if one.who.teams or one.who.roles:
        found.append(("May ask", ", ".join([*one.who.teams, *one.who.roles])))
    if one.deny:
        found.append(("Cut off by itself", ", ".join(one.deny)))
    if one.quorum.teams_on_call():
        said = "where nobody of a team is, or its rota cannot be read, anybody of it signs"
        found.append(("On call", said))
    if one.page_minutes is not None:
        found.append(("Others are told", f"{one.page_minutes} min after who is on call"))
    if one.drill_every_days is not None:
        found.append(("Practised", f"every {one.drill_every_days} days"))
    if one.free:
        found.append(("Free", "whoever asks says which of it; nothing else is given"))
    if not one.offered:
        found.append(("Offered", "no: nobody can ask for it any more"))
    return found
