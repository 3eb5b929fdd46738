"""GitHub: the audit log of an organisation or an enterprise.

Sources: docs.github.com, REST: "Get the audit log for an organization", "… for an enterprise",
"Authenticating as a GitHub App installation", rate limits (1,750 audit log requests an hour);
"Reviewing the audit log": the `created` qualifier, 180 days, Git events 7 days.

Read by windows of time, oldest first, with the `after` cursor of the Link header inside: at the end
of the list there is no cursor to wait at. GitHub does not say how late an entry may be; sweeps
begin an hour back.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote, urlsplit

import httpx

from evidence.formats.times import EPOCH
from evidence.formats.times import moment as micros
from evidence.sources import tokens, windows
from evidence.sources.contract import Asked, Check, Connector, Field, Page, Silent, tried
from evidence.sources.failures import Stopped
from evidence.sources.tokens import Bearer, Token

RULE = windows.Rule(longest=timedelta(days=1), near=timedelta(minutes=5), far=timedelta(hours=1))
LIMIT = 100
KEPT = timedelta(days=180)
GIT_KEPT = timedelta(days=7)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?")
VERSION = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


class _Worn(Exception):
    """A page that the cursor names is no longer there."""


def _base(asked: Asked) -> str:
    return asked.settings["url"].rstrip("/")


def _log(asked: Asked) -> str:
    owner = asked.settings["owner"]
    if _NAME.fullmatch(owner) is None:
        raise Stopped("The owner is no name of GitHub.", "Write its short name, as in addresses.")
    kind = "enterprises" if asked.settings["kind"] == "enterprise" else "orgs"
    return f"{_base(asked)}/{kind}/{quote(owner)}/audit-log"


def bearer_of(asked: Asked) -> Bearer:
    """A personal access token as it is, or the token of an App's installation."""
    if asked.settings.get("token"):
        return Bearer(lambda: Token(asked.secret("token"), 86_400.0))
    if not all(asked.settings.get(name) for name in ("app", "installation", "key")):
        raise Stopped(
            "Neither a token nor a whole GitHub App is named.",
            "Set token, or app, installation and key.",
        )
    return Bearer(lambda: _installed(asked)[0])


def _installed(asked: Asked) -> tuple[Token, dict[str, str]]:
    """The installation's token and what it may do."""
    now = int(asked.http.now().timestamp())
    # A minute back and nine ahead, as GitHub advises for clocks that differ.
    claims = {"iat": now - 60, "exp": now + 540, "iss": asked.settings["app"]}
    statement = tokens.signed(claims, key=asked.secret("key"), called="key")
    installation = asked.settings["installation"]
    answer = asked.http.request(
        "POST",
        f"{_base(asked)}/app/installations/{installation}/access_tokens",
        headers={**VERSION, "Authorization": f"Bearer {statement}"},
        explain=_not_installed,
    )
    found = tokens.document(answer)
    text = found.get("token")
    if type(text) is not str or not text.isascii() or not text.isprintable():
        raise Stopped("GitHub answers without a token.", "Check the address of GitHub.")
    ends = micros(found.get("expires_at"))
    seconds = 3600.0 if ends is None else ends / 1_000_000 - now
    may = found.get("permissions")
    return Token(text, seconds), may if type(may) is dict else {}


def _not_installed(answer: httpx.Response) -> Exception | None:
    if answer.status_code == 401:
        return Stopped(
            "GitHub does not accept the App's signature.",
            "Check that the key is one of this App's, and that this machine's clock is right.",
        )
    if answer.status_code == 404:
        return Stopped(
            "GitHub knows no such installation of this App.",
            "Take the number at the end of the installation's address.",
        )
    if answer.status_code == 403:
        return Stopped(
            "The App's installation is suspended.", "Have an owner of the organisation resume it."
        )
    return None


def _refused(asked: Asked, *, worn: bool = False) -> tokens.Explain:
    """What a refusal means for whoever set the source up."""
    enterprise = asked.settings["kind"] == "enterprise"
    rights = (
        "read:audit_log of an enterprise owner's classic token, or “Enterprise administration” (read)"
        if enterprise
        else "read:audit_log of an organisation owner's token, or the organisation permission"
        " “Administration” (read)"
    )

    def explain(answer: httpx.Response) -> Exception | None:
        if worn and answer.status_code in (400, 404, 410, 422):
            return _Worn()
        if answer.status_code == 401:
            return Stopped(
                "GitHub does not accept the token.",
                "It may have expired or been revoked: make a new one.",
            )
        if answer.status_code == 403:
            said = str(tokens.document(answer).get("message", ""))[:200]
            fix = f"It needs {rights}."
            if answer.headers.get("X-GitHub-SSO", "").startswith("required"):
                fix = (
                    "Authorise the token for the organisation's single sign-on, at its token page."
                )
            elif "IP allow list" in said:
                fix = "Let this machine's address into GitHub's IP allow list."
            return Stopped(f"The token may not read the audit log: {said}", fix)
        if answer.status_code == 404:
            return Stopped(
                f"GitHub shows this token no audit log of {asked.settings['owner']}.",
                "Check the name; the audit log's API needs GitHub Enterprise, and the token needs"
                f" {rights}.",
            )
        return None

    return explain


