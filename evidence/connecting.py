"""What people and commands do to connections: connect a source, pause it, pull now, cancel.

Owns the checks on settings and the ledger's rows about them. Knows who acts as plain text only.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from evidence import ledger, nudge, permissions, pulls, second_person
from evidence.models import Connection, LedgerEntry, Pull, Source
from evidence.permissions import NotPossible, Reader
from evidence.sources import CONNECTORS, connector_secrets
from evidence.sources.contract import Connector, Field

SHORTEST_EVERY, LONGEST_EVERY = 10, 31 * 86_400
LONGEST_SETTING = 2_000
# How long, and how often, one person alone stops the pulls of a source that holds evidence.
PUT_OFF = "source.put_off"
PUT_OFF_FOR, PUT_OFF_EVERY = timedelta(hours=1), timedelta(days=1)


def connect(
    *,
    source: Source,
    connector: str,
    settings: Mapping[str, str],
    by: Reader,
    now: datetime,
    every_seconds: int = 300,
    first_days: int = 7,
) -> Connection:
    """Say how a source is pulled; the first pull is due at once. One that is asked for its lists
    alone is never due.

    Another connector or another address begins anew, without a cursor; else it goes on where it
    was. Raises NotPossible with the setting that is wrong.
    """
    permissions.require(by.why_not_administer)
    known = _known(connector, source, every_seconds=every_seconds, first_days=first_days)
    said = checked(known, settings)
    second_person.require(source, by)
    with transaction.atomic():
        row, made = Connection.objects.select_for_update().get_or_create(
            source=source, defaults={"connector": connector, "settings": said}
        )
        same = (
            not made
            and row.connector == connector
            and _place(known, row.settings) == _place(known, said)
        )
        row.connector, row.settings = connector, said
        row.every_seconds, row.first_days = every_seconds, first_days
        row.paused, row.next_at = False, None if known.lists_only else now
        if not same:
            row.cursor = {}
        row.save()
        _write(
            source,
            by,
            now,
            act="source.connected",
            words=f"source {source.name} is "
            + (
                f"asked for the lists of {known.title}"
                if known.lists_only
                else f"pulled from {known.title} every {every_seconds} s"
            ),
            data={"connector": connector, "settings": said, "every_seconds": every_seconds},
        )
        nudge.after_commit("pull.asked")
    return row


def _known(name: str, source: Source, *, every_seconds: int, first_days: int) -> Connector:
    """The connector of this name, which may ask this source so often. Raises NotPossible."""
    found = CONNECTORS.get(name)
    if found is None:
        raise NotPossible(
            f"There is no connector named {name[:80]!r}; name one of:"
            f" {', '.join(sorted(CONNECTORS))}."
        )
    if not SHORTEST_EVERY <= every_seconds <= LONGEST_EVERY:
        raise NotPossible(f"A source is asked every {SHORTEST_EVERY} to {LONGEST_EVERY} seconds.")
    if not 0 <= first_days <= source.retention_days:
        raise NotPossible(
            f"The first pull goes back at most {source.retention_days} days: evidence of this"
            " source is kept no longer."
        )
    return found


class _Connection:
    """Where the evidence of a source comes from."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        source = second_person.source_of(document)
        row = Connection.objects.filter(source=source).first()
        connector = document["connector"]
        was = {} if row is None else {"connector": row.connector, **row.settings}
        to = {"connector": connector, **checked(CONNECTORS[connector], document["settings"])}
        changed = [name for name in {**was, **to} if was.get(name) != to.get(name)]
        return [
            (
                f"source {source.name}",
                f"{name}: {was.get(name) or 'nothing'} → {to.get(name) or 'nothing'}",
            )
            for name in changed
        ] or [(f"source {source.name}", f"is asked every {document['every_seconds']} s")]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> None:
        more = {one: document[one] for one in ("every_seconds", "first_days")}
        connect(
            source=second_person.source_of(document),
            connector=document["connector"],
            settings=document["settings"],
            by=by,
            now=now,
            **more,
        )


second_person.ACTS["connection"] = _Connection()


def propose(
    *,
    source: Source,
    connector: str,
    settings: Mapping[str, str],
    by: Reader,
    now: datetime,
    reason: str,
    every_seconds: int = 300,
    first_days: int = 7,
) -> str:
    """Ask a second person to have a source pulled so; the key of the proposal."""
    permissions.require(by.why_not_administer)
    known = _known(connector, source, every_seconds=every_seconds, first_days=first_days)
    said = {
        "connector": connector,
        "settings": checked(known, settings),
        "every_seconds": every_seconds,
        "first_days": first_days,
    }
    return second_person.propose("connection", source.name, said, by=by, now=now, reason=reason)


