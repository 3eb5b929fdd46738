"""Projects of Google Cloud: their settings, the sign-in, one request to Google's APIs.

Owns the settings under `gcp` (configured.py), how Countersign proves who it is there, and what
Google's refusals mean for a change. Must not know which step a request is made for.

Sources: developers.google.com, "Using OAuth 2.0 for server to server applications" (a statement
signed by a service account's key in place of an access token); cloud.google.com, "Workload identity
federation", "Troubleshoot IAM permissions"; google.aip.dev/193 (errors; a 403 also for what is not
there), google.aip.dev/4111, google.aip.dev/4117.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import orjson
from django.utils import timezone

from evidence.sources import gcp as source
from evidence.sources import secrets as references
from evidence.sources import tokens
from evidence.sources.contract import Asked, Http
from evidence.sources.failures import Later, Stopped

from .addresses import WHO
from .configured import Entry, wrong
from .contract import PermanentFailure, TemporaryFailure
from .web import Refused, Web, pause

PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{6,20}")
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
IAM, RESOURCES = "iam.googleapis.com", "cloudresourcemanager.googleapis.com"
STATEMENT_SECONDS = 300
MOST_PAGES = 50


class Absent(Exception):
    """Google has nothing of this name."""


class Hidden(Refused):
    """Google says that we may not, or that it may not exist: it does not say which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projects:
    """Projects and the credentials that act in them; `credentials` is a reference."""

    projects: tuple[str, ...]
    credentials: str
    url: str = f"https://{IAM}"
    resources: str = f"https://{RESOURCES}"
    ca_file: str = ""
    # How long access tokens live at most; more than an hour where the organisation allows it.
    access_token_seconds: int = 3600
    # Whether what accounts are allowed is held and narrowed from here, which takes an owner's rights.
    entitlements: bool = False


_TEXTS = frozenset({"credentials", "url", "resources", "ca_file"})


