"""Google Cloud: audit logs of projects, folders and organisations, from Cloud Logging.

Sources: cloud.google.com, Cloud Logging `entries:list` (an empty page may carry a page token; a
token holds for the same request only), the Logging query language, access control of Logging;
"Using OAuth 2.0 for server to server applications"; google.aip.dev/auth/4117 (external accounts).

Windows are of the time at which Google received an entry (`receiveTimestamp`), not of the event's
own: what comes late is received late, and is found where it was received.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson

from evidence.sources import secrets, tokens, windows
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Stopped
from evidence.sources.tokens import Bearer, Token

RULE = windows.Rule(longest=timedelta(days=1), near=timedelta(minutes=5))
LIMIT = 1000
MOST_RESOURCES = 100
SCOPE = "https://www.googleapis.com/auth/logging.read"
# Google refuses entries that are older when they come; the bound keeps its search short.
LATEST = timedelta(days=1)
AUDIT = 'logName:"cloudaudit.googleapis.com"'
TIMEOUT = httpx.Timeout(90.0, connect=5.0)
_RESOURCE = re.compile(r"(?:projects|folders|organizations|billingAccounts)/[\w.:/-]{1,300}")
_JSON = {"Content-Type": "application/json"}


class _Worn(Exception):
    """A page that the cursor names is no longer there."""


def _resources(asked: Asked) -> list[str]:
    named = asked.settings["resources"].replace(",", " ").split()
    wrong = [name for name in named if _RESOURCE.fullmatch(name) is None]
    if wrong or not 0 < len(named) <= MOST_RESOURCES:
        raise Stopped(
            f"{wrong[0][:100]!r} is no resource of Google Cloud."
            if wrong
            else f"{len(named)} resources are named, where 1 to {MOST_RESOURCES} can be.",
            "Write projects/…, folders/…, organizations/… or a log view, separated by spaces.",
        )
    return named


# --- credentials


def _bearer(asked: Asked) -> Bearer:
    """A token of what the credentials file describes. Raises Stopped for a kind we do not use."""
    try:
        given = orjson.loads(asked.secret("credentials"))
    except (ValueError, RecursionError):
        given = None
    if type(given) is not dict:
        raise Stopped(
            "What credentials refers to is no JSON.", "Put the file there as Google made it."
        )
    kind = given.get("type")
    if kind == "service_account":
        return Bearer(lambda: _by_key(asked, given))
    if kind == "external_account":
        return Bearer(lambda: _by_workload(asked, given))
    raise Stopped(
        f"Credentials of the type {str(kind)[:50]!r} are not for servers.",
        "Use a workload identity federation file, or a service account's key.",
    )


def _said(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if type(value) is not str or not value:
        raise Stopped(
            f"The credentials file has no {name}.", "Put the file there as Google made it."
        )
    return value


def _by_key(asked: Asked, given: dict[str, Any]) -> Token:
    """RFC 7523: a statement signed with the service account's key, for a token."""
    now = int(asked.http.now().timestamp())
    where = _said(given, "token_uri")
    claims = {
        "iss": _said(given, "client_email"),
        "scope": SCOPE,
        "aud": where,
        "iat": now - 10,
        "exp": now + 3500,
    }
    statement = tokens.signed(
        claims,
        key=_said(given, "private_key"),
        called="credentials",
        kid=str(given.get("private_key_id") or ""),
    )
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": statement}
    answer = asked.http.request("POST", where, data=form, explain=_not_signed_in)
    return tokens.granted(answer, by="Google")


