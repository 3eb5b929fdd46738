"""What one GitHub organisation lists: installed apps, fine-grained tokens, deploy keys.

Sources: docs.github.com, REST: "List app installations for an organization", "List fine-grained
personal access tokens with access to organization resources" (for GitHub Apps only), "List SAML
SSO authorizations for an organization", "List organization repositories", "List deploy keys".

Names are in the realm that the audit log gives them: the enterprise's where an entry names one.
An app is named as the log names what acts for it, ``<slug>[bot]``; a token by the id that the log
calls token_id. Not verified: that the log writes a deploy key's fingerprint as
``SHA256:…``, as GitHub shows it.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

from evidence.formats.record import ActorName
from evidence.formats.tables import actor
from evidence.sources import github
from evidence.sources.contract import Asked
from evidence.sources.failures import Stopped
from identities.enforcers.possible_aws import Possible
from identities.inventory import hints
from identities.inventory.contract import (
    ACTIVE,
    EXPIRED,
    HELD,
    Absent,
    Batch,
    Found,
    Hint,
    Part,
    System,
    inside,
    json_of,
    objects,
    text,
    when,
)
from identities.inventory.paging import Caller

LIMIT = 100
# Each repository's keys are asked for one by one: short steps keep the lease and the place.
REPOSITORIES_PER_STEP = 50
# Where CODEOWNERS may stand, as GitHub looks for it.
CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")


class Organisation:
    """One organisation while it is read."""

    def __init__(self, asked: Asked) -> None:
        self.owner = asked.settings["owner"]
        bearer = github.bearer_of(asked)
        self.call = Caller(
            asked.http, asked.settings["url"], lambda: {**github.VERSION, **bearer.header()}
        )
        self.realm = f"github:{self._above() or self.owner.lower()}"

    def _above(self) -> str:
        """The enterprise by which the audit log names who is here; '' where none stands above, or
        the log may not be read. Nothing else of GitHub's says whose an organisation is."""
        rows: list[Any] = []
        with suppress(Stopped):
            rows = json_of(self.call.get(f"/orgs/{self.owner}/audit-log?per_page=1"), list)
        return next((text(one.get("business"), 150).lower() for one in objects(rows)), "")

    def close(self) -> None:
        """It holds nothing."""

    def actor(self, kind: str, value: str) -> ActorName:
        return actor(self.realm, kind, value)

    def person(self, one: Mapping[str, Any], *names: str) -> ActorName | None:
        login = text(inside(one, *names))
        return self.actor("user", login) if login else None


def _permissions(
    given: Any, organisation: Organisation, *, selected: bool, via: str
) -> list[Possible]:
    """``{"contents": "write"}`` as rights on the repositories of the organisation."""
    return [
        Possible(
            effect="allow",
            actions=(f"{text(name)}:{text(level)}",),
            resources=(f"{organisation.owner}/*",),
            conditions={"repositories": "selected ones"} if selected else {},
            via=via,
        )
        for name, level in sorted((given if type(given) is dict else {}).items())
    ]