def projects(entry: Entry) -> Projects:
    """The projects an entry of the settings describes. Raises PermanentFailure with what is wrong."""
    named = entry.get("projects")
    if (
        not isinstance(named, list)
        or not named
        or not all(isinstance(one, str) and PROJECT.fullmatch(one) for one in named)
    ):
        raise wrong("gcp: projects is no list of project ids")
    where = f"gcp, {named[0]}"
    unknown = sorted(str(one) for one in set(entry) - set(Projects.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    for name in _TEXTS & set(entry):
        if not isinstance(entry[name], str):
            raise wrong(f"{where}: {name} is no text")
    life = entry.get("access_token_seconds", 3600)
    if type(life) is not int or life <= 0:
        raise wrong(f"{where}: access_token_seconds is no number of seconds")
    if type(entry.get("entitlements", False)) is not bool:
        raise wrong(f"{where}: entitlements is neither true nor false")
    said = references.wrong(entry.get("credentials", ""))
    if said:
        raise wrong(f"{where}: credentials: {said}")
    made = Projects(**{**entry, "projects": tuple(named)})
    for name in ("url", "resources"):
        if urlsplit(getattr(made, name)).scheme not in ("http", "https"):
            raise wrong(f"{where}: {name} is no address")
    return made


class Google:
    """Requests about one project."""

    def __init__(self, projects: Projects, project: str, *, allow_private: bool) -> None:
        self.projects, self.project, self._allow_private = projects, project, allow_private
        self.administrator = f"an administrator of the Google Cloud project {project}"
        self.web = Web(
            allow_private=allow_private, who_must_act=self.administrator, ca_file=projects.ca_file
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        right: str,
        key: str = "",
        service: str = IAM,
        under: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The answer, below this project or `under` something else. Raises Absent, and Hidden where
        Google does not say."""
        base = self.projects.url if service == IAM else self.projects.resources
        place = f"projects/{self.project}" if under is None else quote(under, safe="/:.")
        options: dict[str, Any] = {} if method == "GET" else {"json": body or {}}
        answer = self.web.request(
            method,
            f"{base.rstrip('/')}/v1/{place}{path}",
            right=right,
            key=key,
            headers=self._signed_in(service),
            explain=lambda answer: self._meaning(answer, right),
            **options,
        )
        return self.web.document(answer)

    def rows(self, path: str, member: str, *, right: str) -> Iterator[dict[str, Any]]:
        """A list, page by page."""
        token = ""
        for _ in range(MOST_PAGES):
            more = f"&pageToken={quote(token, safe='')}" if token else ""
            found = self.ask("GET", f"{path}?pageSize=100{more}", right=right)
            rows = found.get(member, [])
            if type(rows) is not list:
                raise TemporaryFailure("Google answered with what is no list.", retry_after=pause())
            yield from (one for one in rows if type(one) is dict)
            token = str(found.get("nextPageToken") or "")
            if not token:
                return
        raise TemporaryFailure("Google's list has no end.", retry_after=pause())

    def _signed_in(self, service: str) -> dict[str, str]:
        given = self._credentials()
        try:
            if given.get("type") == "service_account":
                statement = _statement(given, service, self.web.now())
                return {"Authorization": f"Bearer {self.web.discreet(statement)}"}
            return _bearer(self.projects, self._allow_private).header()
        except Later as problem:
            raise TemporaryFailure(
                f"{problem.what}. {problem.fix}", retry_after=pause(problem.seconds)
            ) from None
        except Stopped as problem:
            raise PermanentFailure(f"{problem.what} {problem.fix}", who_must_act=WHO) from None

    def _credentials(self) -> dict[str, Any]:
        given = _parsed(self.web.secret(self.projects.credentials, called="credentials"))
        if given.get("type") not in ("service_account", "external_account"):
            raise PermanentFailure(
                "What credentials refers to is neither a service account's key nor a workload"
                " identity federation's file.",
                who_must_act=WHO,
            )
        return given

    def _meaning(self, answer: httpx.Response, right: str) -> Exception | None:
        """What Google means: `status` and the reason among the details, not the message."""
        status = answer.status_code
        if status == 401:
            # The next try signs in anew.
            _bearer.cache_clear()
            return None
        try:
            error = tokens.document(answer).get("error")
        except Later:
            error = None
        about = error if type(error) is dict else {}
        said = self.web.clean(str(about.get("message", "")))[:300]
        if status == 404 and about.get("status") == "NOT_FOUND":
            # Another 404 is a proxy's or a wrong address's, and proves nothing.
            return Absent()
        details = about.get("details")
        infos = [one for one in details if type(one) is dict] if type(details) is list else []
        reasons = {str(one.get("reason", "")) for one in infos}
        if status == 409:
            return TemporaryFailure(f"Google answered 409 ({said}).", retry_after=pause())
        if status == 403 and "SERVICE_DISABLED" in reasons:
            return PermanentFailure(
                f"Google answered 403 ({said}): enable the API in the project.",
                who_must_act=self.administrator,
            )
        if status == 403:
            refused = Hidden if "may not exist" in said else Refused
            return refused(
                f"Google answered 403 ({said}): give Countersign's account {right} in"
                f" {self.project} (roles/iam.serviceAccountAdmin and"
                " roles/iam.serviceAccountKeyAdmin hold all that it needs).",
                right=right,
                who_must_act=self.administrator,
            )
        if status == 400:
            return PermanentFailure(
                f"Google refuses the change ({about.get('status', 400)}: {said}).",
                who_must_act=self.administrator,
            )
        return None


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if type(found) is dict else {}


def _statement(given: dict[str, Any], service: str, now: datetime) -> str:
    """Who we are, signed, for one API and a few minutes. Raises Stopped."""
    begins, name = int(now.timestamp()), source._said(given, "client_email")
    claims = {
        "iss": name,
        "sub": name,
        "aud": f"https://{service}/",
        "iat": begins - 10,
        "exp": begins + STATEMENT_SECONDS,
    }
    return tokens.signed(
        claims,
        key=source._said(given, "private_key"),
        called="credentials",
        kid=source._said(given, "private_key_id"),
    )


@lru_cache(maxsize=64)
def _bearer(projects: Projects, allow_private: bool) -> tokens.Bearer:
    """A workload's token at Google, kept while it holds."""
    now = timezone.now()
    http = Http(allow_private=allow_private, clock=timezone.now, ca_file=projects.ca_file)
    asked = Asked({"credentials": projects.credentials}, {}, now, now, http, by_operator=True)
    return tokens.Bearer(lambda: _by_workload(asked, _parsed(asked.secret("credentials"))))


def _by_workload(asked: Asked, given: dict[str, Any]) -> tokens.Token:
    """RFC 8693: the platform's own token for one of Google's; then, maybe, a service account's."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": source._said(given, "audience"),
        "scope": SCOPE,
        "subject_token": source._subject(given),
        "subject_token_type": source._said(given, "subject_token_type"),
    }
    answer = asked.http.request(
        "POST", source._said(given, "token_url"), data=form, explain=source._not_signed_in
    )
    token = tokens.granted(answer, by="Google")
    account = given.get("service_account_impersonation_url")
    if not account:
        return token
    answer = asked.http.request(
        "POST",
        str(account),
        json={"scope": [SCOPE], "lifetime": "3600s"},
        headers={"Authorization": f"Bearer {token.text}"},
        explain=source._not_borrowed,
    )
    found = tokens.document(answer)
    renamed = {"access_token": found.get("accessToken"), "expires_in": 3600}
    return tokens.granted(httpx.Response(200, json=renamed), by="Google")
