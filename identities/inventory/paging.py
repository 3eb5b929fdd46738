"""Following a list over HTTP: the next page, and never a page of somebody else's host.

Owns the ways in which systems name the next page. Requests go through the client of the
connection (evidence/sources/contract.py), which owns waiting, bounds and addresses.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from evidence.sources.contract import Http
from evidence.sources.failures import Stopped
from identities.inventory.contract import explained, inside, json_of, text

type Headers = Callable[[], Mapping[str, str]]


class Caller:
    """One API: its address, and the headers that say who asks."""

    def __init__(self, http: Http, base: str, headers: Headers) -> None:
        self._http, self._base, self._headers = http, base.rstrip("/"), headers

    def url(self, path: str) -> str:
        return path if path.startswith(("https://", "http://")) else f"{self._base}{path}"

    def get(self, path: str, **more: str) -> Any:
        """The answer to a path or to a link of this host. Raises Stopped, Later."""
        url = self.url(path)
        there, here = urlsplit(url), urlsplit(self._base)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            raise Stopped(
                f"The next page lies at {there.netloc[:200]}, not at {here.netloc}.",
                "Check the address of this source.",
            )
        return self._http.get(url, headers={**self._headers(), **more}, explain=explained)

    def object(self, path: str, **more: str) -> dict[str, Any]:
        found: dict[str, Any] = json_of(self.get(path, **more), dict)
        return found

    def linked(self, path: str) -> Iterator[tuple[list[Any], str]]:
        """The pages of a list whose next one is named in the `Link` header, each with that link
        ('' at the end)."""
        while path:
            answer = self.get(path)
            rows: list[Any] = json_of(answer, list)
            path = str(answer.links.get("next", {}).get("url", ""))
            yield rows, path

    def wrapped(
        self, path: str, member: str, *next_in: str, **more: str
    ) -> Iterator[tuple[list[Any], str]]:
        """The same of lists that stand in a member, with the next link in another."""
        while path:
            found = self.object(path, **more)
            rows = found.get(member)
            if type(rows) is not list:
                raise Stopped(f"{path[:200]} answers without {member}.", "Check the address.")
            path = text(inside(found, *next_in), 4_000)
            yield rows, path

    def whole(self, path: str) -> list[Any]:
        """A short list of one thing, with all its pages."""
        return [row for rows, _ in self.linked(path) for row in rows]
