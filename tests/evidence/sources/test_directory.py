"""A directory on the server: which may be read, what is new in it, and no way out of it."""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config import environment
from evidence.models import Source
from evidence.sources import sweeping
from evidence.sources.contract import Page
from evidence.sources.directory import CONNECTOR
from evidence.sources.failures import Stopped
from tests.evidence.bodies import record, trail
from tests.evidence.sources import pulling
from tests.evidence.sources.buckets import numbers, pull

type Make = Callable[..., Source]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.real_clock,
    pytest.mark.unmovable_clock("compares the times of files"),
]


@pytest.fixture
def allowed(tmp_path: Path, settings: Any) -> Path:
    """An allowed directory; beside it lies what must not be read."""
    root = tmp_path / "allowed"
    root.mkdir()
    (tmp_path / "secret.json").write_bytes(trail(record(666)))
    settings.READ_DIRECTORIES = (root,)
    return root


def soon() -> datetime:
    """When what is written now lies still."""
    return datetime.now(UTC) + timedelta(minutes=2)


def read(path: Path, **said: Any) -> list[Page]:
    return pulling.pages(CONNECTOR, {"directory": str(path)}, now=soon(), **said)


def write(path: Path, *records: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(trail(*(record(number, at=datetime.now(UTC)) for number in records)))


def test_files_are_taken_in_the_order_of_their_paths_once(allowed: Path, source: Make) -> None:
    for name, number in (("b/z.json", 2), ("a.json", 0), ("b.json", 3), ("b/a/x.json", 1)):
        write(allowed / name, number)
    (allowed / "packed.gz").write_bytes(gzip.compress(trail(record(4, at=datetime.now(UTC)))))
    found = read(allowed)
    assert [page.name for page in found] == [
        "a.json", "b/a/x.json", "b/z.json", "b.json", "packed.gz", "",
    ]  # fmt: skip
    for number in range(5):
        rest = read(allowed, cursor=found[number].cursor)
        assert [page.name for page in rest][: 5 - number] == [
            page.name for page in found[number + 1 :]
        ]
    made = source()
    pulling.connect(made, "directory", {"directory": str(allowed), "still_seconds": "0"})
    assert (pull(made).events, numbers()) == (5, [0, 1, 2, 3, 4])
    write(allowed / "a-late.json", 9)
    write(allowed / "b/z.json", 2, 22)
    assert pull(made).records == 3
    assert sorted(set(numbers())) == [0, 1, 2, 3, 4, 9, 22]
    assert pull(made).records == 0


def test_file_that_is_written_to_is_left_until_it_lies_still(allowed: Path) -> None:
    write(allowed / "now.json", 1)
    at = datetime.now(UTC)
    early = pulling.pages(CONNECTOR, {"directory": str(allowed)}, now=at)
    assert [page.body for page in early] == [b""]
    late = pulling.pages(
        CONNECTOR, {"directory": str(allowed)}, now=at + timedelta(minutes=2),
        cursor=early[-1].cursor,
    )  # fmt: skip
    assert [page.name for page in late] == ["now.json", ""]


def test_old_file_that_is_moved_here_is_new_here(allowed: Path, tmp_path: Path) -> None:
    first = read(allowed)
    path = tmp_path / "elsewhere.json"
    write(path, 1)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    path.rename(allowed / "moved.json")
    assert [page.name for page in read(allowed, cursor=first[-1].cursor)] == ["moved.json", ""]


def test_no_link_leads_out(allowed: Path, tmp_path: Path) -> None:
    (allowed / "link.json").symlink_to(tmp_path / "secret.json")
    (allowed / "folder").symlink_to(tmp_path)
    (allowed / "self").symlink_to(allowed)
    os.mkfifo(allowed / "pipe.json")
    write(allowed / "real.json", 1)
    assert [page.name for page in read(allowed)] == ["real.json", ""]


@pytest.mark.parametrize("swapped", ["sub", "sub/one.json"])
def test_link_put_there_after_the_look_is_not_followed(
    allowed: Path, tmp_path: Path, swapped: str
) -> None:
    write(allowed / "a.json", 0)
    write(allowed / "sub/one.json", 1)
    other = tmp_path / "other"
    write(other / "one.json", 666)
    one = pulling.asked(CONNECTOR, {"directory": str(allowed)}, now=soon())
    with one.http:
        pages = CONNECTOR.pages(one)
        assert next(pages).name == "a.json"
        place = allowed / swapped
        place.rename(tmp_path / "away")
        place.symlink_to(other if swapped == "sub" else other / "one.json")
        rest = list(pages)
    assert b"".join(page.body for page in rest) == b""


def test_directory_itself_may_not_be_a_link_below_its_root(allowed: Path, tmp_path: Path) -> None:
    (allowed / "door").symlink_to(tmp_path)
    with pytest.raises(Stopped, match="symbolic links are not followed"):
        read(allowed / "door")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("/etc", "in no directory that may be read"),
        ("{allowed}/../", "in no directory that may be read"),
        ("{allowed}-2", "in no directory that may be read"),
        ("relative/path", "no absolute path"),
        ("{allowed}/missing", "cannot be read: No such file"),
    ],
)
def test_other_directory_is_refused(allowed: Path, wanted: str, words: str) -> None:
    said = {"directory": wanted.format(allowed=allowed)}
    with pytest.raises(Stopped, match=words) as caught:
        pulling.pages(CONNECTOR, said, now=soon())
    assert caught.value.fix
    found = pulling.checks(CONNECTOR, said, now=soon())
    assert [one.ok for one in found][-1] is False
    assert all(one.fix for one in found if not one.ok)


