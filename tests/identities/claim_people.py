"""How the people of a company without owners (claim_world.py) answer a claim wave, day by day.

Owns the noise of people, written down before the first run: who answer "not mine" to what is
theirs, who do not read what they tick, who never answer. Rules of a reviewer came in after it:
without them, what belongs to a team that never answers stays nobody's for ever.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from identities.claims import (
    answering,
    asking,
    carrying,
    counting,
    proposing,
    questioning,
    ruling,
)
from identities.models import (
    Claim,
    ClaimAnswer,
    Identity,
    Party,
    Service,
)
from identities.permissions import NotPossible
from tests.identities.claim_world import DAY, World

# People.
NEVER_ANSWERS = 0.10  # of teams
PRESENT = 0.6  # on a day
NOTICES, NOTICES_IN_MANY = 0.7, 0.5  # that one thing is not theirs; in more than fifty
TICKS_WRONGLY, SAYS_NO_WRONGLY, SAYS_YES_WRONGLY = 0.01, 0.03, 0.03
KNOWS_WHO, KNOWS_RIGHT = 0.5, 0.8
ANSWERS_TOGETHER = 0.5  # all that they are asked, on the one page that shows all of it
# A day, of things that are nobody's; signs for a service after asking around. Not for a few.
REVIEWER_ACTS, REVIEWER_LEAST, REVIEWER_RIGHT = 2, 5, 0.95


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a wave went: human answers, days, and of what was confirmed how much is wrong."""

    things: int
    owned: int
    wrong: int
    answers: int
    days: int


def run(
    world: World, *, share: float = 0.9, most_days: int = 180, together: float = ANSWERS_TOGETHER
) -> Outcome:
    """Let people answer day by day until this share has an owner."""
    assert world.reviewer is not None
    now, things = world.now, len(world.truth)
    theirs = Identity.objects.filter(name__endswith=f"-{world.mark}")
    silent = {party.pk for party in world.teams if world.random.random() < NEVER_ANSWERS}
    while proposing.look_next(now=now):
        pass
    signed = ClaimAnswer.objects.count()
    terms = asking.Terms()
    asking.start(terms=terms, reason="everybody", by=world.reviewer, now=now)
    days = 0
    for days in range(1, most_days + 1):
        asked = asking.ask_next(now=now)
        if not asked and not Claim.objects.filter(state="open", asked_at__isnull=False).exists():
            # Everything was answered: the reviewer goes on to smaller questions.
            asking.end(reason="answered", by=world.reviewer, now=now)
            terms = terms._replace(share=min(100, terms.share + 2))
            asking.start(terms=terms, reason="the rest", by=world.reviewer, now=now)
        _a_day(world, silent, together, now=now)
        now += timedelta(hours=1)
        while carrying.carry_next(now=now):
            pass
        if theirs.filter(owner__isnull=False).count() >= share * things:
            break
        now += DAY
        while asking.pass_silent(now=now):
            pass
        if days % 7 == 0:
            while proposing.look_next(now=now):
                pass
    asking.end(reason="enough", by=world.reviewer, now=now)
    owned = list(theirs.filter(owner__isnull=False))
    return Outcome(
        things=things,
        owned=len(owned),
        wrong=sum(not world.is_right(one) for one in owned),
        answers=_needed(share * things, signed),
        days=days,
    )


def _needed(wanted: float, signed: int) -> int:
    """How many answers it took: those of the last day after the goal was reached are not counted."""
    total = answers = 0
    for owned in ClaimAnswer.objects.order_by("pk").values_list("owned", flat=True)[signed:]:
        if total >= wanted:
            break
        total, answers = total + owned, answers + 1
    return answers


def _a_day(world: World, silent: set[UUID], together: float, *, now: datetime) -> None:
    asked = Claim.objects.filter(state="open", asked_at__isnull=False, party__isnull=False)
    lying = questioning.asked_of(set(asked.values_list("party", flat=True)), most=10_000)
    questions = sorted(
        ((one.party, one.about) for one in lying), key=lambda one: (one[1], str(one[0]))
    )
    parties = Party.objects.select_related("person", "team").in_bulk({pk for pk, _ in questions})
    for pk in dict.fromkeys(pk for pk, _ in questions):
        team = world.team_of.get(pk, pk)
        bundles = [bundle for party, bundle in questions if party == pk]
        if team in silent:
            continue
        if len(bundles) > 1 and world.random.random() < together:
            bundles = [questioning.ALL]
        for bundle in bundles:
            if world.random.random() < PRESENT:
                _answer(world, parties[pk], team, bundle, now=now)
    _ask_for(world, now=now)


