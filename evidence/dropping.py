"""A file that somebody drops on a page: taken part by part, with progress.

Owns what the browser is told while it waits. The upload lies on disk before this begins.
"""

from collections.abc import Callable, Iterator
from datetime import UTC
from typing import Any

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from evidence import doors, intake, known, second_person, uploads
from evidence.formats.bodies import MEBI, BodyRefused
from evidence.models import Source
from evidence.permissions import NotPossible, Reader
from evidence.words import counted

# What multipart adds around a file.
AROUND = 64 * 1024


class Refused(Exception):
    """Nothing more was taken: the sentence, the HTTP status, and when to try again."""

    def __init__(self, sentence: str, status: int, retry_after: int = 0) -> None:
        super().__init__(sentence)
        self.status, self.retry_after = status, retry_after


def require_size(stated: str) -> None:
    """Refuse by the stated length, before anything is read."""
    if not stated.isdigit():
        raise Refused("Say how large the file is, in a Content-Length.", 411)
    if int(stated) > doors.LARGEST_FILE + AROUND:
        raise Refused(f"A file may have {doors.LARGEST_FILE // MEBI} MiB; cut it by day.", 413)


def take(
    source: Source,
    upload: Any,  # Django's uploaded file, or None
    format: str,  # noqa: A002 - what sources and deposits call it
    *,
    by: Reader,
) -> Iterator[dict[str, Any]]:
    """Steps `{"done", "of"}` in bytes, and at the end the answer. Raises Refused when nothing
    was stored; a problem after earlier parts is in the answer, because those parts stay. Where the
    source holds evidence they are kept, and read in once a second person has signed."""
    if upload is None:
        raise Refused("Choose a file.", 400)
    if format and known.find(format) is None:
        raise Refused(f"Nothing was stored: {intake.unknown_format(format)}.", 400)
    waits = second_person.sending_waits(source, by)
    if waits and not by.person:
        raise Refused("No person stands behind your login, so that nobody can sign this.", 403)
    taking: Callable[..., Iterator[doors.Sum]] = uploads.keep_file if waits else doors.take_file
    answer = _proposed(source, upload.name or "", by) if waits else _answer
    sum_ = doors.EMPTY
    try:
        with doors.turn(source, of=doors.file_turns):
            for sum_ in taking(  # noqa: B007 - the sum so far is what is answered
                source=source,
                stream=upload,
                by=by.ref,
                now=timezone.now,
                format=format,
                name=upload.name or "",
            ):
                yield {"done": upload.tell(), "of": upload.size}
    except doors.Busy as problem:
        raise Refused(
            "Another file is being read; try again in a moment.", 503, problem.retry_after
        ) from problem
    except intake.NotTaken as problem:
        yield _ended(sum_, f"{problem}.", 422, answer)
        return
    except BodyRefused as problem:
        yield _ended(sum_, f"The file {problem.reason}.", 400, answer)
        return
    except (OperationalError, InterfaceError, OSError):
        words = "The database does not answer; send the file again in a moment."
        yield _ended(sum_, words, 503, answer)
        return
    if sum_.first is None:
        raise Refused("The file is empty.", 400)
    yield answer(sum_)


def _ended(
    sum_: doors.Sum, problem: str, status: int, answer: Callable[[doors.Sum], dict[str, Any]]
) -> dict[str, Any]:
    if sum_.first is None:
        raise Refused(f"Nothing was stored: {problem}", status)
    return answer(sum_) | {"problem": f"What was read before stays. {problem}"}


def _proposed(source: Source, name: str, by: Reader) -> Callable[[doors.Sum], dict[str, Any]]:
    """The answer where a second person signs first."""

    def answer(sum_: doors.Sum) -> dict[str, Any]:
        if not sum_.deposits:
            return _answer(sum_)
        try:
            key = uploads.propose(source, name, sum_, by=by, now=timezone.now())
        except NotPossible as problem:
            return _answer(sum_) | {"problem": str(problem)}
        words = f"Kept, and not read in yet: a second person signs {key} first."
        return _answer(sum_) | {
            "url": f"/changes/{key}/",
            "words": f"{words} {counted(sum_.records, 'record')}, {counted(sum_.rejects, 'reject')}.",
        }

    return answer


def _answer(sum_: doors.Sum) -> dict[str, Any]:
    return {
        "deposit": sum_.first,
        "deposits": len(sum_.deposits),
        "url": f"/deposits/{sum_.first}/",
        "events": sum_.events,
        "duplicates": sum_.duplicates,
        "rejects": sum_.rejects,
        "old": sum_.old,
        "words": _words(sum_),
    }


def _words(sum_: doors.Sum) -> str:
    """What became of a file, in a sentence or two."""
    said = (
        f"{counted(sum_.events, 'event')}, {counted(sum_.duplicates, 'duplicate')},"
        f" {counted(sum_.rejects, 'reject')}"
        f"{f', {sum_.old:,} kept as old' if sum_.old else ''}."
    )
    if sum_.since is None:
        return said
    since = f"{sum_.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if sum_.repeat:
        return f"Already here since {since}: nothing new was stored. {said}"
    parts = len(sum_.already) + len(sum_.deposits)
    return f"{said} {len(sum_.already):,} of its {parts:,} parts were already here since {since}."
