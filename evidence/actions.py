"""What people and commands do to sources: add, give a token, state completeness and silence.

Owns the ledger's rows about sources. Knows who acts as plain text only (evidence/permissions.py).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from evidence import doors, known, ledger, nudge, permissions, second_person
from evidence.kept_old import LONGEST_RETENTION_DAYS
from evidence.models import Gap, LedgerEntry, Source
from evidence.permissions import COMMAND, NotPossible, Reader

LONGEST_TOKEN_LIFE = timedelta(days=3660)
# A day is what clocks may differ by at the door (evidence/intake.py).
SHOWN_ONCE = "source.secret_shown"
LONGEST_LAG_SECONDS = 7 * 86_400
LONGEST_REALM = 200

ADDING_TAKES_TWO = "Other sources hold evidence already: a second person signs this first."
COMPLETE_TAKES_TWO = (
    "Findings are built on what is missing from a complete source: a second person signs this first."
    " Propose it on the page of the source."
)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}\Z")
# Which side of the timeline a format's events are drawn on, when nobody says.
_PLANES = {"otlp": "ai"}


def plane_of(format: str) -> str:  # noqa: A002 - it is called format everywhere a source names one
    """The plane of a source that sends this format."""
    return _PLANES.get(format, "identity")


def add_source(
    *,
    name: str,
    by: Reader,
    now: datetime,
    title: str = "",
    plane: str = "",
    format: str = "",  # noqa: A002 - it is called format everywhere a source names one
    realms: Iterable[str] = (),
    lag_seconds: int = 900,
    sampling: float = 1.0,
    keep_content: bool = False,
    retention_days: int | None = None,  # None: COUNTERSIGN_RETENTION_DAYS
    task_attribute: str = "",
    expected_every_seconds: int | None = None,
) -> Source:
    """A new source, without a token. Raises NotPossible with the field that is wrong."""
    permissions.require(by.why_not_administer)
    plane = plane or plane_of(format)
    retention_days = settings.RETENTION_DAYS if retention_days is None else retention_days
    named = sorted({realm.strip() for realm in realms if realm.strip()})
    for wrong, sentence in (
        (
            _NAME.match(name) is None,
            f"{name[:80]!r} is no name of a source; use lower-case letters, digits, - and _.",
        ),
        (
            bool(format) and (known.find(format) is None or known.plain(format) != format),
            f"The format {format[:80]!r} is not known; name one of: {', '.join(known.names())}.",
        ),
        (plane not in ("identity", "ai"), "The plane is identity or ai."),
        (not 0 < sampling <= 1, "The share of records that is sent is above 0 and at most 1."),
        (
            not 0 <= lag_seconds <= LONGEST_LAG_SECONDS,
            f"The normal delay lies between 0 and {LONGEST_LAG_SECONDS} seconds.",
        ),
        (
            not 1 <= retention_days <= LONGEST_RETENTION_DAYS,
            f"Evidence is kept between 1 and {LONGEST_RETENTION_DAYS} days.",
        ),
        (
            expected_every_seconds is not None and not 1 <= expected_every_seconds <= 31 * 86_400,
            "A source that sends regularly does so at least every 31 days.",
        ),
    ):
        if wrong:
            raise NotPossible(sentence)
    if second_person.adding_waits(by):
        raise NotPossible(ADDING_TAKES_TWO)
    with transaction.atomic():
        source, made = Source.objects.get_or_create(
            name=name,
            defaults={
                "title": title[:200],
                "plane": plane,
                "format": format,
                "realms": named,
                "lag_seconds": lag_seconds,
                "sampling": sampling,
                "keep_content": keep_content,
                "retention_days": retention_days,
                "task_attribute": task_attribute[:200],
                "expected_every_seconds": expected_every_seconds,
                "created_at": now,
                "created_by": by.ref,
            },
        )
        if not made:
            raise NotPossible(f"There is a source named {name} already.")
        _write(
            source,
            by,
            now,
            act="source.added",
            words=f"source {name} is connected",
            data={
                "plane": plane,
                "format": format,
                "realms": named,
                "sampling": str(sampling),
                "keep_content": keep_content,
                "retention_days": retention_days,
            },
        )
    return source


def set_realms(*, source: Source, realms: Iterable[str], by: Reader, now: datetime) -> Source:
    """The realms that a source may speak for from now on; none: any. What was taken before stays
    until it is read again."""
    permissions.require(by.why_not_administer)
    second_person.require(source, by)
    named = sorted({realm.strip().lower() for realm in realms if realm.strip()})
    wrong = next((one for one in named if len(one) > LONGEST_REALM or "\0" in one), None)
    if wrong is not None:
        raise NotPossible(f"A realm has at most {LONGEST_REALM} characters: {wrong[:80]!r}.")
    with transaction.atomic():
        row = Source.objects.select_for_update().get(pk=source.pk)
        if row.realms == named:
            return row
        before, row.realms = row.realms, named
        row.save(update_fields=["realms"])
        _write(
            row,
            by,
            now,
            act="source.realms",
            words=f"source {row.name} may speak for {', '.join(named) or 'any realm'}",
            data={"realms": named, "before": before},
        )
    return row


def new_token(
    *, source: Source, by: Reader, now: datetime, lasts: timedelta | None = None
) -> tuple[Source, str]:
    """The source and its new push token, which nobody can see again; the old one ends now."""
    permissions.require(by.why_not_administer)
    second_person.require(source, by)
    token, digest = doors.new_token()
    said = {"digest": digest.hex(), "hint": token[:8], "expires_at": _end_of(lasts, now)}
    return NEW_TOKEN.apply({"source": source.name, **said}, by=by, now=now), token


def propose_token(*, source: Source, by: Reader, now: datetime, reason: str) -> tuple[str, str]:
    """The key of the proposal, and a token that sends as this source once a second person has
    signed; until then the old one works."""
    permissions.require(by.why_not_administer)
    token, digest = doors.new_token()
    said = {"digest": digest.hex(), "hint": token[:8], "expires_at": ""}
    return second_person.propose("token", source.name, said, by=by, now=now, reason=reason), token


def _end_of(lasts: timedelta | None, now: datetime) -> str:
    if lasts is None:
        return ""
    if not timedelta() < lasts <= LONGEST_TOKEN_LIFE:
        raise NotPossible(f"A token lasts between 1 and {LONGEST_TOKEN_LIFE.days} days.")
    return (now + lasts).isoformat()


class _NewToken:
    """Sending as a source: by its digest alone, which is all that a proposal holds."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        row = second_person.source_of(document)
        ends = f", and the one that begins with {row.token_hint} ends" if row.token_hint else ""
        return [
            (f"source {row.name}", f"takes the token that begins with {document['hint']}{ends}")
        ]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> Source:
        with transaction.atomic():
            row = Source.objects.select_for_update().get(name=document["source"])
            replaced = row.token_digest is not None
            ends = document["expires_at"]
            row.token_digest = bytes.fromhex(document["digest"])
            row.token_hint = document["hint"]
            row.token_expires_at = datetime.fromisoformat(ends) if ends else None
            row.token_used_at = None
            row.save(
                update_fields=["token_digest", "token_hint", "token_expires_at", "token_used_at"]
            )
            _write(
                row,
                by,
                now,
                act="source.token_made",
                words=f"source {row.name} has a new token"
                + (", the one before it ended" if replaced else ""),
                data={"hint": row.token_hint, "expires_at": _said(row.token_expires_at)},
            )
        return row