def _answer(world: World, party: Party, team: UUID, bundle: str, *, now: datetime) -> None:
    """One answer, to one question or to all that this party is asked."""
    by = next(
        one for one in world.members[team] if party.team_id or one.person_id == party.person_id
    )
    rows = questioning.question(party=party, bundle=bundle)
    theirs = {row.pk for row in rows if _truth(world, row) == team}
    out: set[UUID] = set()
    for one in {row.bundle: None for row in rows}:
        out |= _not_ours(world, [row for row in rows if row.bundle == one], theirs)
    if not rows:
        return
    if len(out) < len(rows):
        answering.yes(party=party, bundle=bundle, by=by, now=now, except_for=out)
        return
    others = [row for row in rows if row.pk not in theirs]
    ask = _guess(world, others[0] if others else None)
    try:
        answering.not_mine(party=party, bundle=bundle, by=by, now=now, reason="no", ask=ask)
    except NotPossible:
        answering.not_mine(party=party, bundle=bundle, by=by, now=now, reason="no")


def _not_ours(world: World, rows: list[Claim], theirs: set[UUID]) -> set[UUID]:
    """What somebody says is not theirs of the things of one service: all of it, or some."""
    random = world.random
    mine = sum(row.pk in theirs for row in rows)
    reads_badly = random.random()
    no = not mine and reads_badly > SAYS_YES_WRONGLY
    no = no or (mine * 2 < len(rows) and random.random() < 0.5)
    if no or reads_badly > 1 - SAYS_NO_WRONGLY:
        return {row.pk for row in rows}
    notices = NOTICES_IN_MANY if len(rows) > 50 else NOTICES
    return {
        row.pk for row in rows if random.random() < (TICKS_WRONGLY if row.pk in theirs else notices)
    }


def _truth(world: World, row: Claim) -> UUID | None:
    return None if row.identity_id is None else world.truth[row.identity_id]


def _guess(world: World, row: Claim | None) -> str:
    """Whom somebody says to ask: nobody, the right one, or another."""
    if row is None or row.identity_id is None or world.random.random() > KNOWS_WHO:
        return ""
    right = world.random.random() < KNOWS_RIGHT
    pk = world.truth[row.identity_id]
    party = (
        next(one for one in world.teams if one.pk == pk)
        if right
        else world.random.choice(world.teams)
    )
    return f"team:{party}"


def _ask_for(world: World, *, now: datetime) -> None:
    """Each day the reviewer sees to the largest things that are nobody's: says whom to ask about
    what nobody was asked about yet, and signs for services for which nobody is left to ask."""
    assert world.reviewer is not None
    done = 0
    for one in counting.nobody(most=20):
        rows = Claim.objects.filter(state="open", party__isnull=True, bundle=one.bundle)
        row = rows.select_related("service").order_by("identity__name").first()
        if row is None or row.service is None or done == REVIEWER_ACTS or one.n < REVIEWER_LEAST:
            continue
        try:
            if one.passed:
                whose = _decided(world, [_truth(world, each) for each in rows])
                _sign(world, row.service, whose, now=now)
                done += 1
            elif ask := _guess(world, row):
                answering.pass_on(
                    bundle=row.bundle, ask=ask, by=world.reviewer, now=now, reason="try them"
                )
                done += 1
        except NotPossible:
            continue


def _decided(world: World, whose: list[UUID | None]) -> Party:
    """Whose a reviewer thinks a service is, after asking around."""
    if world.random.random() >= REVIEWER_RIGHT:
        return world.random.choice(world.teams)
    most = max(sorted(set(whose), key=str), key=whose.count)
    return next(one for one in world.teams if one.pk == most)


def _sign(world: World, service: Service, party: Party, *, now: datetime) -> None:
    """A rule; where the product says that nothing speaks for it, whoever it is is asked instead."""
    assert world.reviewer is not None
    rule = ruling.Rule(party=party, service=service)
    try:
        shown = ruling.preview(rule=rule, now=now)
        ruling.confirm(
            rule=rule, digest=shown.digest, reason="asked around", by=world.reviewer, now=now
        )
    except NotPossible:
        answering.pass_on(
            bundle=f"service:{service.slug}",
            ask=f"team:{party}",
            by=world.reviewer,
            now=now,
            reason="asked around",
        )