def _by_workload(asked: Asked, given: dict[str, Any]) -> Token:
    """RFC 8693: the platform's own token for one of Google's; then, maybe, a service account's."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": _said(given, "audience"),
        "scope": SCOPE,
        "subject_token": _subject(given),
        "subject_token_type": _said(given, "subject_token_type"),
    }
    account = given.get("service_account_impersonation_url")
    if account:
        # The scope of the borrowed token is what counts; borrowing itself needs this one.
        form["scope"] = "https://www.googleapis.com/auth/cloud-platform"
    answer = asked.http.request(
        "POST", _said(given, "token_url"), data=form, explain=_not_signed_in
    )
    token = tokens.granted(answer, by="Google")
    if not account:
        return token
    answer = asked.http.request(
        "POST",
        str(account),
        content=orjson.dumps({"scope": [SCOPE], "lifetime": "3600s"}),
        headers={**_JSON, "Authorization": f"Bearer {token.text}"},
        explain=_not_borrowed,
    )
    text = tokens.document(answer).get("accessToken")
    if type(text) is not str or not text.isascii() or not text.isprintable():
        raise Stopped("Google answers without a token.", "Check the credentials file.")
    return Token(text, 3600.0)


def _subject(given: dict[str, Any]) -> str:
    """The platform's token, from the file that the credentials name."""
    source = given.get("credential_source")
    path = source.get("file") if type(source) is dict else None
    if type(source) is not dict or type(path) is not str or not Path(path).is_absolute():
        raise Stopped(
            "The credentials take their token from elsewhere than a file.",
            "Make the federation's file for a file-sourced credential, with an absolute path.",
        )
    text = secrets.read(f"file:{path}", called="the credentials' credential_source")
    shape = source.get("format")
    if type(shape) is dict and shape.get("type") == "json":
        try:
            inside = orjson.loads(text)
        except (ValueError, RecursionError):
            inside = None
        found = inside.get(shape.get("subject_token_field_name")) if type(inside) is dict else None
        if type(found) is not str or not found:
            raise Stopped(
                f"The file {path} has no token where the credentials say.",
                "Check subject_token_field_name.",
            )
        text = found
    return text


def _not_signed_in(answer: httpx.Response) -> Exception | None:
    found = tokens.document(answer)
    error = str(found.get("error", ""))[:60]
    if not error:
        return None
    fix = {
        "invalid_grant": "The key may have been deleted, the account disabled, the platform's"
        " token expired, or this machine's clock be wrong.",
        "invalid_target": "Check the audience: the pool and the provider it names.",
        "unauthorized_client": "The provider's attribute condition does not let this workload in.",
    }
    return Stopped(
        f"Google refuses the credentials ({error}).", fix.get(error, "Check the credentials file.")
    )


def _not_borrowed(answer: httpx.Response) -> Exception | None:
    if answer.status_code != 403:
        return None
    return Stopped(
        "The workload may not act as the service account that the credentials name.",
        "Give it roles/iam.workloadIdentityUser on that service account.",
    )


# --- entries


def _refused(*, worn: bool = False) -> tokens.Explain:
    """What a refusal of Cloud Logging means for whoever set the source up."""

    def explain(answer: httpx.Response) -> Exception | None:
        if worn and answer.status_code in (400, 410):
            return _Worn()
        error = tokens.document(answer).get("error")
        said = str(error.get("message", ""))[:300] if type(error) is dict else ""
        if answer.status_code == 403:
            return Stopped(
                f"The account may not read these logs: {said}",
                "Give it roles/logging.viewer, and roles/logging.privateLogViewer for Data Access"
                " entries, on each resource; the Cloud Logging API has to be enabled.",
            )
        if answer.status_code == 404:
            return Stopped(
                f"Google knows no such resource: {said}", "Check the resource names of this source."
            )
        if answer.status_code == 400:
            return Stopped(
                f"Cloud Logging does not accept the request: {said}",
                "Check the filter and the resource names of this source.",
            )
        return None

    return explain


def _request(names: list[str], filter_: str, size: int, page: str = "") -> bytes:
    said: dict[str, Any] = {
        "resourceNames": names,
        "filter": filter_,
        "orderBy": "timestamp asc",
        "pageSize": size,
    }
    return orjson.dumps(said | ({"pageToken": page} if page else {}))


def _filter(asked: Asked, window: windows.Lane) -> str:
    early = windows.written(windows.moment(window["begins"]) - LATEST)
    more = asked.settings["filter"]
    return (
        f'receiveTimestamp>="{window["begins"]}" AND receiveTimestamp<"{window["ends"]}"'
        f' AND timestamp>="{early}"' + (f" AND ({more})" if more else "")
    )


def _list(asked: Asked, bearer: Bearer, body: bytes, explain: tokens.Explain) -> httpx.Response:
    return asked.http.request(
        "POST",
        f"{asked.settings['url'].rstrip('/')}/v2/entries:list",
        content=body,
        headers={**_JSON, **bearer.header()},
        explain=explain,
        timeout=TIMEOUT,
    )


