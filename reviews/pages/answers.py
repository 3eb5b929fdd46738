"""The three answers, as sentences with their facts: what identity, what authority, what behaviour.

Owns the words on top of every page about an identity, a run or a case. Reads a dossier; asks the
database nothing of its own.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from evidence.words import counted
from identities import at_moment, chain_heads
from identities.authority import phrases
from identities.findings import RULES
from identities.models import Credential, Identity
from reviews.pages import possible
from reviews.pages.dossier import Dossier, dossier
from reviews.pages.emergency import Given

type Answer = dict[str, Any]
MOST_HEADS = 3


def three(identity: Identity, now: datetime, at: datetime | None = None) -> dict[str, Answer]:
    """The three answers for one identity; see `of` for the shape."""
    return of(dossier(identity, now=now, at=at))


def of(d: Dossier) -> dict[str, Answer]:
    """{"identity": …, "authority": …, "behaviour": …}, each with headline, facts, badges,
    proof_url, proof_words and freshness (a datetime or None).

    A fact is {"label", "words", "kind"}; a badge {"kind", "words", "url"}; kinds are the
    vocabulary of docs/glossary.md: exact, key, inferred, inside, outside, no_run, no_evidence,
    waits, neutral.
    """
    return {"identity": identity(d), "authority": authority(d), "behaviour": behaviour(d)}


def identity(d: Dossier) -> Answer:
    """1. Which credential, issued by whom and when, still valid?"""
    standing = [one for one in d.credentials if one.standing]
    newest = standing[0] if standing else d.credentials[0] if d.credentials else None
    principal = _principal(d)
    headline = principal or d.identity.name
    if newest is not None:
        headline = f"{headline}, by key {newest.short}"
    facts: list[dict[str, Any]] = []
    if newest is not None:
        if newest.issued_at is not None:
            by = newest.issued_by.value if newest.issued_by else "nobody named"
            facts.append(
                {
                    "label": "Issued",
                    "words": f"{_age(d.at, newest.issued_at)} ago by {short(by)}",
                    "at": newest.issued_at,
                    "kind": "exact",
                }
            )
        else:
            facts.append(
                {
                    "label": "Issued",
                    "words": "its issuance is in no evidence we hold",
                    "kind": "no_evidence",
                }
            )
        facts.append({"label": "Valid?", "words": _validity(newest, d.at), "kind": newest.state})
    for one in standing[1:3]:
        minted = any(one.issued_by_id == bound.actor_id for bound in d.bindings)
        facts.append(
            {
                "label": "2nd key",
                "words": f"{one.short}, minted by itself"
                if minted
                else f"{one.short}, {one.state}",
                "at": one.issued_at,
                "kind": "outside" if minted else "neutral",
            }
        )
    facts += [
        {
            "label": "Used by",
            "words": bound.actor.value,
            "kind": "key" if bound.state == "confirmed" else "waits",
        }
        for bound in d.bindings
        if bound.actor.kind in ("agent", "agent_id")
    ]
    if d.no_run:
        facts.append(
            {
                "label": "Also",
                "words": "somebody with no run behind it",
                "kind": "no_run",
            }
        )
    facts += _heads(d)
    sessions = sum(
        count for (is_standing, _), count in d.credential_counts.items() if not is_standing
    )
    keys = sum(count for (is_standing, _), count in d.credential_counts.items() if is_standing)
    if keys > 1 or sessions:
        facts.append(
            {
                "label": "In all",
                "words": f"{counted(keys, 'standing key')}, {counted(sessions, 'short-lived session')}",
                "kind": "neutral",
            }
        )
    return {
        "headline": headline,
        "facts": facts,
        "badges": [],
        "proof_url": f"/credentials/?{urlencode({'identity': d.identity.key})}",
        "proof_words": f"Proof: {counted(keys + sessions, 'credential')}",
        "freshness": d.freshest,
    }


def authority(d: Dossier) -> Answer:
    """2. By whom, on whose behalf, for what purpose, until when; and what the target allows."""
    grants = d.delegations
    if grants:
        said = phrases.phrases((row.actions, row.resources) for row in grants)
        headline = "; ".join([said[0], *(one[0].lower() + one[1:] for one in said[1:])])
    else:
        headline = "No authority was delegated"
    facts: list[dict[str, Any]] = [
        {
            "label": "By",
            "words": f"{d.signed[row.pk].words}, {row.delegation.key}",
            "at": row.during.lower,
            "kind": "exact" if row.signed else "waits",
            "note": "" if row.signed else "imported, unsigned",
        }
        for row in d.without_emergency[:3]
    ]
    facts += [_emergency(one, d) for one in d.emergency]
    purposes = list(dict.fromkeys(row.purpose for row in grants if row.purpose))
    purpose = purposes[0] if purposes else d.was.purpose
    if purpose:
        facts.append({"label": "For", "words": purpose, "kind": "neutral"})
    ends = [row.during.upper for row in grants if row.during.upper is not None]
    if ends:
        facts.append(
            {
                "label": "Until",
                "words": f"in {_age(min(ends), d.at)}",
                "at": min(ends),
                "kind": "neutral",
            }
        )
    elif grants:
        facts.append({"label": "Until", "words": "no end is stated", "kind": "waits"})
    if d.entitlements:
        facts.append(
            {
                "label": "Possible",
                "words": possible.beyond(d.entitlements, grants),
                "at": d.entitlements[0].read_at,
                "kind": "exact",
            }
        )
    else:
        facts.append({"label": "Possible", "words": "not known: not read", "kind": "no_evidence"})
    if d.proposed:
        facts.append(
            {
                "label": "Asked",
                "words": f"{len(d.proposed)} proposed, in force only through a case",
                "kind": "waits",
            }
        )
    return {
        "headline": headline,
        "facts": facts,
        "badges": [],
        "proof_url": f"/identities/{d.identity.key}/#authority",
        "proof_words": f"Proof: {counted(len(grants), 'delegation')}",
        "freshness": d.at,
    }


def _emergency(one: Given, d: Dossier) -> dict[str, Any]:
    said = f"{phrases.phrases([(one.row.actions, one.row.resources)])[0]}, by {one.signed.words}"
    if one.over and one.until is not None:
        said = f"{said}, ended {_age(d.at, one.until)} ago"
    return {
        "label": "Break-glass",
        "words": f"{said}: {one.words}",
        "at": one.since,
        "kind": "waits" if one.signed.alone else "exact",
        "note": f"{one.row.delegation.key}, {one.case}",
    }


def behaviour(d: Dossier) -> Answer:
    """3. Which calls, by which agent run, inside or outside that authority?"""
    if d.api.calls == 0 and d.ai.calls == 0:
        sources = ", ".join(one.name for one in d.sources) or "any source"
        headline = f"No evidence yet from {sources}"
        if d.waiting.words:
            headline = f"Not known yet: {d.waiting.words}"
    else:
        parts = [
            f"{counted(d.api.inside, 'call')} inside",
            f"{d.api.outside:,} outside" if d.api.outside else "",
        ]
        if d.no_run:
            also = f" ({d.no_run_outside:,} of these outside)" if d.no_run_outside else ""
            behind = f"with no run behind {'it' if d.no_run == 1 else 'them'}"
            parts.append(f"{d.no_run:,} {behind}{also}")
        if not d.api.outside and not d.no_run:
            parts.append("none outside that authority")
        headline = ", ".join(part for part in parts if part)
    facts: list[dict[str, Any]] = [
        {
            "label": RULES[one.rule],
            "words": one.words,
            "at": one.last_at,
            "kind": {3: "exact", 2: "key", 1: "inferred"}[one.strength],
            "url": f"/findings/{one.key}/",
            "n": one.count,
        }
        for one in d.findings[:5]
    ]
    day = d.last_day
    if day.last is not None and day.outside:
        facts.append(
            {
                "label": "That day",
                "words": f"{counted(day.calls, 'call')}: {day.inside:,} inside, {day.outside:,} outside",
                "at": day.last,
                "kind": "neutral",
            }
        )
    unjudged = d.api.calls - d.api.inside - d.api.outside
    if unjudged:
        facts.append(
            {"label": "not judged", "words": f"{unjudged:,} not judged", "kind": "no_evidence"}
        )
    if d.waiting.words:
        facts.append({"label": "waits", "words": d.waiting.words, "kind": "no_evidence"})
    badges = []
    if d.finding_count:
        badges.append(
            {
                "kind": "outside",
                "words": counted(d.finding_count, "finding"),
                "url": f"/findings/?{urlencode({'identity': d.identity.key})}",
            }
        )
    if d.no_run:
        badges.append(
            {
                "kind": "no_run",
                "words": f"{counted(d.no_run, 'call')} with no run behind"
                f" {'it' if d.no_run == 1 else 'them'}",
                "url": f"/findings/?{urlencode({'identity': d.identity.key, 'rule': 'no_run'})}",
            }
        )
    return {
        "headline": headline,
        "facts": facts,
        "badges": badges,
        "proof_url": f"/events/?{urlencode({'identity': d.identity.key})}",
        "proof_words": f"Proof: {counted(d.api.calls, 'event')}",
        "freshness": d.freshest,
        "inside": d.api.inside,
        "outside": d.api.outside,
        "no_run": d.no_run,
    }


def _heads(d: Dossier) -> list[dict[str, Any]]:
    """The people at the head of its role chains."""
    facts: list[dict[str, Any]] = [
        {
            "label": "Head of the chain",
            "words": f"{one.name}{'' if one.why == one.how else f' ({one.why})'}, {_by(one)}",
            "at": one.last_at,
            "kind": one.strength,
        }
        for one in d.heads[:MOST_HEADS]
    ]
    more = len(d.heads) - MOST_HEADS
    if more > 0:
        facts.append({"label": "Head of the chain", "words": f"and {more} more", "kind": "neutral"})
    return facts


def _by(one: chain_heads.Head) -> str:
    if one.how == chain_heads.CHAIN:
        return f"{counted(one.times, 'session')} by a {one.how} of {counted(one.steps, 'step')}"
    return f"{one.how}, {counted(one.times, 'call')}"


def _principal(d: Dossier) -> str:
    arns = [one.actor.value for one in d.bindings if one.actor.kind == "arn"]
    return arns[0].rsplit("/", 1)[-1] if arns else ""


def _validity(one: Credential, at: datetime) -> str:
    if one.state == "active" and one.expires_at is not None and one.expires_at <= at:
        return f"ended {_age(at, one.expires_at)} ago"
    said = {
        "active": "active",
        "held": "held, not usable",
        "revoked": "revoked",
        "expired": "ended",
        at_moment.NOT_KNOWN: "not known",
    }[one.state]
    if one.contradiction:
        said = f"{said}, stated times contradict"
        if one.expires_at is None:
            return f"{said}: its end is not known"
    if one.standing:
        return f"{said}, standing" + ("" if one.expires_at else ", no expiry")
    if one.expires_at is not None:
        return f"{said}, ends in {_age(one.expires_at, at)}"
    return said


def _age(later: datetime, earlier: datetime) -> str:
    seconds = abs(int((later - earlier).total_seconds()))
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return counted(seconds // size, word)
    return counted(seconds, "second")


def short(name: str) -> str:
    return name.rsplit("/", 1)[-1] if name.startswith("arn:") else name
