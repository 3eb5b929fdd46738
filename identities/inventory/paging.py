"""Following a list over HTTP: the next page, and never a page of somebody else's host.

Owns the ways in which systems name the next page. Requests go through the client of the
connection (evidence/sources/contract.py), which owns waiting, bounds and addresses.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

from evidence.sources.contract import Http
from evidence.sources.failures import Stopped
from identities.inventory.contract import explained, inside, json_of, text

# A list of five million things, two hundred a page; and what belongs to one thing.
MOST_PAGES, MOST_OF_ONE = 25_000, 20_000

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
        pages = Pages()
        while path:
            pages.begin(path)
            answer = self.get(path)
            rows: list[Any] = json_of(answer, list)
            path = str(answer.links.get("next", {}).get("url", ""))
            yield rows, path

    def wrapped(
        self, path: str, member: str, *next_in: str, **more: str
    ) -> Iterator[tuple[list[Any], str]]:
        """The same of lists that stand in a member, with the next link in another."""
        pages = Pages()
        while path:
            pages.begin(path)
            found = self.object(path, **more)
            rows = found.get(member)
            if type(rows) is not list:
                raise Stopped(f"{path[:200]} answers without {member}.", "Check the address.")
            path = text(inside(found, *next_in), 4_000)
            yield rows, path

    def whole(self, path: str) -> list[Any]:
        """A short list of one thing, with all its pages. Raises Stopped for one that is not."""
        found: list[Any] = []
        for rows, _ in self.linked(path):
            found += rows
            if len(found) > MOST_OF_ONE:
                raise Stopped(
                    f"{path.partition('?')[0][:200]} lists more than {MOST_OF_ONE:,} of one thing.",
                    "Report this to whoever runs that system.",
                )
        return found


class Pages:
    """The pages of one list: each once, and so many at most. Raises Stopped."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def begin(self, link: str) -> None:
        digest = blake2b(link.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        place = link.partition("?")[0].partition("#")[0][:200]
        if digest in self._seen:
            raise Stopped(
                f"{place} names a page that was read as the next one.",
                "Report this to whoever runs that system: the list has no end.",
            )
        if len(self._seen) >= MOST_PAGES:
            raise Stopped(
                f"{place} goes on after {MOST_PAGES:,} pages.",
                "Report this to whoever runs that system: no list is that long.",
            )
        self._seen.add(digest)
