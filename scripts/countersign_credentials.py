"""credential_process of the AWS SDKs and CLI: the credentials of a grant, from Countersign.

    [profile break-glass]
    credential_process = python3 countersign_credentials.py GRT-12

Standard library only: one file to hand to whoever uses a grant. COUNTERSIGN_URL is the address of
Countersign, COUNTERSIGN_TOKEN_FILE the file with an API token of the holder (scope act). Prints what
the AWS documentation asks for ("Sourcing credentials with an external process"), or says on standard
error what is wrong, with exit code 1. Keeps nothing.
"""

import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

LARGEST = 64 * 1024
SECONDS = 30
HERE = {"localhost", "127.0.0.1", "::1"}


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: the token is for one address."""

    def redirect_request(self, *_args: object, **_said: object) -> None:
        return None


def main(arguments: list[str]) -> int:
    try:
        print(json.dumps(taken(arguments)))
    except (Problem, OSError, ValueError) as problem:
        print(f"countersign: {problem}", file=sys.stderr)
        return 1
    return 0


class Problem(Exception):
    """What is wrong, in a sentence."""


def taken(arguments: list[str]) -> object:
    """The document that Countersign answers for the grant that is named."""
    if len(arguments) != 1 or not re.fullmatch(r"GRT-\d{1,15}", arguments[0]):
        raise Problem("say which grant: countersign_credentials.py GRT-12")
    base = os.environ.get("COUNTERSIGN_URL", "").rstrip("/")
    parts = urllib.parse.urlsplit(base)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in HERE):
        raise Problem("set COUNTERSIGN_URL to the https address of Countersign")
    file = os.environ.get("COUNTERSIGN_TOKEN_FILE", "")
    if not file:
        raise Problem("set COUNTERSIGN_TOKEN_FILE to the file with your API token")
    token = Path(file).read_text(encoding="utf-8").strip()
    request = urllib.request.Request(  # noqa: S310 -- the scheme is checked above
        f"{base}/api/grants/{arguments[0]}/credentials/",
        data=b"{}",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    opener = urllib.request.build_opener(_Stays)
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            found = json.loads(answer.read(LARGEST))
    except urllib.error.HTTPError as refused:
        raise Problem(_said(refused)) from None
    except urllib.error.URLError as problem:
        raise Problem(f"{base} could not be reached: {problem.reason}") from None
    if not isinstance(found, dict) or found.get("Version") != 1:
        raise Problem(f"{arguments[0]} is not for the AWS SDKs")
    return found


def _said(refused: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(refused.read(LARGEST))["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"Countersign answered {refused.code}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