def installations(organisation: Organisation, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """GitHub Apps that are installed, with their permissions."""
    link = text(cursor.get("next"), 4000)
    link = link or f"/orgs/{organisation.owner}/installations?per_page={LIMIT}"
    while link:
        answer = organisation.call.get(link)
        rows = objects(json_of(answer, dict).get("installations"))
        link = str(answer.links.get("next", {}).get("url", ""))
        found = [
            Found(
                organisation.actor("app", f"{text(one.get('app_slug'))}[bot]"),
                "app installation",
                title=text(one.get("app_slug")),
                status=HELD if one.get("suspended_at") else ACTIVE,
                created_at=when(one.get("created_at")),
                rights=tuple(
                    _permissions(
                        one.get("permissions"),
                        organisation,
                        selected=one.get("repository_selection") != "all",
                        via=f"installation {text(one.get('id'))}",
                    )
                ),
            )
            for one in rows
            if text(one.get("app_slug"))
        ]
        yield Batch(tuple(found), {"next": link} if link else {})


def tokens(organisation: Organisation, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """Fine-grained personal access tokens that may reach the organisation."""
    first = text(cursor.get("next"), 4000)
    first = first or f"/orgs/{organisation.owner}/personal-access-tokens?per_page={LIMIT}"
    for rows, link in organisation.call.linked(first):
        found = []
        for one in objects(rows):
            via = f"granted {text(one.get('access_granted_at'))[:10]}"
            rights = [
                right
                for part in ("organization", "repository", "other")
                for right in _permissions(
                    inside(one, "permissions", part),
                    organisation,
                    selected=part == "repository" and one.get("repository_selection") != "all",
                    via=via,
                )
            ]
            found.append(
                Found(
                    organisation.actor("api_token", text(one.get("token_id"))),
                    "fine-grained token",
                    credential=True,
                    holder=organisation.person(one, "owner", "login"),
                    title=text(one.get("token_name")),
                    status=EXPIRED if one.get("token_expired") is True else ACTIVE,
                    created_at=when(one.get("access_granted_at")),
                    expires_at=when(one.get("token_expires_at")),
                    last_used_at=when(one.get("token_last_used_at")),
                    hints=_creator(one, "owner", "login"),
                    rights=tuple(rights),
                )
            )
        yield Batch(tuple(found), {"next": link} if link else {})


def _creator(one: Mapping[str, Any], *names: str) -> tuple[Hint, ...]:
    return hints.bounded([Hint("creator", text(inside(one, *names)), ".".join(names))])


def authorizations(organisation: Organisation, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """Classic tokens and SSH keys that people let into an organisation with SAML sign-on."""
    first = text(cursor.get("next"), 4000)
    first = first or f"/orgs/{organisation.owner}/credential-authorizations?per_page={LIMIT}"
    for rows, link in organisation.call.linked(first):
        found = []
        for one in objects(rows):
            number = text(one.get("authorized_credential_id")) or text(one.get("credential_id"))
            key = text(one.get("fingerprint"))
            scopes = [text(scope) for scope in one.get("scopes") or [] if text(scope)]
            found.append(
                Found(
                    organisation.actor("key", key)
                    if key
                    else organisation.actor("api_token", number),
                    text(one.get("credential_type")) or "credential",
                    credential=True,
                    holder=organisation.person(one, "login"),
                    title=text(one.get("authorized_credential_note"))
                    or text(one.get("authorized_credential_title")),
                    created_at=when(one.get("credential_authorized_at")),
                    expires_at=when(one.get("authorized_credential_expires_at")),
                    last_used_at=when(one.get("credential_accessed_at")),
                    hints=_creator(one, "login"),
                    rights=(
                        Possible(
                            effect="allow",
                            actions=tuple(scopes),
                            resources=(f"{organisation.owner}/*",),
                            via="scopes of the token",
                        ),
                    )
                    if scopes
                    else None,
                )
            )
        yield Batch(tuple(found), {"next": link} if link else {})


def deploy_keys(organisation: Organisation, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """The deploy keys of each repository, with its CODEOWNERS where it has keys."""
    first = text(cursor.get("next"), 4000)
    first = first or (
        f"/orgs/{organisation.owner}/repos?per_page={REPOSITORIES_PER_STEP}&sort=full_name"
    )
    for rows, link in organisation.call.linked(first):
        found: list[Found] = []
        unread: list[str] = []
        said = ""
        for one in objects(rows):
            name = text(one.get("full_name"))
            try:
                keys = objects(organisation.call.whole(f"/repos/{name}/keys?per_page={LIMIT}"))
            except Absent:
                continue
            except Stopped as problem:
                unread.append(name)
                said = said or problem.what
                continue
            owners = _codeowners(organisation, name) if keys else ()
            found += [_deploy_key(organisation, key, name, owners) for key in keys]
        yield Batch(tuple(found), {"next": link} if link else {}, tuple(unread), said)


def _deploy_key(
    organisation: Organisation, key: Mapping[str, Any], name: str, owners: tuple[Hint, ...]
) -> Found:
    return Found(
        organisation.actor("key", fingerprint(text(key.get("key"), 20_000)) or text(key.get("id"))),
        "deploy key",
        credential=True,
        title=f"{text(key.get('title'))} of {name}",
        # Policies of an enterprise switch keys off without deleting them.
        status=HELD if key.get("enabled") is False or key.get("verified") is False else ACTIVE,
        created_at=when(key.get("created_at")),
        last_used_at=when(key.get("last_used")),
        hints=hints.bounded(
            [
                *_creator(key, "added_by"),
                Hint("iac", name, "repository"),
                *owners,
            ]
        ),
        rights=(
            Possible(
                effect="allow",
                actions=("contents:read",) if key.get("read_only") else ("contents:write",),
                resources=(name,),
                via="deploy key",
            ),
        ),
        scope=name,
    )


def fingerprint(key: str) -> str:
    """The fingerprint of a public key in the form of authorized_keys; '' when it is none."""
    words = key.split()
    try:
        body = b64decode(words[1], validate=True)
    except (IndexError, ValueError):
        return ""
    return "SHA256:" + b64encode(sha256(body).digest()).decode().rstrip("=")


def _codeowners(organisation: Organisation, name: str) -> tuple[Hint, ...]:
    """Who owns everything in a repository, by its CODEOWNERS: the last rule for `*`."""
    for path in CODEOWNERS:
        try:
            found = organisation.call.object(f"/repos/{name}/contents/{path}")
            body = b64decode(text(found.get("content"), 200_000)).decode("utf-8", "replace")
        except (Stopped, ValueError):
            continue
        owners: list[str] = []
        for line in body.splitlines():
            words = line.partition("#")[0].split()
            if len(words) > 1 and words[0] in ("*", "/", "/**", "**"):
                owners = words[1:]
        return hints.bounded(Hint("codeowners", owner, path) for owner in owners)
    return ()


SYSTEM = System(
    name="github",
    title="GitHub",
    fits=lambda connector, said: connector == "github" and said.get("kind") != "enterprise",
    open=Organisation,
    parts=(
        Part("app installations", installations, "organisation permission Administration (read)"),
        Part(
            "fine-grained tokens",
            tokens,
            "organisation permission Personal access tokens (read), of a GitHub App",
        ),
        Part(
            "authorised credentials",
            authorizations,
            "organisation permission Administration (read), with SAML sign-on",
            optional=True,
        ),
        Part("deploy keys", deploy_keys, "repository permission Administration (read)"),
    ),
    narrowed_by="rulesets, branch protection and IP allow lists",
)
