"""A review policy in plain words, and what two versions of it say differently. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from evidence.words import counted
from reviews import incident_hours, micro_reviews
from reviews.attestation_bounds import words as attestation_words
from reviews.ladder import TIERS
from reviews.ladder import WORDS as STEP_WORDS
from reviews.policy_consequences import words as of_consequences
from reviews.policy_document import REQUESTS, SEAT_WORDS, SILENCE, TEAM, Document, Scope
from reviews.policy_stages import words as stage_words


class Line(NamedTuple):
    """One thing that a policy says: what it is about, and the sentence."""

    about: str
    words: str


class Change(NamedTuple):
    """What one version says and the next does not; "" where one says nothing of it."""

    about: str
    before: str
    after: str


def hours(count: int) -> str:
    """`7 days`, `36 h`."""
    return counted(count // 24, "day") if count % 24 == 0 else f"{count:,} h"


def lines(document: Document, *, name: str, with_exempt: bool = True) -> list[Line]:
    """All that a policy of this name says. `with_exempt`: its exemptions name identities."""
    found = [
        Line("Time to decide", f"The seats have {hours(document.decide_within_hours)}."),
        *_plain(document, name),
    ]
    for tier, rungs in document.ladder.items():
        said = "; ".join(f"after {hours(one.after_hours)} {STEP_WORDS[one.does]}" for one in rungs)
        found.append(Line(f"Silence about what is {tier}", f"{said or 'nothing'}."))
    found += [
        Line(*one)
        for one in of_consequences(document.quarantine_days, document.brake, document.api)
    ]
    if document.scope is not None:
        found.append(Line("Which identities", f"{of_scope(document.scope)}."))
    if document.scope is not None and document.every_days is None:
        found.append(Line("How often", "When somebody launches a campaign of it."))
    if document.every_days is not None:
        every = counted(document.every_days, "day")
        found.append(
            Line(
                "How often",
                f"A review of each is opened when none was for {every}. Where a scope only"
                " observes, nobody is asked.",
            )
        )
    for seat, order in document.seats.items():
        said = ", then ".join(_sitting(one, seat) for one in order)
        found.append(
            Line(
                f"Seat of the {SEAT_WORDS[seat]}",
                f"{said}: the first who is there, else a reviewer; the next one is the backup.",
            )
        )
    if document.grace_hours:
        found.append(
            Line(
                "Grace",
                f"Answers still count for {hours(document.grace_hours)} after the deadline, before"
                " silence acts.",
            )
        )
    if document.keep_standing_at_most_days is not None:
        most = counted(document.keep_standing_at_most_days, "day")
        found.append(
            Line(
                "Old standing credentials",
                f"One that is older than {most} is not kept as it is: it is replaced by a date or"
                " revoked.",
            )
        )
    found += [Line(*one) for one in stage_words(document.stages, document.strategy)]
    found += [Line(*one) for one in attestation_words(document.attestation)]
    if name == micro_reviews.POLICY:
        longest = counted(document.freeze_days, "day")
        found.append(Line("Change freezes", f"One lasts at most {longest}."))
        found.append(
            Line("Incidents", f"By severity: {incident_hours.words(document.incident_hours)}.")
        )
        said = "; ".join(micro_reviews.words(document.micro_reviews))
        found.append(Line("Small reviews", f"Opened by: {said}." if said else "Nothing opens one."))
    if with_exempt:
        found += [
            Line(f"Left alone: {one.key}", f"Until {one.until:%Y-%m-%d}: {one.reason}")
            for one in document.exemptions
        ]
    return found


def _plain(document: Document, name: str) -> list[Line]:
    """What holds where the ladder names no tier: where it names all of them, nothing of it."""
    rest = [tier for tier in TIERS if tier not in document.ladder]
    if not rest:
        return []
    whose = f" That is for what is {' or '.join(rest)}." if document.ladder else ""
    return [
        Line(
            "Reminders",
            f"Whoever has not answered is reminded {_before(document.remind_before_hours)} the"
            f" deadline.{whose}",
        ),
        Line(
            "Escalation",
            "The backups and the tie-breaker are told"
            f" {_before([document.escalate_before_hours])} it.{whose}",
        ),
        Line("Whoever is silent", f"{_silence(document, name)}{whose}"),
    ]


def changes(before: Iterable[Line], after: Iterable[Line]) -> list[Change]:
    """What the later lines say differently, in their order; what is gone comes last."""
    was, now = dict(before), dict(after)
    return [
        Change(about, was.get(about, ""), now.get(about, ""))
        for about in [*now, *(one for one in was if one not in now)]
        if was.get(about) != now.get(about)
    ]


def _before(all_hours: Iterable[int]) -> str:
    said = [hours(one) for one in all_hours]
    last = said.pop()
    return f"{', '.join(said)} and {last} before" if said else f"{last} before"


def _silence(document: Document, name: str) -> str:
    if name == REQUESTS:
        return "A request that nobody approves by the deadline is denied."
    said = f"At the deadline {SILENCE[document.silence]}."
    if document.silence == "escalate":
        return said
    return (
        f"{said} Where a scope does not enforce, where evidence is not fresh and where an identity"
        f" is critical, nothing is cut: {SILENCE['escalate']}."
    )


def _sitting(who: str, seat: str) -> str:
    if who.startswith(TEAM):
        return f"the team {who.removeprefix(TEAM).strip()}"
    if seat == "ai_owner":
        return {"owner": "the AI system's owner"}.get(who, f"the AI system's {who}")
    return f"the identity's {who}"


def of_scope(scope: Scope) -> str:
    """ "Agents and workloads that …": one clause for each thing that is asked."""
    said = []
    for words, values in (
        ("kind", scope.kinds),
        ("mode", scope.modes),
        ("criticality", scope.criticality),
        ("service", scope.services),
    ):
        if values:
            said.append(f"{words} {' or '.join(one.replace('_', ' ') for one in values)}")
    if scope.ai_system is not None:
        said.append("of an AI system" if scope.ai_system else "of no AI system")
    if scope.sources:
        said.append(f"seen by {' or '.join(scope.sources)}")
    if scope.expires_within_days is not None:
        said.append(f"ends within {counted(scope.expires_within_days, 'day')} or has ended")
    if scope.findings:
        rules = " or ".join(one.replace("_", " ") for one in scope.findings)
        said.append(f"has an open finding: {rules}")
    if scope.orphaned is not None:
        said.append("nobody is there as its owner" if scope.orphaned else "its owner is there")
    if scope.standing_credential is not None:
        said.append(f"has {'a' if scope.standing_credential else 'no'} standing credential")
    if scope.last_reviewed_before_days is not None:
        said.append(f"not reviewed for {counted(scope.last_reviewed_before_days, 'day')}")
    return f"Those of which all of this is true: {'; '.join(said)}" if said else "Every identity"
