"""Credentials of a grant, from Countersign: for the AWS SDKs and CLI, and for kubectl.

    [profile break-glass]
    credential_process = python3 countersign_credentials.py GRT-12 --url https://countersign.example.org

Standard library only: one file to hand to whoever uses a grant. The first call asks for a sign-in
(RFC 8628): it shows a code, opens the browser where there is one, and waits until you have signed in
there. What comes of it is held in the memory of a process of yours that answers the next calls over
a socket that is yours alone, and ends with the grant or with --sign-out: nothing is written down.

Scripts that nobody signs in for put a token of theirs (scope act) into a file and name it in
COUNTERSIGN_TOKEN_FILE. COUNTERSIGN_URL is the address where --url is not given. Prints what the AWS
documentation ("Sourcing credentials with an external process") or kubectl (ExecCredential) asks
for, or says on standard error what is wrong, with exit code 1.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLIENT = "countersign-credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
LARGEST = 64 * 1024
SECONDS = 30
HERE = {"localhost", "127.0.0.1", "::1"}
# Where a process can stay behind and answer over a socket of its owner's.
STAYS = hasattr(os, "fork") and hasattr(socket, "AF_UNIX")


class Problem(Exception):
    """What is wrong, in a sentence. `code`: as Countersign answered it, where it did."""

    def __init__(self, words: str, code: int = 0, error: str = "") -> None:
        super().__init__(words)
        self.code, self.error = code, error


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: what is sent is for one address."""

    def redirect_request(self, *_args: object, **_said: object) -> None:
        return None


def main(arguments: list[str]) -> int:
    try:
        said = _said(arguments)
        found = taken(said)
        print(json.dumps(found) if not said.field else found.get(said.field, ""))
    except (Problem, OSError, ValueError) as problem:
        print(f"countersign: {problem}", file=sys.stderr)
        return 1
    return 0


def taken(said: argparse.Namespace) -> dict[str, Any]:
    """The document that Countersign answers for the grant that is named."""
    base, grant = _base(said.url), said.grant
    if said.sign_out:
        return {"signed_out": asked(home(base, grant), "sign out") is not None}
    file = os.environ.get("COUNTERSIGN_TOKEN_FILE", "")
    if file:
        return document(base, grant, Path(file).read_text(encoding="utf-8").strip())
    if not STAYS:
        return document(base, grant, signed_in(base, grant)[0])
    place = home(base, grant)
    with _turn(place):
        found = asked(place, "credentials")
        if found is None:
            token, until = signed_in(base, grant)
            found = {"document": document(base, grant, token)}
            stay(place, base, grant, token, until)
    if "document" not in found:
        raise Problem(
            str(found.get("problem", "the process that holds your sign-in answers nothing"))
        )
    given: dict[str, Any] = found["document"]
    return given


def _said(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Credentials of a grant, from Countersign.")
    parser.add_argument("grant", metavar="GRT-12")
    parser.add_argument("--url", default=os.environ.get("COUNTERSIGN_URL", ""))
    parser.add_argument("--sign-out", action="store_true", help="end what holds your sign-in")
    parser.add_argument("--field", default="", help="print this member alone, such as token")
    said = parser.parse_args(arguments)
    if not re.fullmatch(r"GRT-\d{1,15}", said.grant):
        raise Problem("say which grant: countersign_credentials.py GRT-12")
    return said


def _base(url: str) -> str:
    base = url.rstrip("/")
    parts = urllib.parse.urlsplit(base)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in HERE):
        raise Problem("say the https address of Countersign: --url, or COUNTERSIGN_URL")
    return base


def document(base: str, grant: str, token: str) -> dict[str, Any]:
    """The credentials themselves."""
    return post(
        f"{base}/api/grants/{grant}/credentials/",
        b"{}",
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )


def post(url: str, data: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """The JSON object that is answered; Problem says why there is none."""
    request = urllib.request.Request(  # noqa: S310 -- the scheme is checked in _base
        url, data=data, headers=headers, method="POST"
    )
    try:
        with urllib.request.build_opener(_Stays).open(request, timeout=SECONDS) as answer:
            found = json.loads(answer.read(LARGEST))
    except urllib.error.HTTPError as refused:
        words, error = _refused(refused)
        raise Problem(words, refused.code, error) from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "reason", problem)
        raise Problem(f"{url} could not be reached, or answers no JSON: {reason}") from None
    if not isinstance(found, dict):
        raise Problem(f"{url} answers something else than Countersign does")
    return found