def pages(asked: Asked) -> Iterator[Page]:
    """Entries that Google received since the cursor, a thousand a page."""
    names, bearer, lane, first = _resources(asked), _bearer(asked), dict(asked.cursor), True
    kept = timedelta(days=int(asked.settings["kept_days"]))
    silent = windows.forgotten(
        lane,
        since=asked.since,
        until=asked.until,
        rule=RULE,
        kept=kept,
        reason=f"Google Cloud keeps these logs for {kept.days} days",
    )
    while (
        open_ := windows.opened(lane, since=asked.since, until=asked.horizon, rule=RULE)
    ) is not None:
        token = str(open_["page"])
        body = _request(names, _filter(asked, open_), LIMIT, token)
        try:
            answer = _list(asked, bearer, body, _refused(worn=first and bool(token)))
        except _Worn:
            # Reading the window again doubles nothing.
            lane, first = windows.turned(open_, ""), False
            continue
        first = False
        rows, next_ = _rows(answer)
        if type(next_) is str and next_:
            lane = windows.followed(open_, next_)
        else:
            lane = windows.closed(open_, until=asked.horizon)
        yield Page(
            body=answer.content if rows else b"",
            cursor=lane,
            format="gcp",
            name=f"received since {open_['begins']}",
            reached=windows.through(lane),
            silent=silent,
        )
        silent = None


def _rows(answer: httpx.Response) -> tuple[list[Any], Any]:
    """What a page lists, and the token of the next one; nothing found is an empty object."""
    found = tokens.object_of(answer)
    rows = None if found is None else found.get("entries", [])
    if found is None or type(rows) is not list or not set(found) <= {"entries", "nextPageToken"}:
        raise Stopped("The answer is no list of log entries.", "Check the address.")
    return rows, found.get("nextPageToken")


def check(asked: Asked) -> Iterator[Check]:
    """The sign-in; then, of each resource, what anyone may read and what needs the private role."""
    names, bearer = _resources(asked), _bearer(asked)

    def signed_in() -> str:
        bearer.header()
        return "Google gave a token"

    first = tried("sign in with the credentials", signed_in)
    yield first
    if not first.ok:
        return
    since = windows.written(asked.until - timedelta(days=1))

    def found(name: str, filter_: str) -> bool:
        body = _request([name], f'timestamp>="{since}" AND ({filter_})', 1)
        return bool(_rows(_list(asked, bearer, body, _refused()))[0])

    for name in names:

        def read(name: str = name) -> str:
            some = found(name, asked.settings["filter"] or AUDIT)
            return "entries of the last day can be read" if some else "nothing in the last day"

        def private(name: str = name) -> str:
            if found(name, 'logName:"cloudaudit.googleapis.com%2Fdata_access"'):
                return "Data Access entries can be read"
            return (
                "no Data Access entry of the last day is shown: none was written (most services"
                " write none until they are switched on), or roles/logging.privateLogViewer is"
                " missing, without which Google leaves them out and says nothing"
            )

        yield tried(f"read {name}", read)
        yield tried(f"read Data Access entries of {name}", private)


CONNECTOR = Connector(
    name="gcp",
    title="Google Cloud audit logs",
    format="gcp",
    plane="identity",
    fields=(
        Field(
            "resources",
            "Resources",
            help="projects/…, folders/…, organizations/… or log views, separated by spaces",
        ),
        Field(
            "credentials",
            "Credentials file",
            "secret",
            help="of a workload identity federation, or a service account's key",
        ),
        Field(
            "filter",
            "Filter",
            required=False,
            default=AUDIT,
            help="in the Logging query language",
        ),
        Field(
            "kept_days",
            "Days that Google keeps them",
            "number",
            required=False,
            default="30",
            help="30 in _Default, 400 for what is in _Required only",
        ),
        Field(
            "url",
            "Address of Cloud Logging",
            "url",
            required=False,
            default="https://logging.googleapis.com",
        ),
    ),
    pages=pages,
    check=check,
    needs="roles/logging.viewer; roles/logging.privateLogViewer for Data Access entries",
)