def pages(asked: Asked) -> Iterator[Page]:
    """Entries since the cursor, a hundred a page."""
    bearer, lane, first = bearer_of(asked), dict(asked.cursor), True
    silent = _forgotten(asked, lane)
    while (
        open_ := windows.opened(lane, since=asked.since, until=asked.horizon, rule=RULE)
    ) is not None:
        try:
            answer = _listed(asked, bearer, open_, worn=first and bool(open_["page"]))
        except _Worn:
            # Reading the window again doubles nothing.
            lane, first = windows.turned(open_, ""), False
            continue
        first = False
        rows = _rows(answer)
        link = answer.links.get("next", {}).get("url", "")
        if link:
            lane = windows.followed(open_, link)
            last = micros(rows[-1].get("@timestamp")) if rows and type(rows[-1]) is dict else None
            # Oldest first: what a page ends with is how far it is.
            reached = None if last is None else EPOCH + timedelta(microseconds=last)
        else:
            lane = windows.closed(open_, until=asked.horizon)
            reached = windows.through(lane)
        yield Page(
            body=answer.content if rows else b"",
            cursor=lane,
            format="github",
            name=f"audit log of {asked.settings['owner']}, {open_['begins']}",
            reached=reached,
            silent=silent,
        )
        silent = None


def _rows(answer: httpx.Response) -> list[dict[str, object]]:
    rows = tokens.parsed(answer)
    if type(rows) is not list:
        raise Stopped("The answer is no list of audit log entries.", "Check the address of GitHub.")
    return rows


def _forgotten(asked: Asked, lane: windows.Lane) -> Silent | None:
    git = asked.settings["include"] != "web"
    kept, what = (GIT_KEPT, "Git events") if git else (KEPT, "its audit log")
    return windows.forgotten(
        lane,
        since=asked.since,
        until=asked.until,
        rule=RULE,
        kept=kept,
        reason=f"GitHub keeps {what} for {kept.days} days",
    )


def _listed(asked: Asked, bearer: Bearer, window: windows.Lane, *, worn: bool) -> httpx.Response:
    log = _log(asked)
    headers = {**VERSION, **bearer.header()}
    link = str(window["page"])
    if link:
        if not _same(link, log):
            raise Stopped(
                f"The next page lies at {link.partition('?')[0][:200]}, not at {log}.",
                "Check the address of GitHub, and connect the source again.",
            )
        return asked.http.get(link, headers=headers, explain=_refused(asked, worn=worn))
    begins, ends = (window[name].replace("Z", "+00:00") for name in ("begins", "ends"))
    params = {
        "phrase": f"created:{begins}..{ends}",
        "include": asked.settings["include"],
        "order": "asc",
        "per_page": str(LIMIT),
    }
    return asked.http.get(log, params=params, headers=headers, explain=_refused(asked))


def _same(link: str, log: str) -> bool:
    """Whether a link stays at GitHub; it may name an organisation by its number."""
    there, here = urlsplit(link), urlsplit(log)
    return (there.scheme, there.netloc) == (here.scheme, here.netloc) and there.path.endswith(
        "/audit-log"
    )


def check(asked: Asked) -> Iterator[Check]:
    """The App and its permission, where there is one; then each kind of entry."""
    if not asked.settings.get("token"):
        bearer = bearer_of(asked)  # says what is not named
        first = tried("sign in as the App's installation", lambda: _allowed(asked))
        yield first
        if not first.ok:
            return
    else:
        bearer = bearer_of(asked)
    kinds = {"web": ("web",), "git": ("git",), "all": ("web", "git")}[asked.settings["include"]]
    for kind in kinds:

        def look(kind: str = kind) -> str:
            answer = asked.http.get(
                _log(asked),
                params={"include": kind, "per_page": "1"},
                headers={**VERSION, **bearer.header()},
                explain=_refused(asked),
            )
            _rows(answer)
            return f"{kind} events of {asked.settings['owner']} can be read"

        yield tried(f"read {kind} events", look)


def _allowed(asked: Asked) -> str:
    may = _installed(asked)[1]
    wanted = (
        "enterprise_administration"
        if asked.settings["kind"] == "enterprise"
        else "organization_administration"
    )
    if may.get(wanted) not in ("read", "write"):
        raise Stopped(
            f"The installation lacks the permission {wanted}.",
            "Add it (read) in the App's settings, and have an owner accept the change.",
        )
    more = sorted(name for name, level in may.items() if name != wanted and name != "metadata")
    return f"the installation has {wanted}: {may[wanted]}" + (
        f"; it also has, and does not need: {', '.join(more)[:300]}" if more else ""
    )


CONNECTOR = Connector(
    name="github",
    title="GitHub audit log",
    format="github",
    plane="identity",
    fields=(
        Field("owner", "Organisation or enterprise", help="its short name, as in addresses"),
        Field(
            "kind",
            "Kind",
            "choice",
            required=False,
            default="organisation",
            choices=("organisation", "enterprise"),
        ),
        Field("token", "Personal access token", "secret", required=False, help="or a GitHub App"),
        Field("app", "Client id of the GitHub App", required=False),
        Field("installation", "Number of its installation", "number", required=False),
        Field("key", "Private key of the App", "secret", required=False, help="a PEM file"),
        Field(
            "include",
            "Events",
            "choice",
            required=False,
            default="all",
            choices=("all", "web", "git"),
        ),
        Field(
            "url",
            "Address of the API",
            "url",
            required=False,
            default="https://api.github.com",
            help="of a GitHub Enterprise Server: https://<host>/api/v3",
        ),
    ),
    pages=pages,
    check=check,
    needs="organisation: Administration (read) of a GitHub App, or read:audit_log of an owner;"
    " enterprise: Enterprise administration (read), or read:audit_log of an enterprise owner",
)