def _refused(refused: urllib.error.HTTPError) -> tuple[str, str]:
    try:
        said = json.loads(refused.read(LARGEST))
        error = str(said.get("error", ""))[:100]
        return str(said.get("detail") or said["error_description"])[:500], error
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"Countersign answered {refused.code}", ""


def signed_in(base: str, grant: str) -> tuple[str, float]:
    """(token, when it ends by this clock), once somebody has signed in for it."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    asks = {"client_id": CLIENT, "scope": f"grant:{grant}", "client_name": socket.gethostname()}
    begun = post(f"{base}/device/authorization/", urllib.parse.urlencode(asks).encode(), form)
    page = str(begun.get("verification_uri_complete", ""))
    if not page.startswith(f"{base}/"):
        page = f"{base}/device/?code={begun.get('user_code', '')}"
    show(f"Sign in for {grant}: open {page} and check that it shows {begun.get('user_code', '')}")
    browse(page)
    polls = {"client_id": CLIENT, "grant_type": DEVICE, "device_code": begun["device_code"]}
    wait, end = float(begun.get("interval", 5)), time.monotonic() + float(begun["expires_in"])
    while time.monotonic() < end:
        time.sleep(wait)
        try:
            given = post(f"{base}/device/token/", urllib.parse.urlencode(polls).encode(), form)
        except Problem as problem:
            if problem.error == "slow_down":
                wait += 5
            elif problem.code and problem.code < 500 and problem.error != "authorization_pending":
                raise
            continue
        return str(given["access_token"]), time.time() + float(given["expires_in"])
    raise Problem("nobody signed in within ten minutes: begin again")


def show(words: str) -> None:
    """Say it to whoever sits there: the SDKs keep what is written to standard error to themselves."""
    try:
        with Path("/dev/tty").open("w", encoding="utf-8") as terminal:
            print(words, file=terminal)
    except OSError:
        print(words, file=sys.stderr, flush=True)


def browse(page: str) -> None:
    """Open the browser where there is a screen; it inherits nothing that an SDK waits for."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if screen or sys.platform in ("darwin", "win32"):
        with contextlib.suppress(OSError):
            subprocess.Popen(
                [sys.executable, "-m", "webbrowser", page],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )


def home(base: str, grant: str) -> Path:
    """Where the socket lies, in a folder that is nobody else's."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(runtime or tempfile.gettempdir()) / f"countersign-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise Problem(f"{folder} is not yours alone: remove it, or set XDG_RUNTIME_DIR")
    name = hashlib.sha256(f"{base} {grant}".encode()).hexdigest()[:20]
    return folder / f"{name}.sock"


@contextlib.contextmanager
def _turn(place: Path) -> Iterator[None]:
    """One sign-in at a time: whoever asks meanwhile waits, and takes what came of it."""
    import fcntl

    with place.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # Said, as the process that stays behind has inherited it.
            fcntl.flock(lock, fcntl.LOCK_UN)


def asked(place: Path, what: str) -> dict[str, Any] | None:
    """What the process that holds the sign-in answers; None where none does."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(2 * SECONDS)
            line.connect(str(place))
            line.sendall(what.encode())
            line.shutdown(socket.SHUT_WR)
            said = b"".join(iter(lambda: line.recv(LARGEST), b""))
        found = json.loads(said)
    except (OSError, ValueError):
        return None
    return None if not isinstance(found, dict) or found.get("over") else found


def stay(place: Path, base: str, grant: str, token: str, until: float) -> None:
    """Leave a process behind that answers for this sign-in, until it ends."""
    place.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(place))
    place.chmod(0o600)
    listener.listen(8)
    if os.fork():
        listener.close()
        return
    try:
        _kept(listener, base, grant, token, until)
    finally:
        place.unlink(missing_ok=True)
        os._exit(0)


def _kept(listener: socket.socket, base: str, grant: str, token: str, until: float) -> None:
    os.setsid()
    os.chdir("/")
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever called waits until these are closed.
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    over = False
    while not over and time.time() < until:
        listener.settimeout(max(1.0, until - time.time()))
        try:
            line, _ = listener.accept()
        except OSError:
            continue
        with line, contextlib.suppress(OSError):
            line.settimeout(SECONDS)
            answer, over = _answer(line.recv(100), base, grant, token)
            line.sendall(json.dumps(answer).encode())


def _answer(what: bytes, base: str, grant: str, token: str) -> tuple[dict[str, Any], bool]:
    """(answer, whether this was the last): a token that is known no more asks for a new sign-in."""
    if what == b"sign out":
        return {"signed_out": True}, True
    try:
        return {"document": document(base, grant, token)}, False
    except Problem as problem:
        return {"problem": str(problem), "over": problem.code == 401}, problem.code == 401


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
