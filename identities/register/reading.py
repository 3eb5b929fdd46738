"""From a file's plain data to its entries. Pure."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from evidence.formats.record import ActorName
from identities import actornames

from .document import load
from .entries import (
    ActorEntry,
    DelegationEntry,
    Entries,
    IdentityEntry,
    Problem,
    RegisterError,
    ServiceEntry,
    TeamEntry,
)
from .fields import Fields
from .people import moved_elsewhere, person

TOP = ("people", "teams", "services", "identities", "delegations")
KINDS = ("agent", "service_account", "workload", "integration", "human")
CRITICALITIES = ("low", "normal", "high", "critical")
SERVICE_PARTIES = ("owner", "ai_owner", "sponsor", "backup")
IDENTITY_PARTIES = ("owner", "sponsor", "backup")
SERVICE = (
    "slug",
    "name",
    "cmdb_id",
    *SERVICE_PARTIES,
    "purpose",
    "criticality",
    "ai_system",
    "legal_entity",
)
# What is stated of an external integration, in words.
BOUNDARY = ("evidence_boundary", "vendor_contact", "data_leaving")
IDENTITY = (
    "name",
    "kind",
    "service",
    *IDENTITY_PARTIES,
    "purpose",
    "expires",
    "criticality",
    *BOUNDARY,
    "contract_ends",
    "legal_entity",
    "actors",
)
PERMISSIONS = (
    "slug",
    "actions",
    "resources",
    "conditions",
    "purpose",
    "task",
    "on_behalf",
    "starts",
    "ends",
    "parent",
    "grantor",
)


def read(file: str, text: str) -> Entries:
    """Everything the file says; RegisterError carries every problem, not only the first."""
    data = load(file, text)
    problems: list[Problem] = []
    top = Fields(data, "", problems)
    found = Entries(file, data=data)
    for name in data:
        if name not in TOP:
            found.notes.append(f"{name[:80]}: ignored; read are {', '.join(TOP)}")
    found.people = [person(row) for row in top.rows("people")]
    for row in top.rows("teams"):
        row.only(("name", "members"))
        found.teams.append(TeamEntry(row.path, row.text("name", needed=True), row.texts("members")))
    moved_elsewhere(found, problems)
    found.services = [_service(row) for row in top.rows("services")]
    found.identities = [_identity(row) for row in top.rows("identities")]
    if isinstance(data.get("delegations"), dict):
        _by_grantee(data["delegations"], found, problems)
    else:
        for row in top.rows("delegations"):
            row.only(("grantee", *PERMISSIONS))
            found.delegations.append(_delegation(row, _grantee(row)))
    _once(found)
    _unique(found, problems)
    if problems:
        raise RegisterError(file, problems)
    return found


def _service(row: Fields) -> ServiceEntry:
    row.only(SERVICE)
    said: dict[str, Any] = {
        member: row.text(member)
        for member in ("name", "cmdb_id", "purpose", "legal_entity")
        if member in row.data
    }
    if "criticality" in row.data:
        said["criticality"] = row.choice("criticality", CRITICALITIES)
    if "ai_system" in row.data:
        said["ai_system"] = row.flag("ai_system")
    elif "ai_owner" in row.data:
        said["ai_system"] = True
    slug = row.text("slug", needed=True)
    if slug and not all(letter.isalnum() or letter in "-_" for letter in slug):
        row.wrong("slug", "may hold letters, digits, - and _ only")
    if len(slug) > 120:
        row.wrong("slug", "is longer than 120 characters")
    parties = {name: row.text(name) for name in SERVICE_PARTIES if row.text(name)}
    return ServiceEntry(row.path, slug, said, parties)


def _identity(row: Fields) -> IdentityEntry:
    row.only(IDENTITY)
    said: dict[str, Any] = {
        member: row.text(member)
        for member in ("purpose", *BOUNDARY, "legal_entity")
        if member in row.data
    }
    if "kind" in row.data:
        said["kind"] = row.choice("kind", KINDS)
    if "criticality" in row.data:
        said["criticality"] = row.choice("criticality", CRITICALITIES)
    contract = row.when("contract_ends")
    if contract is not None:
        if contract.at is None:
            row.wrong("contract_ends", "is a date, as 2027-01-31: it does not move with the file")
        said["contract_ends_at"] = contract.at
    actors = []
    for actor in row.rows("actors"):
        actor.only((*actornames.KINDS, "source", "realm", "kind", "value", "shared"))
        try:
            name = actornames.from_mapping(
                {key: value for key, value in actor.data.items() if key != "shared"}
            )
        except actornames.NameProblem as problem:
            actor.wrong("", str(problem))
        else:
            actors.append(ActorEntry(actor.path, name, actor.flag("shared")))
    return IdentityEntry(
        path=row.path,
        name=row.text("name", needed=True),
        said=said,
        parties={name: row.text(name) for name in IDENTITY_PARTIES if row.text(name)},
        service=row.text("service") or None,
        expires=row.when("expires"),
        actors=tuple(actors),
    )


def _grantee(row: Fields) -> tuple[str, ActorName | None]:
    written = row.data.get("grantee")
    if isinstance(written, dict):
        try:
            name = actornames.from_mapping(written)
        except actornames.NameProblem as problem:
            row.wrong("grantee", str(problem))
            return "", None
        return name.value, name
    text = row.text("grantee", needed=True)
    return text, actornames.from_text(text)


def _delegation(row: Fields, grantee: tuple[str, ActorName | None]) -> DelegationEntry:
    actions = row.texts("actions", needed=True)
    resources = row.texts("resources", needed=True)
    starts, ends = row.when("starts"), row.when("ends")
    if starts and ends and starts.at and ends.at and ends.at <= starts.at:
        row.wrong("ends", "lies before `starts`")
    conditions = row.mapping("conditions")
    purpose, task, on_behalf = row.text("purpose"), row.text("task"), row.text("on_behalf")
    return DelegationEntry(
        path=row.path,
        grantee=grantee[0],
        grantee_actor=grantee[1],
        # Without a name of its own it is named by what it says: other content is another one.
        slug=row.text("slug") or _named_by(actions, resources, conditions, task, on_behalf),
        actions=actions,
        resources=resources,
        conditions=conditions,
        purpose=purpose,
        task=task,
        on_behalf=on_behalf,
        starts=starts,
        ends=ends,
        parent=row.text("parent"),
        grantor=row.text("grantor"),
    )


def _named_by(*content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str).encode()
    return f"auto-{blake2b(text, digest_size=6).hexdigest()}"


def _by_grantee(written: Mapping[str, Any], found: Entries, problems: list[Problem]) -> None:
    """``delegations: {grantee: [{actions, resources}, …]}``, the shape of recordings."""
    for grantee, given in written.items():
        path = f"delegations[{grantee[:120]!r}]"
        rows = [given] if isinstance(given, dict) else given
        if not isinstance(rows, list):
            problems.append(Problem(path, "must be a list of {actions, resources}"))
            continue
        for place, row in enumerate(rows):
            here = f"{path}[{place}]"
            if not isinstance(row, dict):
                problems.append(Problem(here, "must be a mapping of actions and resources"))
                continue
            extra = [name for name in row if name not in PERMISSIONS]
            if extra:
                found.notes.append(f"{here}: ignored: {', '.join(map(str, extra))[:200]}")
            fields = Fields(row, here, problems)
            found.delegations.append(_delegation(fields, (grantee, actornames.from_text(grantee))))


def _once(found: Entries) -> None:
    """The same permission twice without a name of its own is one delegation."""
    kept: dict[tuple[str, str], DelegationEntry] = {}
    for entry in found.delegations:
        first = kept.get((entry.grantee, entry.slug))
        if first is None or not entry.slug.startswith("auto-"):
            kept[entry.grantee, entry.slug if first is None else entry.path] = entry
        else:
            found.notes.append(f"{entry.path}: says the same as {first.path}")
    found.delegations = list(kept.values())


def _unique(found: Entries, problems: list[Problem]) -> None:
    """A name that stands twice in one file would let the later entry win silently."""
    seen: dict[tuple[str, str], str] = {}
    named = [
        *(("person", entry.email.lower() or entry.name, entry.path) for entry in found.people),
        *(("team", entry.name, entry.path) for entry in found.teams),
        *(("service", entry.slug, entry.path) for entry in found.services),
        *(("identity", entry.name, entry.path) for entry in found.identities),
        *(
            ("delegation", f"{entry.grantee}/{entry.slug}", entry.path)
            for entry in found.delegations
        ),
    ]
    for kind, name, path in named:
        first = seen.setdefault((kind, name), path)
        if first != path and name:
            problems.append(Problem(path, f"the {kind} {name[:120]} stands already at {first}"))
