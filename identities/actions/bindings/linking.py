"""Making links and taking them back, knowing what changes; and the second owner's signature.

Owns LinkProposal rows, and that nobody takes away what was found without a reason, or links what
another identity uses without its owner, or anything alone. The rows of links are deciding.py's.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from evidence.models import Actor
from identities import permissions, visible
from identities.acting import COUNTERSIGN, Acting, By, acting
from identities.actions import changes as proposing
from identities.actions import two_person
from identities.actions.changes import Line
from identities.actions.identities import Act, locked, record_all
from identities.models import Binding, Identity, LinkProposal, ProposedChange, User
from identities.permissions import NotAllowed, NotPossible, require
from identities.reasons import reason_given

from . import deciding, foreseeing, shared
from . import links as carrying
from .deciding import Rule, Settled
from .facts import Changes
from .links import Link

MOST_AT_ONCE = 1_000
# The kind of proposed change that takes a confirmed link back (reviews/actions/second_signatures.py).
ENDING = "link"
MOST_TOGETHER = 200
WHY = (
    "why this is so: a finding goes or weakens by it, others sign it too, or what it changes is not"
    " known in full"
)


class Changed(NotPossible):
    """What it changes is something else than was shown; `changes` is what is so now."""

    def __init__(self, changes: Changes) -> None:
        super().__init__(f"{foreseeing.CHANGED}: read it, and send it again.")
        self.changes = changes


type Done = Settled | list[LinkProposal] | ProposedChange


def act(
    links: Sequence[Link], *, by: By, now: datetime, reason: str = "", was: str = ""
) -> list[Done]:
    """Make or take back these links; of each the row, the proposals that wait for others, or why
    it was refused. What one person takes back waits for a second one. `was`: the digest of what was
    shown. A command on the server is asked nothing."""
    require_some(links, by=by, now=now)
    user = acting(by).user
    if user is not None:
        found = foreseeing.look(links, by=by, now=now)
        if was and found.digest != was:
            raise Changed(found)
        if found.needs_reason or any(one.ends for one in links):
            reason = reason_given(reason, what=WHY)
    with transaction.atomic():
        pairs = [(one.identity.pk, one.actor.pk) for one in links if not one.ends]
        waits = shared.to_sign(pairs, by=by, now=now)
        alone = [user is None if one.ends else _pair(one) not in waits for one in links]
        at_once = [one for one, yes in zip(links, alone, strict=True) if yes]
        done = iter(carrying.carry(at_once, by=by, now=now, reason=reason))
        found_rows: list[Done] = []
        for one, yes in zip(links, alone, strict=True):
            if yes:
                found_rows.append(next(done))
                continue
            try:
                if user is not None and one.ends:
                    found_rows.append(_propose_end(one, found, reason, by=user, now=now))
                else:
                    found_rows.append(_propose(one, waits[_pair(one)], reason, by=by, now=now))
            except (NotAllowed, NotPossible) as refused:
                found_rows.append(refused)
        ended = zip(links, found_rows, strict=True)
        _end([one for one, row in ended if one.ends and isinstance(row, Binding)])
    return found_rows


def require_some(links: Sequence[Link], *, by: By, now: datetime) -> None:
    """NotAllowed for who may link none of these."""
    why = [permissions.why_not_claim(by, link.identity, now=now) for link in links]
    if all(why):
        require(why[0] if why else "Nothing is to be linked.")


def one(
    link: Link, *, by: By, now: datetime, reason: str = "", was: str = ""
) -> Binding | list[LinkProposal] | ProposedChange:
    """The same of one; raises why it was refused."""
    (found,) = act([link], by=by, now=now, reason=reason, was=was)
    if isinstance(found, Exception):
        raise found
    return found


def confirm_by_rule(
    *, rule: Rule, by: By, now: datetime, reason: str = "", was: str = ""
) -> tuple[list[Binding], list[str]]:
    """Confirm everything the rule covers and the person may; the rows, and what was left."""
    require(permissions.why_not_see_unclaimed(by))
    links = carrying.of(deciding.preview(rule=rule, now=now)[:MOST_AT_ONCE])
    if not links:
        return [], []
    done, left = [], []
    for link, row in zip(links, act(links, by=by, now=now, reason=reason, was=was), strict=True):
        if isinstance(row, Binding):
            done.append(row)
        elif isinstance(row, list):
            left.append(f"{link.actor.value}: {waits_for(row)}")
        else:
            left.append(f"{link.actor.value}: {row}")
    return done, left


def waits_for(rows: Sequence[LinkProposal]) -> str:
    """Whose signature is missing, in words."""
    waiting = [row for row in rows if row.state == "proposed"]
    if all(row.other_id == row.identity_id for row in waiting):
        return "proposed; a second person signs it"
    names = ", ".join(row.other.name for row in waiting)
    return f"proposed; whoever answers for {names} signs it too"


def _pair(link: Link) -> tuple[UUID, int]:
    return (link.identity.pk, link.actor.pk)


def _propose(
    link: Link, others: Sequence[Identity], reason: str, *, by: By, now: datetime
) -> list[LinkProposal]:
    identity = locked(link.identity.pk)
    require(permissions.why_not_claim(by, identity, now=now))
    if identity.state == "retired":
        raise NotPossible(f"{identity.name} is retired: nothing more is bound to it.")
    who, user = acting(by), acting(by).user
    if user is None or user.person is None:
        raise NotAllowed(permissions.NOBODY)
    apart = link.binding.shared if link.binding is not None else False
    seen = link.binding.reason if link.binding is not None else ""
    rows = [
        LinkProposal(
            identity=identity,
            actor=link.actor,
            other=other,
            shared=apart if link.shared is None else link.shared,
            reason=reason or seen or "linked by hand",
            proposed_at=now,
            proposed_by=who.ref,
            proposed_by_name=who.name,
            proposed_person=user.person,
        )
        for other in others
    ]
    _not_shared(rows, now=now)
    try:
        with transaction.atomic():
            LinkProposal.objects.bulk_create(rows)
    except IntegrityError:
        raise NotPossible(f"{rows[0]} is proposed already: {waits_for(rows)}.") from None
    _tell(rows, "binding.asked", f"asked to sign: {rows[0].reason}", by=by, now=now)
    return rows


def _not_shared(rows: Sequence[LinkProposal], *, now: datetime) -> None:
    """NotPossible where it could not come into force: one actor of two that do not share it."""
    if all(row.shared for row in rows):
        return
    apart = Binding.objects.filter(
        actor=rows[0].actor,
        state="confirmed",
        superseded_at__isnull=True,
        during__overlap=(now, None),
    ).exclude(identity=rows[0].identity)
    if (other := apart.select_related("identity").first()) is not None:
        raise NotPossible(
            f"{rows[0].actor.value} is {other.identity.name}'s: take that back, or say that they"
            " share it."
        )


def link_of(row: LinkProposal, *, now: datetime) -> Link:
    """What would be made once everybody has signed."""
    proposed = Binding.objects.filter(
        identity=row.identity, actor=row.actor, state="proposed", superseded_at__isnull=True
    ).filter(during__contains=now)
    return Link(row.identity, row.actor, proposed.first(), row.shared)


def together(row: LinkProposal, *, by: User, now: datetime) -> list[LinkProposal]:
    """What this user signs with one signature: this one, and those that were proposed in the same
    act, where nobody else uses the actor of either."""
    if row.other_id != row.identity_id:
        return [row]
    rows = LinkProposal.objects.filter(
        other=F("identity"),
        state="proposed",
        proposed_at=row.proposed_at,
        proposed_person=row.proposed_person_id,
    ).select_related("identity__service", "other__service", "actor")
    rows = rows.order_by("pk")[:MOST_TOGETHER]
    may = [one for one in rows if not permissions.why_not_sign_link(by, one, now=now)]
    return may if row in may else [row]


def foresee(row: LinkProposal, *, by: User, now: datetime) -> Changes:
    """What signing changes, for who signs."""
    row.refresh_from_db(fields=["state"])
    require(permissions.why_not_sign_link(by, row, now=now))
    links = [link_of(one, now=now) for one in together(row, by=by, now=now)]
    found = foreseeing.look(links, by=_proposer(row), now=now, shown_to=by)
    return found._replace(others=())


def sign(*, row: LinkProposal, by: User, now: datetime, was: str = "") -> Binding | None:
    """The signature of a second person, for all that was proposed together; the link once it was the
    last one."""
    found = foresee(row, by=by, now=now)
    if was and found.digest != was:
        raise Changed(found)
    with transaction.atomic():
        rows = together(row, by=by, now=now)
        made = {one.pk: _sign(one, by=by, now=now) for one in rows}
    return made[row.pk]


def _sign(row: LinkProposal, *, by: User, now: datetime) -> Binding | None:
    with transaction.atomic():
        row = _settle(row, "in_force", "", by=by, now=now)
        proposer = _proposer(row)
        pair = (row.identity_id, row.actor_id)
        rows = LinkProposal.objects.filter(
            identity=row.identity, actor=row.actor, state__in=["proposed", "in_force"]
        ).select_related("identity", "actor", "other")
        _tell([row], "binding.signed", f"signed by {by.called}", by=by, now=now)
        if any(one.state == "proposed" for one in rows):
            return None
        asked = {one.other_id for one in rows}
        missing = [
            other
            for other in shared.to_sign([pair], by=proposer, now=now).get(pair, [])
            if other.pk not in asked | {row.identity_id}
            and not permissions.answers_for(by, other, now=now)
        ]
        if missing:
            _propose(link_of(row, now=now), missing, row.reason, by=proposer, now=now)
            return None
        words = f"{row.reason}; signed for {row.other.name} by {by.called}"
        (made,) = carrying.carry(
            [link_of(row, now=now)], by=proposer, now=now, reason=words, signed=True
        )
        if isinstance(made, Exception):
            raise made
    return made


def refuse(*, row: LinkProposal, by: User, now: datetime, reason: str) -> LinkProposal:
    """Say no; who proposed it may take it back the same way. Nothing was changed by it."""
    with transaction.atomic():
        require(permissions.why_not_refuse_link(by, row, now=now))
        reason = reason_given(reason, what="why it is not signed")
        row = _settle(row, "refused", reason, by=by, now=now)
        # One no is enough: nobody is asked any more.
        LinkProposal.objects.filter(
            identity=row.identity, actor=row.actor, state__in=["proposed", "in_force"]
        ).update(state="refused", settled_reason=f"{row.other.name}: {reason}"[:2_000])
        _tell([row], "binding.not_signed", f"refused by {by.called}: {reason}", by=by, now=now)
    return row


def _settle(row: LinkProposal, state: str, reason: str, *, by: User, now: datetime) -> LinkProposal:
    locked(row.identity_id)
    Actor.objects.select_for_update(of=("self",)).get(pk=row.actor_id)
    rows = LinkProposal.objects.select_for_update(of=("self",)).select_related(
        "identity__service", "actor", "other__service"
    )
    row = rows.get(pk=row.pk)
    may = permissions.why_not_sign_link if state == "in_force" else permissions.why_not_refuse_link
    require(may(by, row, now=now))
    two_person.settle(row, state, by=by, now=now, reason=reason)
    return row


def _proposer(row: LinkProposal) -> User:
    """The login of who proposed it, who has to be allowed to link it still."""
    rows = User.objects.filter(person=row.proposed_person_id, is_active=True).order_by("pk")
    users = {user.ref: user for user in rows}
    if not users:
        raise NotPossible(f"{row.proposed_by_name} has no login any more: propose it again.")
    return users.get(row.proposed_by) or next(iter(users.values()))


def _propose_end(
    link: Link, found: Changes, reason: str, *, by: User, now: datetime
) -> ProposedChange:
    """Ask a second person to take it back; what was shown to the first is what they read."""
    row, name = link.binding, link.identity.name
    if row is None:
        raise NotPossible(f"{link.actor.value} is linked by no row.")
    require(permissions.why_not_confirm_binding(by, row, now=now))
    # Whoever does not see all that it changes is shown less of it than is compared.
    whole = found if visible.sees_all(by) else foreseeing.look([link], by=COUNTERSIGN, now=now)
    said = [Line("it changes", one.words) for one in found.facts if one.about != "undo"]
    if found.why:
        said.append(Line("not known", found.why))
    return proposing.propose(
        kind=ENDING,
        subject=link.identity.key,
        title=f"link of {name} to {link.actor.value[:200]}",
        document={"link": row.pk, "digest": whole.digest},
        lines=[Line(f"link of {name}", f"{link.actor.value} is no longer {name}"), *said],
        reason=reason,
        by=by,
        now=now,
    )


def ended(row: ProposedChange, binding: Binding, *, by: Acting, now: datetime) -> list[Line]:
    """Take back what two people signed; what it changed, as they were shown, where it does the same
    still."""
    link = carrying.ending(binding)
    known = foreseeing.look([link], by=by, now=now).digest
    if row.document["digest"] not in ("", known):
        return []
    (made,) = carrying.carry([link], by=by, now=now, reason=row.reason)
    if isinstance(made, Exception):
        raise made
    _end([link])
    return [Line(*one) for one in row.lines]


def _end(links: Sequence[Link]) -> None:
    """What was signed for a link that is taken back is signed no longer."""
    for link in links:
        LinkProposal.objects.filter(
            identity=link.identity, actor=link.actor, state="in_force"
        ).update(state="ended")


def _tell(rows: Sequence[LinkProposal], name: str, words: str, *, by: By, now: datetime) -> None:
    """The ledger says it of both identities."""
    said = [
        Act(
            identity,
            name,
            f"{row.actor.value} is {row.identity.name}, for {row.other.name}: {words}"[:1000],
            {"link": str(row.pk), "actor": row.actor_id},
        )
        for row in rows
        for identity in dict.fromkeys((row.identity, row.other))
    ]
    record_all(said, by=by, now=now)
