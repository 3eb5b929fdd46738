"""A file that is followed: rotated, cut short, read again after a crash; nothing is lost unsaid."""

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import following
from evidence.following import Busy, Follower, Place

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Log:
    """A log that is written, and whoever follows it, who can die and come back."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.log"
        self.state = folder / "state" / "place.json"
        self.taken: list[str] = []
        self.names: list[str] = []
        self.lost: list[tuple[datetime, datetime]] = []
        self.clock = NOW
        self.number = 0
        self.rotations = 0
        self.follower: Follower | None = None
        self.writer = self.path.open("ab", buffering=0)

    def write(self, count: int = 1, *, end: str = "\n") -> None:
        for _ in range(count):
            self.writer.write(f"line {self.number}{end}".encode())
            self.number += 1

    def rename(self, *, reopen: bool = True) -> Path:
        """As logrotate does with `create`; the writer turns to the new file when it is told."""
        self.rotations += 1
        # Later files are newer also on a disk that keeps whole seconds.
        to = self.path.with_name(f"audit.log.{self.rotations}")
        self.path.rename(to)
        self.path.touch()
        if reopen:
            self.reopen()
        return to

    def reopen(self) -> None:
        self.writer.close()
        self.writer = self.path.open("ab", buffering=0)

    def copytruncate(self) -> Path:
        self.rotations += 1
        to = self.path.with_name(f"audit.log.{self.rotations}")
        shutil.copyfile(self.path, to)
        os.truncate(self.path, 0)
        return to

    def take(self, lines: bytes, *, name: str) -> None:
        self.taken += lines.decode().splitlines()
        self.names.append(name)

    def run(self) -> list[str]:
        """Follow to the end; what was taken by this."""
        before = len(self.taken)
        if self.follower is None:
            self.follower = Follower(
                self.path,
                Place(self.state),
                take=self.take,
                lost=lambda *between: self.lost.append(between),
                now=lambda: self.clock,
            )
        for _ in range(1000):
            if not self.follower.step():
                break
        else:
            raise AssertionError("it does not come to an end")
        return self.taken[before:]

    def stop(self) -> None:
        if self.follower is not None:
            self.follower.close()
            self.follower.place.close()
            self.follower = None

    def all(self) -> list[str]:
        return [f"line {number}" for number in range(self.number)]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    yield made
    made.stop()
    made.writer.close()


def pack(path: Path) -> None:
    """Compress as gzip does: the time of the file stays."""
    about = path.stat()
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    os.utime(packed, ns=(about.st_atime_ns, about.st_mtime_ns))
    path.unlink()


def test_lines_are_taken_as_they_come_and_whole(log: Log) -> None:
    log.write(2)
    assert log.run() == ["line 0", "line 1"]
    log.write(1, end="")
    assert log.run() == []
    log.writer.write(b" goes on\n")
    assert log.run() == ["line 2 goes on"]
    assert log.run() == []


def test_file_that_is_not_there_yet_is_waited_for(log: Log) -> None:
    log.path.unlink()
    assert log.run() == []
    log.reopen()
    log.write()
    assert log.run() == ["line 0"]


def test_place_is_kept(log: Log) -> None:
    log.write(3)
    log.run()
    log.stop()
    log.write(2)
    assert log.run() == ["line 3", "line 4"]
    assert log.names[-1] == f"{log.path}, from byte {len('line 0') * 3 + 3}"


def test_renamed_file_is_read_to_its_end_then_the_new_one(log: Log) -> None:
    log.write(2)
    log.run()
    log.write()
    log.rename()
    log.write()
    assert log.run() == ["line 2", "line 3"]


def test_writer_that_has_not_turned_to_the_new_file_yet_loses_nothing(log: Log) -> None:
    log.write()
    log.run()
    log.rename(reopen=False)
    assert log.run() == []
    log.write()  # still into the renamed one
    assert log.run() == ["line 1"]
    log.write(1, end="")
    log.reopen()
    log.write()
    assert log.run() == ["line 2", "line 3"]


@pytest.mark.parametrize("packed", [False, True])
def test_several_rotations_while_nobody_followed(log: Log, packed: bool) -> None:
    log.write(200)
    log.run()
    log.stop()
    for _ in range(3):
        log.write(2)
        rotated = log.rename()
        if packed:
            pack(rotated)
    log.write()
    log.run()
    assert log.taken == log.all()
    assert log.lost == []


def test_copied_and_truncated_file_is_followed(log: Log) -> None:
    log.write(3)
    log.run()
    log.write(2)
    log.copytruncate()
    log.write()
    assert log.run() == ["line 3", "line 4", "line 5"]
    log.stop()
    log.write(2)
    log.copytruncate()
    log.write(20)
    log.run()
    assert (log.taken, log.lost) == (log.all(), [])


def test_file_that_is_cut_without_a_copy_is_said(log: Log) -> None:
    log.write(3)
    log.run()
    log.clock = NOW + timedelta(minutes=5)
    os.truncate(log.path, 0)
    log.write()
    assert log.run() == ["line 3"]
    assert log.lost == [(NOW, NOW + timedelta(minutes=5))]


def test_file_that_was_rotated_away_and_deleted_is_said(log: Log) -> None:
    log.write(3)
    log.run()
    log.stop()
    log.write(1)
    log.rename().unlink()
    log.write()
    log.clock = NOW + timedelta(hours=1)
    assert log.run() == ["line 4"]
    assert log.lost == [(NOW, NOW + timedelta(hours=1))]


def test_other_files_beside_it_are_no_part_of_it(log: Log) -> None:
    for name in ("audit.log.bak", "audit.log.1.tmp", "audit2.log", "other.log.1"):
        log.path.with_name(name).write_text("not ours\n")
    log.write()
    log.run()
    log.rename()
    log.write()
    log.run()
    assert log.taken == log.all()


def test_dated_names_are_known(log: Log) -> None:
    log.write()
    log.run()
    log.stop()
    log.write()
    log.rename().rename(log.path.with_name("audit-2026-11-24T10-00-00.123.log"))
    log.write()
    log.run()
    assert (log.taken, log.lost) == (log.all(), [])


def test_crash_before_the_place_is_kept_reads_the_batch_again(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    log.write(2)
    log.run()
    log.write(2)
    with monkeypatch.context() as patched:
        patched.setattr(Place, "keep", die)
        with pytest.raises(Killed):
            log.run()
    log.stop()
    log.run()
    assert log.taken == [*log.all()[:4], *log.all()[2:]]


def test_line_without_an_end_is_handed_on_within_bounds(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BATCH", 64)
    monkeypatch.setattr(following, "LONGEST_LINE", 256)
    log.writer.write(b"x" * 300 + b"\n")
    log.write()
    assert log.run() == ["x" * 256, "x" * 44, "line 0"]


def test_large_file_is_taken_in_batches(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BATCH", 64)
    log.write(100)
    log.run()
    assert log.taken == log.all()
    assert len(log.names) > 10


def test_two_followers_of_one_file_are_refused(log: Log) -> None:
    log.run()
    with pytest.raises(Busy):
        Place(log.state)


def test_place_that_is_damaged_is_said(log: Log) -> None:
    log.state.parent.mkdir()
    log.state.write_text('{"offset": 5}')
    with pytest.raises(ValueError, match="holds no place"):
        log.run()


STEPS = st.lists(
    st.sampled_from(
        ["write", "write", "part", "rename", "late", "copytruncate", "run", "die", "pack"]
    ),
    max_size=30,
)
BEGAN = 1_780_000_000  # seconds; files get times of their own, a second apart


@settings(max_examples=100)
@given(steps=STEPS)
def test_nothing_is_lost_whatever_happens_when(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder))
        try:
            live(log, steps)
        finally:
            log.stop()
            log.writer.close()
        found = [line.lstrip("@") for line in log.taken if "line" in line]
        # A copy is another file of the same text: it may be read twice, and never lost.
        copied = "copytruncate" in steps
        assert (list(dict.fromkeys(found)) if copied else found) == log.all()
        assert log.lost == []


def live(log: Log, steps: list[str]) -> None:
    """The life of a log, step by step, from its first reading to its last."""

    def begin(turn: int) -> None:
        # Files are told apart by their beginnings.
        log.writer.write(f"begun {turn} {'#' * 1500}\n".encode())

    begin(-1)
    os.utime(log.path, (BEGAN - 1, BEGAN - 1))
    log.run()
    for turn, step in enumerate([*steps, "write", "run"]):
        before = (BEGAN + turn - 0.5,) * 2
        if step == "write":
            log.write()
        elif step == "part":
            log.writer.write(b"@")
        elif step in ("rename", "late"):
            rotated = log.rename(reopen=False)
            if step == "late":
                log.run()
                log.write()
                os.utime(rotated, before)
            log.reopen()
            begin(turn)
        elif step == "copytruncate":
            os.utime(log.copytruncate(), before)
            begin(turn)
        elif step == "run":
            log.run()
        elif step == "die":
            log.stop()
        elif step == "pack":
            for path in log.path.parent.glob("audit.log.?"):
                pack(path)
        os.utime(log.path, (BEGAN + turn, BEGAN + turn))
