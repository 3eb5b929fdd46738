"""Microsoft Graph: the sign-ins and directory audits of one Entra tenant.

Sources: learn.microsoft.com, Microsoft Graph: "List signIns" (beta: `signInEventTypes`, `$filter`,
`$top`, no order that could be relied on), "List directoryAudits", "OAuth 2.0 client credentials
flow", "Workload identity federation", throttling limits of identity and access reports; Entra's
"Report latencies" and "Frequently asked questions around monitoring and health".

Each record is handed on with one member added: the tenant. Each log is a lane of its own, read
by windows of time with `@odata.nextLink` inside. Microsoft publishes most sign-ins within minutes,
and says of some that they take up to two hours; sweeps begin three hours back. A sign-in that is
published again, with a risk or the steps of a second factor added, is another record of the same
id: both are kept.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import orjson

from evidence.sources import tokens, windows
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Stopped
from evidence.sources.tokens import Bearer, Token

RULE = windows.Rule(longest=timedelta(hours=6), near=timedelta(minutes=10), far=timedelta(hours=3))
LATE_SECONDS = 2 * 3600
LIMIT = 1000
# Filtered sign-ins of a large tenant take their time.
TIMEOUT = httpx.Timeout(90.0, connect=5.0)
_TENANT = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_CODE = re.compile(r"AADSTS\d{4,8}")
# What the sign-in service's codes mean, for whoever set the source up.
_SIGN_IN = {
    "AADSTS7000215": "The secret is not the application's: give its value, not its id.",
    "AADSTS7000222": "The secret has expired: make a new one in the app registration.",
    "AADSTS700016": "The application is not in this tenant: check the client id and the tenant.",
    "AADSTS90002": "There is no such tenant: check the tenant's id.",
    "AADSTS700213": "No federated credential of the application fits the token's subject.",
    "AADSTS70021": "No federated credential of the application fits the token.",
    "AADSTS700211": "No federated credential of the application fits the token's issuer.",
    "AADSTS700212": "The token's audience is not api://AzureADTokenExchange.",
    "AADSTS700024": "The workload token has expired: whoever writes its file has to renew it.",
    "AADSTS7000112": "The application is disabled in this tenant.",
}


class Log(NamedTuple):
    """One list of Microsoft Graph."""

    title: str
    path: str
    at: str  # the member that a window is about
    only: str = ""  # what else the filter says


def _sign_ins(title: str, kind: str) -> Log:
    # Only beta tells the kinds apart, and names the token that a sign-in issued.
    return Log(
        title,
        "/beta/auditLogs/signIns",
        "createdDateTime",
        f" and signInEventTypes/any(t: t eq '{kind}')",
    )


LOGS = {
    "users": _sign_ins("interactive sign-ins of users", "interactiveUser"),
    "background": _sign_ins("non-interactive sign-ins of users", "nonInteractiveUser"),
    "applications": _sign_ins("sign-ins of service principals", "servicePrincipal"),
    "managed": _sign_ins("sign-ins of managed identities", "managedIdentity"),
    "audits": Log("directory audits", "/v1.0/auditLogs/directoryAudits", "activityDateTime"),
}


class _Worn(Exception):
    """A page that the cursor names is no longer there."""


def _base(asked: Asked, name: str) -> str:
    return asked.settings[name].rstrip("/")


def _chosen(asked: Asked) -> list[str]:
    chosen = asked.settings["logs"].replace(",", " ").split()
    unknown = sorted(set(chosen) - set(LOGS))
    if unknown or not chosen:
        raise Stopped(
            f"There is no log named {', '.join(unknown) or 'nothing'}.",
            f"Name any of: {', '.join(LOGS)}.",
        )
    return [name for name in LOGS if name in chosen]


def bearer_of(asked: Asked, audience: str = "") -> Bearer:
    """The application's token, by its secret or by a workload's own token; `audience`: whom it
    is for, when not Microsoft Graph."""
    login, audience = _base(asked, "login"), audience or _base(asked, "url")
    tenant = asked.settings["tenant"]
    if _TENANT.fullmatch(tenant) is None:
        raise Stopped("The tenant is no id.", "Write the directory (tenant) id, not a domain.")

    def fetch() -> Token:
        form = {
            "client_id": asked.settings["client_id"],
            "scope": f"{audience}/.default",
            "grant_type": "client_credentials",
        }
        if asked.settings.get("assertion"):
            form["client_assertion"] = asked.secret("assertion")
            form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        elif asked.settings.get("secret"):
            form["client_secret"] = asked.secret("secret")
        else:
            raise Stopped(
                "Neither a client secret nor a workload token is named.",
                "Name one in secret or assertion.",
            )
        answer = asked.http.request(
            "POST", f"{login}/{tenant}/oauth2/v2.0/token", data=form, explain=_not_signed_in
        )
        return tokens.granted(answer, by="The sign-in service")

    return Bearer(fetch)


def _not_signed_in(answer: httpx.Response) -> Exception | None:
    code = _CODE.search(str(tokens.document(answer).get("error_description", ""))[:2000])
    if code is None:
        return None
    return Stopped(
        f"The sign-in service refuses the application ({code[0]}).",
        _SIGN_IN.get(code[0], f"Look up {code[0]} at login.microsoftonline.com/error."),
    )


def _refused(log: Log, *, worn: bool) -> tokens.Explain:
    """What a refusal of Graph means for whoever set the source up."""

    def explain(answer: httpx.Response) -> Exception | None:
        error = tokens.document(answer).get("error")
        about = error if type(error) is dict else {}
        code, said = str(about.get("code", ""))[:100], str(about.get("message", ""))[:300]
        if worn and answer.status_code in (400, 410):
            return _Worn()
        if "NonPremiumTenant" in code or "premium license" in said:
            return Stopped(
                f"The tenant may not read {log.title}: {code}.",
                "Sign-ins can be read with Entra ID P1 or P2 only; else set logs to audits.",
            )
        if answer.status_code == 403:
            return Stopped(
                f"The application may not read {log.title}: {code or 403}.",
                "Give it the application permissions AuditLog.Read.All and Directory.Read.All of"
                " Microsoft Graph, and the administrator's consent.",
            )
        if answer.status_code == 400:
            return Stopped(
                f"Microsoft Graph refuses to list {log.title}: {code} {said}",
                "Check the settings of this source.",
            )
        return None

    return explain


def pages(asked: Asked) -> Iterator[Page]:
    """All that was published of each log since its lane, a window at a time."""
    chosen, bearer = _chosen(asked), bearer_of(asked)
    # A log that is no longer read keeps its lane: it goes on there when it is chosen again.
    cursor: dict[str, Any] = dict(asked.cursor)
    kept = timedelta(days=int(asked.settings["kept_days"]))
    for name in chosen:
        silent = windows.forgotten(
            cursor.get(name, {}),
            since=asked.since,
            until=asked.until,
            rule=RULE,
            kept=kept,
            reason=f"Microsoft keeps {LOGS[name].title} for {kept.days} days",
        )
        for page, lane in _lane(asked, bearer, name, cursor.get(name, {})):
            cursor = cursor | {name: lane}
            reached = [windows.through(cursor.get(one, {})) for one in chosen]
            yield page._replace(
                cursor=cursor,
                silent=silent,
                reached=None if None in reached else min(one for one in reached if one),
            )
            silent = None


def _lane(
    asked: Asked, bearer: Bearer, name: str, lane: windows.Lane
) -> Iterator[tuple[Page, windows.Lane]]:
    log, first = LOGS[name], True
    while (
        open_ := windows.opened(lane, since=asked.since, until=asked.horizon, rule=RULE)
    ) is not None:
        try:
            answer = _listed(asked, bearer, log, open_, worn=first and bool(open_["page"]))
        except _Worn:
            # Reading the window again doubles nothing.
            lane, first = windows.turned(open_, ""), False
            continue
        first = False
        rows, link = _rows(answer)
        if type(link) is str and link:
            lane = windows.followed(open_, link)
        else:
            lane = windows.closed(open_, until=asked.horizon)
        name_ = f"{log.title}, {open_['begins']}"
        yield Page(_of_tenant(rows, asked.settings["tenant"]), {}, "entra", name_), lane


def _rows(answer: httpx.Response) -> tuple[list[Any], Any]:
    """What a page lists, and where the next one lies."""
    found = tokens.document(answer)
    rows = found.get("value")
    if type(rows) is not list:
        raise Stopped("The answer is no list of Microsoft Graph.", "Check the address.")
    return rows, found.get("@odata.nextLink")


def _of_tenant(rows: list[Any], tenant: str) -> bytes:
    """The rows, each with the tenant whose log it stands in.

    An audit names none, and a sign-in names two: the resource's and the user's own. Diagnostic
    settings write this member around the same record.
    """
    if not rows:
        return b""
    said = {"tenantId": tenant.lower()}
    return orjson.dumps({"value": [row | said if type(row) is dict else row for row in rows]})


def _listed(
    asked: Asked, bearer: Bearer, log: Log, window: windows.Lane, *, worn: bool
) -> httpx.Response:
    base = _base(asked, "url")
    explain = _refused(log, worn=worn)
    link = str(window["page"])
    if not link:
        between = f"{log.at} ge {window['begins']} and {log.at} lt {window['ends']}"
        return asked.http.get(
            f"{base}{log.path}",
            params={"$filter": f"{between}{log.only}", "$top": str(LIMIT)},
            headers=bearer.header(),
            explain=explain,
            timeout=TIMEOUT,
        )
    if (urlsplit(link).scheme, urlsplit(link).netloc) != (
        urlsplit(base).scheme,
        urlsplit(base).netloc,
    ):
        raise Stopped(
            f"The next page lies at {urlsplit(link).netloc[:200]}, not at {urlsplit(base).netloc}.",
            "Check the address of Microsoft Graph, and connect the source again.",
        )
    return asked.http.get(link, headers=bearer.header(), explain=explain, timeout=TIMEOUT)


def check(asked: Asked) -> Iterator[Check]:
    """The sign-in, then each log that is read."""
    chosen, bearer = _chosen(asked), bearer_of(asked)

    def signed_in() -> str:
        bearer.header()
        return f"the application has a token of {asked.settings['tenant']}"

    first = tried("sign in as the application", signed_in)
    yield first
    if not first.ok:
        return
    for name in chosen:
        log = LOGS[name]

        def look(log: Log = log) -> str:
            answer = asked.http.get(
                f"{_base(asked, 'url')}{log.path}",
                params={
                    "$filter": f"{log.at} ge {windows.written(asked.since)}{log.only}",
                    "$top": "1",
                },
                headers=bearer.header(),
                explain=_refused(log, worn=False),
                timeout=TIMEOUT,
            )
            _rows(answer)
            return f"{log.title} can be read"

        yield tried(f"read {log.title}", look)


CONNECTOR = Connector(
    name="graph",
    title="Microsoft Graph (Entra sign-ins and audits)",
    format="entra",
    plane="identity",
    fields=(
        Field("tenant", "Directory (tenant) id"),
        Field("client_id", "Application (client) id"),
        Field("secret", "Client secret", "secret", required=False, help="its value, not its id"),
        Field(
            "assertion",
            "Workload token",
            "secret",
            required=False,
            help="instead of a secret: the file in which the platform keeps a federated token",
        ),
        Field(
            "logs",
            "Logs",
            required=False,
            default=" ".join(LOGS),
            help=f"any of {', '.join(LOGS)}",
        ),
        Field(
            "kept_days",
            "Days that Microsoft keeps them",
            "number",
            required=False,
            default="30",
            help="7 for directory audits without a P1 or P2 licence",
        ),
        Field(
            "url",
            "Address of Microsoft Graph",
            "url",
            required=False,
            default="https://graph.microsoft.com",
            help="another one for a national cloud",
        ),
        Field(
            "management",
            "Address of Azure Resource Manager",
            "url",
            required=False,
            default="https://management.azure.com",
            help="another one for a national cloud",
        ),
        Field(
            "azure",
            "Roles on Azure's resources",
            "choice",
            required=False,
            default="yes",
            choices=("yes", "no"),
            help="whether they are listed with the tenant's principals",
        ),
        Field(
            "login",
            "Address of the sign-in service",
            "url",
            required=False,
            default="https://login.microsoftonline.com",
            help="another one for a national cloud",
        ),
    ),
    pages=pages,
    check=check,
    needs="AuditLog.Read.All and Directory.Read.All, application permissions with admin consent",
    late_seconds=LATE_SECONDS,
)
