"""manage.py source: connect sources, give them tokens, state completeness and silence."""

import json
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import actions, custody, keeping, known
from evidence.models import Source
from evidence.names import plain
from evidence.permissions import COMMAND, NotPossible


class Command(BaseCommand):
    help = "Sources of evidence: add, list, token, complete, gap, retention, keep, realm."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        add = verbs.add_parser("add", help="connect a source")
        add.add_argument("name")
        add.add_argument("--title", default="")
        add.add_argument("--plane", default="", choices=["", "identity", "ai"])
        add.add_argument("--format", default="", type=known.said)
        add.add_argument(
            "--realm",
            action="append",
            default=[],
            help="a realm it may speak for; may be repeated. Without any: all",
        )
        add.add_argument("--lag", type=int, default=900, metavar="SECONDS")
        add.add_argument("--sampling", type=float, default=1.0, metavar="SHARE")
        add.add_argument("--every", type=int, metavar="SECONDS", help="it sends at least so often")
        add.add_argument("--retention-days", type=int, help="else COUNTERSIGN_RETENTION_DAYS")
        add.add_argument("--keep-content", action="store_true", help="keep prompts and completions")
        add.add_argument("--task-attribute", default="")
        add.add_argument("--token", action="store_true", help="make a push token, shown once")
        listed = verbs.add_parser("list", help="all sources")
        token = verbs.add_parser("token", help="a new push token, shown once; the old one ends")
        token.add_argument("name")
        token.add_argument("--days", type=int, help="how long it lasts; without: until replaced")
        complete = verbs.add_parser("complete", help="state that nothing older is missing")
        complete.add_argument("name")
        complete.add_argument("--through", default="", metavar="TIME", help="RFC 3339; now")
        complete.add_argument("--reason", default="stated on the command line")
        gap = verbs.add_parser("gap", help="state that a source was silent")
        gap.add_argument("name")
        gap.add_argument("begins", metavar="FROM", help="RFC 3339")
        gap.add_argument("ends", metavar="TO", help="RFC 3339")
        gap.add_argument("--reason", default="stated on the command line")
        retention = verbs.add_parser("retention", help="how long it is kept from now on")
        retention.add_argument("name")
        retention.add_argument("days", type=int)
        retention.add_argument("--reason", default="stated on the command line")
        keep = verbs.add_parser("keep", help="the keep-filter: `drop action s3:Get*`, one a line")
        keep.add_argument("name")
        keep.add_argument("--rules", metavar="FILE", help="- for standard input")
        realm = verbs.add_parser("realm", help="the realms it may speak for from now on")
        realm.add_argument("name")
        realm.add_argument("realms", nargs="*", metavar="REALM", help="none: any")
        for verb in (add, listed, token, complete, gap, retention, keep, realm):
            verb.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            document, words = getattr(self, f"_{options['verb']}")(options, now)
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else words)

    def _add(self, options: dict[str, Any], now: datetime) -> tuple[Any, str]:
        source = actions.add_source(
            name=options["name"],
            by=COMMAND,
            now=now,
            title=options["title"],
            plane=options["plane"],
            format=options["format"],
            realms=options["realm"],
            lag_seconds=options["lag"],
            sampling=options["sampling"],
            keep_content=options["keep_content"],
            retention_days=options["retention_days"],
            task_attribute=options["task_attribute"],
            expected_every_seconds=options["every"],
        )
        document = as_json(source)
        words = f"{source.name} is connected ({source.plane})."
        if options["token"]:
            source, token = actions.new_token(source=source, by=COMMAND, now=now)
            document = as_json(source) | {"token": token}
            words += f"\n{token}\nThis token is shown once: keep it now."
        return document, words

    def _list(self, _options: dict[str, Any], _now: datetime) -> tuple[Any, str]:
        rows = [as_json(source) for source in Source.objects.order_by("name")]
        lines = [
            f"{row['name']:<30} {row['plane']:<9} {row['format'] or 'any format':<11}"
            f" complete to {row['watermark'] or 'not known'}"
            for row in rows
        ]
        return rows, "\n".join(lines) or "There is no source yet."

    def _token(self, options: dict[str, Any], now: datetime) -> tuple[Any, str]:
        lasts = None if options["days"] is None else timedelta(days=options["days"])
        source, token = actions.new_token(
            source=named(options["name"]), by=COMMAND, now=now, lasts=lasts
        )
        return (
            as_json(source) | {"token": token},
            f"{token}\nThis token is shown once: keep it now.",
        )

    def _complete(self, options: dict[str, Any], now: datetime) -> tuple[Any, str]:
        source = actions.declare_complete(
            source=named(options["name"]),
            through=moment(options["through"]) if options["through"] else now,
            reason=options["reason"],
            by=COMMAND,
            now=now,
        )
        return as_json(source), f"{source.name} is complete to {text(source.watermark)}."

    def _gap(self, options: dict[str, Any], now: datetime) -> tuple[Any, str]:
        begins, ends = moment(options["begins"]), moment(options["ends"])
        gap = actions.record_gap(
            source=named(options["name"]),
            begins=begins,
            ends=ends,
            reason=options["reason"],
            by=COMMAND,
            now=now,
        )
        return (
            {
                "source": options["name"],
                "from": text(begins),
                "to": text(ends),
                "reason": gap.reason,
            },
            f"{options['name']} was silent from {text(begins)} to {text(ends)}.",
        )

    def _retention(self, options: dict[str, Any], now: datetime) -> tuple[Any, str]:
        source = custody.set_retention(
            source=named(options["name"]),
            days=options["days"],
            reason=options["reason"],
            by=COMMAND,
            now=now,
        )
        later = custody.shorter_from(source, now=now)
        words = f"{source.name} is kept for {source.retention_days:,} days"
        words += f"; the shorter period counts from {text(later)}." if later else "."
        return as_json(source), words

    def _realm(self, options: dict[str, Any], now: datetime) -> tuple[Any, str]:
        source = actions.set_realms(
            source=named(options["name"]), realms=options["realms"], by=COMMAND, now=now
        )
        said = ", ".join(source.realms) or "any realm"
        words = f"{source.name} may speak for {said}; what came before: manage.py reread"
        return as_json(source), f"{words} --source {source.name} --format FORMAT."

    def _keep(self, options: dict[str, Any], now: datetime) -> tuple[Any, str]:
        source = named(options["name"])
        if options["rules"] is not None:
            said = written(options["rules"])
            source = keeping.change(source=source, text=said, by=COMMAND, now=now)
        rules = [str(rule) for rule in keeping.of(source)]
        out = [
            {
                "day": str(row.day),
                "reason": row.reason,
                "records": row.records,
                "different": row.different,
            }
            for row in keeping.left_out(source)
        ]
        lines = rules or ["Every record is kept."]
        lines += [
            f"{row['day']}: {row['records']:,} left out by {row['reason']}"
            + ("" if row["different"] is None else f", about {row['different']:,} different")
            for row in out
        ]
        return {"source": source.name, "rules": rules, "left_out": out}, "\n".join(lines)


