"""Identities of a registration file, and the actors it declares to be theirs."""

from collections.abc import Iterable, Sequence
from typing import Any

from evidence.formats.record import ActorName
from identities import actornames
from identities.acting import acting
from identities.actions.bindings import shared
from identities.actions.identities import inherit
from identities.models import Binding, Identity, Service
from identities.register import ActorEntry, IdentityEntry

from .run import ADDED, CHANGED, Run, difference, worded


def apply_identities(run: Run, entries: Iterable[IdentityEntry]) -> None:
    for entry in entries:
        identity = _identity(run, entry)
        if identity is not None:
            for actor in entry.actors:
                declare(run, identity, actor)


def _identity(run: Run, entry: IdentityEntry) -> Identity | None:
    subject = f"identity {entry.name}"
    said: dict[str, Any] = dict(entry.said)
    for name, written in entry.parties.items():
        party = run.party(written, f"{entry.path}.{name}")
        if party is not None:
            said[name] = party
    if entry.service is not None:
        said["service"] = Service.objects.filter(slug=entry.service).first()
        if said["service"] is None:
            run.wrong(f"{entry.path}.service", f"no service {entry.service!r}: add it to services")
            return None
    row = (
        Identity.objects.select_for_update(of=("self",), no_key=True)
        .select_related("service")
        .filter(name=entry.name)
        .first()
    )
    new = row is None
    if row is None:
        if not said.get("kind"):
            run.wrong(f"{entry.path}.kind", "is needed for an identity that is new")
            return None
        row = Identity(name=entry.name, kind=said["kind"], created_at=run.now)
        # It has a value before anybody said one: until somebody does, it is its service's.
        row.inherited = ["criticality"]
    if entry.expires is not None and (entry.expires.at is not None or row.expires_at is None):
        # "90d" counts from the first load: a later run must change nothing.
        said["expires_at"] = entry.expires.moment(run.stated_at or run.now)
    if row.state not in ("draft", "retired") and not said.get("purpose", "x").strip():
        run.wrong(f"{entry.path}.purpose", f"{row.name} is {row.state}: it needs a purpose")
        return None
    changed = difference(row, said)
    for name, value in said.items():
        setattr(row, name, value)
    row.inherited = [name for name in row.inherited if name not in said]
    followed = inherit(row)
    if _same_parties(run, entry, row):
        return None
    if new:
        row.save(force_insert=True)
        # The number is the database's; the ledger's subject needs it.
        row.refresh_from_db(fields=["number"])
        # What a person has said stays, whatever its service says later (inheriting.py).
        own = {name: ["", str(said[name])] for name in ("criticality",) if name in said}
        run.done(ADDED, subject, f"new, {row.kind}, draft", about=row.key, data=own or None)
    elif run.asks and (changed or followed):
        run.wait(entry.path, subject, _words(changed, followed), about=row.key)
        return row
    elif changed or followed:
        row.save(update_fields=[*said, *followed, "inherited"])
        run.done(CHANGED, subject, _words(changed, followed), about=row.key, data=changed)
    else:
        run.kept(subject)
        return row
    run.touched.add(row.pk)
    return row


def _words(changed: dict[str, list[str]], followed: Sequence[str]) -> str:
    return worded(changed) or f"follows its service in {', '.join(followed)}"


def _same_parties(run: Run, entry: IdentityEntry, row: Identity) -> bool:
    named = [
        (name, getattr(row, f"{name}_id"))
        for name in ("owner", "sponsor", "backup")
        if getattr(row, f"{name}_id") is not None
    ]
    for place, (name, party) in enumerate(named):
        for other, same in named[:place]:
            if same == party:
                run.wrong(f"{entry.path}.{name}", f"is the same as {other}: the three must differ")
                return True
    return False


def declare(run: Run, identity: Identity, entry: ActorEntry) -> None:
    """Link an actor as the file declares: at once where a command runs it, else once a second
    person has signed."""
    subject = f"actor {entry.name.value}"
    number = run.actor(entry.name)
    rows = list(
        Binding.objects.select_for_update(of=("self",))
        .select_related("identity")
        .filter(actor_id=number, superseded_at__isnull=True, during__contains=run.now)
    )
    for row in rows:
        other = row.identity_id != identity.pk and row.state == "confirmed"
        if other and not (entry.shared and row.shared):
            run.wrong(
                entry.path,
                f"{entry.name.value} is {row.identity.name}'s already: write `shared: true` at"
                " both, or take the other binding back first",
            )
            return
    mine = next((row for row in rows if row.identity_id == identity.pk), None)
    if mine is not None and mine.state == "confirmed" and mine.shared == entry.shared:
        run.kept(subject)
        return
    words = f"is {identity.name}" + (", shared" if entry.shared else "")
    if run.asks:
        pair = (identity.pk, number)
        others = shared.to_sign([pair], by=run.by, now=run.now).get(pair, [])
        if others and others != [identity]:
            said = shared.sentence(identity.pk, entry.name.value, others)
            run.wrong(entry.path, f"{said} Leave it out here, and link it on the page Unclaimed")
            return
        run.wait(entry.path, subject, words, about=identity.key)
        return
    if mine is not None:
        Binding.objects.filter(pk=mine.pk).update(superseded_at=run.now)
    who = acting(run.by)
    Binding.objects.create(
        identity=identity,
        actor_id=number,
        basis="declared",
        state="confirmed",
        shared=entry.shared,
        reason="declared in a registration file",
        seen=mine.seen if mine is not None else 0,
        # Declared for all of its past: evidence from before the file is the identity's too.
        during=(None, None),
        recorded_at=run.now,
        by=who.ref,
        by_name=who.name,
    )
    run.touched.add(identity.pk)
    run.bound_actors.add(number)
    kind = ADDED if mine is None else CHANGED
    run.done(
        kind,
        subject,
        words,
        about=identity.key,
        data={"actor": number, "basis": "declared"},
    )


def of_actor(run: Run, name: ActorName, path: str) -> Identity | None:
    """The identity an actor is bound to, or a new draft one that is bound to it."""
    number = run.actor(name)
    numbers = [number] if name.parent is None else [number, run.actor(name.parent)]
    found = {
        row.identity_id: row.identity
        for row in Binding.objects.select_related("identity", "identity__service").filter(
            actor_id__in=numbers,
            state="confirmed",
            superseded_at__isnull=True,
            during__contains=run.now,
        )
    }
    if len(found) > 1:
        names = " and ".join(sorted(identity.name for identity in found.values()))
        run.wrong(path, f"{name.value} is bound to {names}: name one of them as the grantee")
        return None
    if found:
        return next(iter(found.values()))
    bindable = name.parent or name
    identity = Identity(
        name=_free_name(bindable),
        kind=actornames.kind_of_identity(bindable),
        inherited=["criticality"],
        created_at=run.now,
    )
    identity.save(force_insert=True)
    identity.refresh_from_db(fields=["number"])
    run.touched.add(identity.pk)
    run.done(ADDED, f"identity {identity.name}", f"new, {identity.kind}, draft", about=identity.key)
    declare(run, identity, ActorEntry(path, bindable, shared=False))
    return identity


def _free_name(actor: ActorName) -> str:
    """The actor's last part; with its realm, then its whole value, when that is taken."""
    short = actornames.last_part(actor.value)
    for name in (short, f"{short} ({actor.realm})", f"{actor.realm} {actor.value}"):
        if not Identity.objects.filter(name=name).exists():
            return name
    return f"{actor.realm} {actor.kind} {actor.value}"