class _Added:
    """A source beside others that hold evidence, with its token."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        said = document["said"]
        if Source.objects.filter(name=document["source"]).exists():
            raise NotPossible(f"There is a source named {document['source']} already.")
        realms = ", ".join(said["realms"]) or "any realm"
        more = "; ".join(
            f"{name}: {value}"
            for name, value in sorted(said.items())
            if name not in ("name", "realms")
        )
        words = f"is added, may speak for {realms}, and takes the token {document['hint']}…"
        return [(f"source {document['source']}", f"{words}. {more}")]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> None:
        with transaction.atomic():
            add_source(**document["said"], by=by, now=now)
            NEW_TOKEN.apply(document, by=by, now=now)


def propose_source(*, by: Reader, now: datetime, reason: str, **said: Any) -> tuple[str, str]:
    """The key of the proposal, and the token that the source takes once it is there."""
    permissions.require(by.why_not_administer)
    with transaction.atomic():
        # Everything that would be wrong is said now; nothing of it stays.
        add_source(**said, by=by._replace(signed_by_two=True), now=now)
        transaction.set_rollback(True)
    token, digest = doors.new_token()
    document = {"said": said, "digest": digest.hex(), "hint": token[:8], "expires_at": ""}
    key = second_person.propose("add", said["name"], document, by=by, now=now, reason=reason)
    return key, token


NEW_TOKEN = _NewToken()
second_person.ACTS["add"] = _Added()
second_person.ACTS["token"] = NEW_TOKEN


def why_not_show_secret(source: Source, by: Reader) -> str | None:
    """A page shows a webhook's secret once for each token; whoever has the server, always."""
    if by.why_not_administer is not None:
        return by.why_not_administer
    if source.token_digest is None:
        return (
            f"{source.name} has no token, from which its secret is made; make a token first"
            f" (manage.py source token {source.name})."
        )
    newest = (
        LedgerEntry.objects.filter(
            subject=f"source:{source.name}", act__in=["source.token_made", SHOWN_ONCE]
        )
        .order_by("-pk")
        .first()
    )
    if by != COMMAND and newest is not None and newest.act == SHOWN_ONCE:
        return (
            f"It was shown to {newest.by_name or newest.by} on {newest.at:%d %b %Y %H:%M} UTC, and"
            " is shown once. A new token ends it and makes another."
        )
    return None


