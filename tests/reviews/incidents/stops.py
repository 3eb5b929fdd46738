"""What tests of containment begin with: things of the story, and revocations that have come far."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Value
from django.db.models.functions import Coalesce

from evidence.formats.record import ActorName
from evidence.names import actor_ids
from identities.models import Binding, Credential, Identity, Revocation, User
from reviews.incidents import containing, playbooks, running, targets
from reviews.incidents.containing import Wanted
from reviews.models import Case, ContainmentStep
from tests.reviews.conftest import DAY, NOW, Told, party


def things(user: User, *names: str) -> list[Wanted]:
    return targets.chosen(names, user, now=NOW)


def contained(case: Case, by: User, does: str, *names: str, **more: Any) -> ContainmentStep:
    said: dict[str, Any] = {"reason": "it was used by a stranger", "now": NOW}
    return containing.contain(
        case=case, does=does, those=things(by, *names), by=by, **(said | more)
    )


def second_key(story: Told, value: str = "AKIAEXAMPLEQP7D00002") -> Credential:
    """Another standing key of the story's identity."""
    name = ActorName("aws", "access_key", value)
    actor = actor_ids({name}, now=NOW)[name]
    row = Credential.objects.create(
        actor_id=actor,
        identity=story.identity,
        kind="access_key",
        standing=True,
        issued_at=NOW - DAY,
        issued_to=story.credential.issued_to,
        state_at=NOW - DAY,
    )
    row.refresh_from_db()
    return row


def other_identity(story: Told, name: str = "svc-other") -> Identity:
    row = Identity.objects.create(
        name=name,
        kind="service_account",
        owner=party(story.rita),
        sponsor=party(story.leila),
        backup=party(story.marek),
        purpose="x",
        expires_at=NOW + DAY,
        state="active",
        mode="enforce",
        created_at=NOW - DAY,
    )
    row.refresh_from_db()
    named = ActorName("aws:111122223333", "arn", f"arn:aws:iam::111122223333:user/{name}")
    Binding.objects.create(
        identity=row,
        actor_id=actor_ids({named}, now=NOW)[named],
        basis="declared",
        state="confirmed",
        during=(NOW - DAY, None),
        recorded_at=NOW,
        by="command",
    )
    return row


def begun(case: Case, *, by: User, proposer: User, signer: User) -> tuple[str, str]:
    """(the key of a step, the key of a run) in an incident, each already done."""
    step = contained(case, by, "block", targets.identity_of(case).key)
    text = "words: x\nsteps: [{does: block, targets: identity}]"
    row = playbooks.propose(slug="leaked-key", text=text, reason="x", by=proposer, now=NOW)
    run = running.run(
        playbook=playbooks.sign(playbook=row, by=signer, now=NOW),
        case=case,
        chosen=running.Chosen(),
        reason="x",
        request_key="request-0001",
        by=by,
        now=NOW,
    )
    return step.key, run.key


def come_to(state: str, *, at: datetime, only: list[UUID] | None = None) -> None:
    """As the worker writes it, of every revocation that is under way."""
    order = ("sent", "confirmed", "effective")
    rows = Revocation.objects.exclude(state__in=["failed", "undone", "effective"])
    if only is not None:
        rows = rows.filter(pk__in=only)
    came = order[: order.index(state) + 1]
    moments = {f"{word}_at": Coalesce(f"{word}_at", Value(at)) for word in came}
    rows.update(state=state, sending_at=at, **moments)
