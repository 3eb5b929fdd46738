"""What an answer over HTTP means for a pull: go on, wait, or act; and in whose words it says so.

Owns the statuses that every system uses alike; what only one of them means by a refusal stands in
its connector. Knows nothing of requests. Pure.
"""

import httpx

from evidence.sources import tokens
from evidence.sources.failures import Later, Stopped


def judged(answer: httpx.Response, place: str, wait: float | None, needs: str) -> httpx.Response:
    """The answer, when it is a success. Raises Later (wait) or Stopped (act); `needs`: the rights to
    name where one is missing."""
    code = answer.status_code
    if 200 <= code < 300:
        if answer.content[:200].lstrip()[:1] == b"<":
            raise Stopped(
                f"{place} answers with a web page, not with JSON: perhaps one to sign in at.",
                "Name the address of the API itself, which answers without a sign-in page before"
                " it.",
            )
        return answer
    said = f"{place} answered {code}"
    if code in (408, 425, 429) or code >= 500 or (code == 403 and wait):
        raise Later(said, wait)
    words = _words(answer)
    if code == 401:
        raise Stopped(
            f"{said}: the credential is not accepted{words and f' ({words})'}",
            "Give this source a new one.",
        )
    if code == 403:
        raise Stopped(
            f"{said}: the credential may not read this{words and f' ({words})'}",
            f"Give it the rights it needs{needs and f': {needs}'}.",
        )
    if 300 <= code < 400:
        raise Stopped(
            f"{said}, which leads to {place_of(answer.headers.get('Location', 'nowhere'))}",
            "Name the final address: redirects are not followed.",
        )
    raise Stopped(f"{said}: {words}", "Check the settings of this source.")


# Where systems say in words why they refuse.
_SAYING = ("message", "error_description", "errorSummary", "detail", "error", "title")


def _words(answer: httpx.Response) -> str:
    """Why the system refuses, in its own words; of a page for people, none."""
    found = tokens.document(answer)
    if type(found.get("error")) is dict:
        found = found["error"]
    said = next((found[name] for name in _SAYING if type(found.get(name)) is str), "")
    code = found.get("code")
    if said and type(code) is str and code != said:
        # Connectors know some refusals by it, and so does the vendor's documentation.
        said = f"{code[:80]}: {said}"
    text = said or ("" if found or answer.content.lstrip()[:1] == b"<" else answer.text)
    return " ".join(text[:400].split())[:200]


def place_of(url: str) -> str:
    """An address without its query, where secrets and people's names may stand."""
    return str(url).split("?", 1)[0][:200]