def show_webhook_secret(*, source: Source, by: Reader, now: datetime) -> str:
    """What GitHub signs with; it ends with the token. Raises NotPossible once it was shown."""
    permissions.require(by.why_not_administer)
    with transaction.atomic():
        row = Source.objects.select_for_update().get(pk=source.pk)
        why_not = why_not_show_secret(row, by)
        if why_not is not None:
            raise NotPossible(why_not)
        _write(
            row,
            by,
            now,
            act=SHOWN_ONCE,
            words=f"the webhook secret of source {row.name} was shown",
            data={},
        )
    return doors.webhook_secret(row)


def declare_complete(
    *, source: Source, through: datetime, reason: str, by: Reader, now: datetime
) -> Source:
    """State that nothing up to `through` is missing. Absence may be concluded from it, so one
    person alone states it of no source (`evidence/completeness.py` asks a second one)."""
    permissions.require(by.why_not_administer)
    if second_person.is_alone(by):
        raise NotPossible(COMPLETE_TAKES_TWO)
    if not reason.strip():
        raise NotPossible("Say how you know that nothing is missing.")
    if through > now:
        raise NotPossible("A source cannot be complete up to a moment that is still to come.")
    with transaction.atomic():
        row = Source.objects.select_for_update().get(pk=source.pk)
        before = row.watermark
        if before is not None and before > through:
            raise NotPossible(f"It is known to be complete to {_said(before)} already.")
        row.watermark = through
        row.completeness = "declared"
        row.save(update_fields=["watermark", "completeness"])
        _write(
            row,
            by,
            now,
            act="source.declared_complete",
            words=f"source {row.name} is complete to {_said(through)}: {reason.strip()[:2000]}",
            data={"through": _said(through), "before": _said(before)},
        )
        # What waited for these traces can be judged now.
        nudge.after_commit("evidence.linked")
    return row


def record_gap(
    *, source: Source, begins: datetime, ends: datetime, reason: str, by: Reader, now: datetime
) -> Gap:
    """State that the source was silent from `begins` until before `ends`."""
    permissions.require(by.why_not_administer)
    if begins >= ends:
        raise NotPossible("A gap ends after it begins.")
    if not reason.strip():
        raise NotPossible("Say why the source was silent, or how you know.")
    with transaction.atomic():
        row = Source.objects.select_for_update().get(pk=source.pk)
        gap, made = Gap.objects.get_or_create(
            source=row,
            during=DateTimeTZRange(begins, ends, "[)"),
            defaults={"reason": reason.strip()[:2000], "recorded_at": now},
        )
        if made:
            _write(
                row,
                by,
                now,
                act="source.was_silent",
                words=f"source {row.name} was silent from {_said(begins)} to {_said(ends)}:"
                f" {gap.reason}",
                data={"from": _said(begins), "to": _said(ends)},
            )
    return gap


def _said(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write(
    source: Source, by: Reader, now: datetime, *, act: str, words: str, data: dict[str, Any]
) -> None:
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.name,
        act=act,
        subject=f"source:{source.name}",
        words=words,
        data=data,
    )