def test_nothing_may_be_read_by_default(allowed: Path, settings: Any) -> None:
    settings.READ_DIRECTORIES = ()
    with pytest.raises(Stopped, match="allowed: none is"):
        read(allowed)


def test_directories_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_FOLDERS", "/var/log/vault/: /srv/../srv/traces")
    assert environment.folders("SOME_FOLDERS") == (Path("/var/log/vault"), Path("/srv/traces"))
    monkeypatch.setenv("SOME_FOLDERS", "/var/log:logs")
    with pytest.raises(environment.SettingsError, match="'logs'; write the full path"):
        environment.folders("SOME_FOLDERS")


def test_any_name_is_kept_and_goes_on(allowed: Path, source: Make) -> None:
    folder = os.fsencode(allowed)
    for number, name in enumerate((b"a\xff\xfe.json", b"b\n\x01<b>.json", "ü.json".encode())):
        with Path(os.fsdecode(folder + b"/" + name)).open("wb") as file:
            file.write(trail(record(number, at=datetime.now(UTC))))
    made = source()
    pulling.connect(made, "directory", {"directory": str(allowed), "still_seconds": "0"})
    for _ in range(3):
        assert pull(made, enough=lambda: True).problem == ""
    assert pull(made).state == "done"
    assert numbers() == [0, 1, 2]
    assert sweeping.unquoted(sweeping.quoted("a\udcff\0b")) == "a\udcff\0b"


def test_file_that_cannot_be_read_is_told_and_the_rest_goes_on(allowed: Path, source: Make) -> None:
    write(allowed / "a.json", 1)
    (allowed / "b\x07.bin").write_bytes(b"\x00 noise")
    (allowed / "c.json.gz").write_bytes(gzip.compress(trail(record(2)))[:-9])
    write(allowed / "d.json", 3)
    made = source()
    pulling.connect(made, "directory", {"directory": str(allowed), "still_seconds": "0"})
    assert (pull(made).state, numbers()) == ("done", [1, 3])
    told = sorted(pulling.gaps().values_list("reason", flat=True))
    assert [one.partition(" was left out")[0] for one in told] == ["b�.bin", "c.json.gz"]
    pull(made)
    assert pulling.gaps().count() == 2


AS_NOBODY = """
    import os, sys
    import django
    django.setup()
    from datetime import UTC, datetime, timedelta
    from pathlib import Path
    from django.conf import settings
    from evidence.sources import directory
    from evidence.sources.contract import Asked, Http
    settings.READ_DIRECTORIES = (Path(sys.argv[1]),)
    until = datetime.now(UTC) + timedelta(minutes=2)
    # Made before: nobody may read the packages of a Python that lies in somebody's home.
    http = Http(allow_private=False, clock=lambda: until)
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    with http:
        asked = Asked({"directory": sys.argv[1]}, {}, until - timedelta(days=1), until, http)
        for page in directory.pages(asked):
            print(page.name, len(page.body) > 0, page.silent and page.silent.reason)
        print(next(one.said for one in directory.check(asked) if not one.ok))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A directory that everybody may go to, which tmp_path is not."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


def test_folder_and_file_without_the_right_are_told_and_the_rest_goes_on(
    open_folder: Path,
) -> None:
    for name in ("a.json", "closed/b.json", "shut.json", "z.json"):
        write(open_folder / name, 1)
    (open_folder / "closed").chmod(0)
    (open_folder / "shut.json").chmod(0)
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(AS_NOBODY), str(open_folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (open_folder / "closed").chmod(0o755)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "a.json True None",
        "closed False closed was left out: Permission denied",
        "shut.json False shut.json was left out: Permission denied",
        "z.json True None",
        " False None",
        "2 of 4 files cannot be read, as closed: Permission denied.",
    ]


def test_checks_count_what_can_be_read(allowed: Path) -> None:
    empty = pulling.checks(CONNECTOR, {"directory": str(allowed)}, now=soon())
    assert [(one.ok, one.said) for one in empty] == [
        (True, f"{allowed} may be read"),
        (True, "no file lies still there yet"),
    ]
    write(allowed / "a.json", 1)
    found = pulling.checks(CONNECTOR, {"directory": str(allowed)}, now=soon())
    assert found[1].said == "1 files can be read"
    assert len(json.dumps(read(allowed)[-1].cursor)) < 200
