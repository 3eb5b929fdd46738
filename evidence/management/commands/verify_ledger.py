"""manage.py verify_ledger: walk the ledger here, or in an exported file, and say what is wrong."""

import json
import re
import runpy
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from evidence import anchoring, crew, ledger, outside_heads, verified
from evidence.sources.failures import Stopped
from evidence.stores.anchors import keys
from evidence.words import counted


class Command(BaseCommand):
    help = (
        "Asks the places outside which heads they hold, and checks that no row of the ledger was"
        " changed, removed, inserted or reordered. Ends with 1 when something is wrong. Without a"
        " place, keep the head it prints elsewhere and give it with --head the next time: only so a"
        " rewritten ledger or a cut-off end shows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", metavar="FILE", help="an exported ledger, not the database")
        parser.add_argument("--head", type=kept, metavar="NUMBER:HASH", help="a head you kept")
        parser.add_argument(
            "--anchor", metavar="FILE", help="a signed head that lay elsewhere, in place of --head"
        )
        parser.add_argument(
            "--receipts", action="store_true", help="ask the places that keep heads, too"
        )
        parser.add_argument(
            "--processes",
            type=at_least_one,
            metavar="N",
            help="so many at once; else one for each core, at most four",
        )
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["anchor"]:
            if options["head"]:
                raise CommandError("--anchor and --head say the same: give one of them")
            options["head"] = signed_in(options["anchor"])
        found = in_file(options["file"], options["head"]) if options["file"] else here(options)
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
        else:
            for words in found.get("notes", ()):
                self.stdout.write(words)
            for fault in found["faults"]:
                self.stdout.write(f"row {fault['number'] or 'not sealed'}: {fault['what']}")
            self.stdout.write(
                f"{'' if found['ok'] else 'NOT OK, '}{found['state']}"
                f"{_to_row(found)}: {counted(found['sealed'], 'row')} sealed,"
                f" {found['unsealed']} not yet; head {found['number']}:{found['head']}"
            )
        if not found["ok"]:
            raise SystemExit(1)


def here(options: dict[str, Any]) -> dict[str, Any]:
    """What is to be said of the ledger in the database."""
    head = options["head"]
    try:
        outside = verified.outside()
    except Stopped as problem:
        raise CommandError(f"{problem.what} {problem.fix}") from None
    try:
        found = ledger.verify(
            kept=head and (head[0], bytes.fromhex(head[1])),
            processes=options["processes"] or crew.size(),
        )
    except crew.WorkerLost:
        raise CommandError(
            "a process that read the ledger was ended (is there too little memory?), so nothing is"
            " known of it; --processes 1 takes one process and longer"
        ) from None
    faults = outside.faults + found.faults + anchoring.faults()
    if options["receipts"]:
        try:
            faults += anchoring.receipts()
        except Stopped as problem:
            raise CommandError(f"{problem.what} {problem.fix}") from None
    state, row = verified.state_of(outside, faults), outside.row
    if head and not faults:
        state, row = outside_heads.VERIFIED, max(row, head[0])
    return {
        "ok": not faults,
        "state": state,
        "verified_to": row,
        "notes": [
            *outside.unreachable,
            *(one.words for one in outside.restored),
            *([outside.fix] if outside.fix else []),
        ],
        "sealed": found.sealed,
        "unsealed": found.unsealed,
        "head": found.head.hex(),
        "number": found.last,
        "faults": [fault._asdict() for fault in faults],
    }


def _to_row(found: dict[str, Any]) -> str:
    row = found.get("verified_to") if found["state"] == outside_heads.VERIFIED else None
    return f" to row {row:,}" if row else ""


def signed_in(name: str) -> tuple[int, str]:
    """The head that a file says, signed by a key of this installation."""
    try:
        with Path(name).open("rb") as file:
            text = file.read(keys.LARGEST + 1).decode("ascii", "replace")
        said = keys.said_by(text, anchoring.jwks())
    except OSError as problem:
        raise CommandError(f"{name} cannot be read: {problem.strerror}") from None
    except keys.Forged as problem:
        raise CommandError(f"{name}: {problem}.") from None
    return said.number, said.hash.hex()


def in_file(name: str, head: tuple[int, str] | None) -> dict[str, Any]:
    """The same of an exported file, by the very script that others check it with."""
    script = runpy.run_path(str(Path(settings.BASE_DIR) / "scripts" / "verify_ledger.py"))
    try:
        with Path(name).open("rb") as lines:
            found: dict[str, Any] = script["verify"](
                lines, head=head, keys={kid: jwk["x"] for kid, jwk in anchoring.jwks().items()}
            )
    except OSError as problem:
        raise CommandError(f"{name} cannot be read: {problem.strerror}") from None
    except script["NoLedger"] as problem:
        raise CommandError(f"{name} is no ledger: {problem}") from None
    return found


def at_least_one(said: str) -> int:
    """A number of processes as it is written on the command line."""
    if not said.isdecimal() or int(said) < 1:
        raise ArgumentTypeError("write a whole number from 1 on")
    return int(said)


def kept(said: str) -> tuple[int, str]:
    """NUMBER:HASH as it is written on the command line."""
    parts = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", said.lower())
    if parts is None:
        raise ArgumentTypeError("write it as NUMBER:HASH, with 64 hex digits")
    return int(parts[1]), parts[2]