def named(name: str) -> Source:
    """The source of this name. Raises CommandError when there is none."""
    source = Source.objects.filter(name=plain(name)).first()
    if source is None:
        raise CommandError(
            f"There is no source named {plain(name)[:80]}; `manage.py source list` shows all."
        )
    return source


def written(name: str) -> str:
    """The text of a file, or of standard input. Raises CommandError when it cannot be read."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise CommandError(f"{name} cannot be read: {problem}") from None


def moment(said: str) -> datetime:
    """An RFC 3339 time; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise CommandError(f"{said!r} is no time; write it like 2026-11-24T14:31:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def text(at: datetime | None) -> str:
    """RFC 3339 in UTC; empty for none."""
    return "" if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def as_json(source: Source) -> dict[str, Any]:
    """A source as scripts read it."""
    return {
        "name": source.name,
        "title": source.title,
        "plane": source.plane,
        "format": source.format,
        "realms": source.realms,
        "lag_seconds": source.lag_seconds,
        "sampling": source.sampling,
        "watermark": text(source.watermark) or None,
        "completeness": source.completeness,
        "keep_content": source.keep_content,
        "retention_days": source.retention_days,
        "expected_every_seconds": source.expected_every_seconds,
        "token_hint": source.token_hint,
        "token_expires_at": text(source.token_expires_at) or None,
    }