def checked(connector: Connector, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings a connector knows, each looked at. Raises NotPossible."""
    unknown = sorted(set(settings) - {field.name for field in connector.fields})
    if unknown:
        raise NotPossible(
            f"{connector.title} has no setting named {', '.join(unknown)[:200]}; it has:"
            f" {', '.join(field.name for field in connector.fields)}."
        )
    said: dict[str, str] = {}
    for field in connector.fields:
        value = str(settings.get(field.name, "") or field.default).strip()
        problem = _wrong(field, value)
        if problem:
            raise NotPossible(f"{field.label}: {problem}.")
        if value:
            said[field.name] = value
    return said


def _wrong(field: Field, value: str) -> str:
    if not value:
        return "it has to be said" if field.required else ""
    if len(value) > LONGEST_SETTING or "\0" in value:
        return f"it has at most {LONGEST_SETTING} characters, and no NUL"
    if field.kind == "secret":
        return connector_secrets.wrong(value)
    if field.kind == "file":
        # Nothing of what is in it is ever shown.
        return "" if value.startswith("/") else "it is the whole path of a file"
    if field.kind == "url" or value.startswith(("https://", "http://")):
        problem = _wrong_address(value)
        if problem:
            return problem
    if field.kind == "number" and not (value.isascii() and value.isdigit()):
        return "it is a whole number"
    if field.choices and value not in field.choices:
        return f"it is one of {', '.join(field.choices)}"
    return ""


def _wrong_address(value: str) -> str:
    """Settings stand in the ledger for good, where no secret may."""
    if not value.startswith(("https://", "http://")):
        return "it begins with https://"
    try:
        parts = urlsplit(value)
    except ValueError:
        return "it is no address"
    if not parts.hostname:
        return "it names no host"
    if parts.username is not None or parts.password is not None:
        return "it carries a user name or password; name them in settings of their own"
    if parts.query or parts.fragment or value.endswith("?"):
        return "it carries more than a path; write it without what follows ? or #"
    return ""


def _place(connector: Connector, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings that say where the evidence lies: not those that let us in there."""
    kinds = {field.name: field.kind for field in connector.fields}
    return {
        name: value for name, value in settings.items() if kinds.get(name) not in ("secret", "file")
    }


def pause(*, source: Source, paused: bool, by: Reader, now: datetime) -> Connection:
    """Stop asking a source by itself, or go on with it. One person alone goes on with it, and stops
    one that holds evidence for an hour (`put_off`)."""
    permissions.require(by.why_not_administer)
    if paused:
        second_person.require(source, by)
    with transaction.atomic():
        row = require_connection(source)
        row.paused = paused
        lists_only = pulls.lists_only(row)
        row.next_at = None if paused or lists_only else now
        row.save(update_fields=["paused", "next_at"])
        again = "is asked for its lists again" if lists_only else "is pulled again"
        said = "is paused" if paused else again
        _write(
            source,
            by,
            now,
            act="source.paused" if paused else "source.resumed",
            words=f"source {source.name} {said}",
            data={},
        )
    return row


class _Pause:
    """Not asking a source any more, until somebody goes on with it."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        row = second_person.source_of(document)
        words = "is pulled no more, until it is resumed; what its system keeps is pulled then"
        return [(f"source {row.name}", words)]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> None:
        pause(source=second_person.source_of(document), paused=True, by=by, now=now)


second_person.ACTS["pause"] = _Pause()


def why_not_put_off(source: Source, *, now: datetime) -> str | None:
    """Why one person does not put off the pulls of this source once more."""
    last = LedgerEntry.objects.filter(
        subject=f"source:{source.name}", act=PUT_OFF, at__gt=now - PUT_OFF_EVERY
    ).first()
    if last is None:
        return None
    who = last.by_name or last.by
    return (
        f"{who} stopped its pulls on {last.at:%d %b %Y %H:%M} UTC, which one person does once a day"
    )


def put_off(*, source: Source, by: Reader, now: datetime, reason: str) -> str:
    """Propose that a source is paused; the key of the proposal. Once a day its pulls stop at once,
    for an hour: time for a second person to sign. After that it is pulled again."""
    permissions.require(by.why_not_pause)
    with transaction.atomic():
        row = require_connection(source, lock=True)
        key = second_person.propose(
            "pause",
            source.name,
            {},
            by=by,
            now=now,
            reason=reason,
            title=f"pausing source {source.name}",
        )
        if why_not_put_off(source, now=now) is None and not pulls.lists_only(row):
            row.next_at = now + PUT_OFF_FOR
            row.save(update_fields=["next_at"])
            live = Pull.objects.filter(source=source, state__in=Pull.LIVE).first()
            if live is not None:
                pulls.cancel(pull=live, now=now)
            _write(
                source,
                by,
                now,
                act=PUT_OFF,
                words=f"source {source.name} is not pulled before {row.next_at:%H:%M} UTC"
                f" ({key}): {reason.strip()[:2000]}",
                data={"change": key},
            )
    return key


def pull_now(*, source: Source, by: Reader, now: datetime) -> Pull:
    """Ask a source now, whatever its schedule says."""
    permissions.require(by.why_not_administer)
    if pulls.lists_only(require_connection(source)):
        raise NotPossible(
            f"{source.name} has no log to pull: its system sends it. What it lists of itself is"
            f" read by: manage.py inventory now {source.name}."
        )
    return pulls.ask(source=source, by=by.ref, by_name=by.name, now=now)


def cancel(*, source: Source, by: Reader, now: datetime) -> None:
    """End the live pull of a source after the page it is at."""
    permissions.require(by.why_not_administer)
    live = Pull.objects.filter(source=source, state__in=Pull.LIVE).first()
    if live is None or not pulls.cancel(pull=live, now=now):
        raise NotPossible(f"No pull of {source.name} is under way.")


def require_connection(source: Source, *, lock: bool = False) -> Connection:
    """How a source is pulled. Raises NotPossible when it is not."""
    rows = Connection.objects.select_for_update() if lock else Connection.objects.all()
    row = rows.filter(source=source).first()
    if row is None:
        raise NotPossible(f"{source.name} is not pulled: it sends by itself. Connect it first.")
    return row


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
