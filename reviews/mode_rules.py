"""Which identities a mode rule is about, and what putting it in force would do.

Owns the scope of a rule, whom it still has to move and the numbers of its dry run; every number
is a set that pages can list. Moves nobody (reviews/actions/modes.py).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from evidence.words import counted
from identities.actions.findings import OPEN
from identities.models import Finding, Identity, Party
from identities.models.identity import MODES
from identities.permissions import NotPossible
from reviews import policy_scope
from reviews.ladder import CUTS
from reviews.models import Case, ModeRule, ReviewPolicy, Rung
from reviews.policy_document import Document, DocumentError, parse
from reviews.policy_document import Scope as PolicyScope

# What keeps being true of an identity by itself; a rule about its findings would come and go.
STEADY = (
    "kinds",
    "criticality",
    "services",
    "ai_system",
    "sources",
    "standing_credential",
    "orphaned",
)
ASKING = ("ask", "enforce")
LOOKING_BACK = timedelta(days=30)
MOST_NAMED = 8


class Asked(NamedTuple):
    """A party that would be asked, in how many reviews."""

    party: Party
    reviews: int


class Seen(NamedTuple):
    """What a rule would do now, as numbers."""

    identities: int
    moved: dict[str, int]  # of these, whose mode changes: by the mode they are in
    findings: int  # reviews that findings would open at once
    due: int  # reviews that policies would open at once, of the others
    nobody: int  # of those that change, a seat in which nobody could be asked
    cut: int  # silence would have cut them in the last 30 days
    asked: list[Asked]  # whom those reviews would ask, the most first
    more: int  # parties that are asked beyond these

    def as_json(self) -> dict[str, Any]:
        """The numbers, for the ledger and for comparing what was shown with what is."""
        return {
            "identities": self.identities,
            "moved": self.moved,
            "reviews": self.findings + self.due,
            "nobody": self.nobody,
            "would_have_been_cut": self.cut,
            "asked": {str(one.party): one.reviews for one in self.asked},
        }


def document(scope: dict[str, Any]) -> Document:
    """The scope as a document, or NotPossible with what is wrong with it."""
    for name in scope:
        if name not in STEADY:
            raise NotPossible(f"A mode is set for what stays true: {', '.join(STEADY)}.")
    try:
        return parse({"scope": scope}, name="mode")
    except DocumentError as problem:
        raise NotPossible(str(problem)) from problem


def in_force() -> list[ModeRule]:
    """The rules that hold, the one signed last first."""
    return list(ModeRule.objects.filter(state="in_force").order_by("-since", "-number"))


def population(scope: dict[str, Any], *, now: datetime) -> QuerySet[Identity]:
    """Everybody in a scope; retired identities never."""
    return policy_scope.in_scope(document(scope), now=now)


def inside(scope: dict[str, Any], _mode: str, *, now: datetime) -> QuerySet[Identity]:
    """Everybody in a scope, whatever the mode; beside the other numbers of a dry run."""
    return population(scope, now=now)


def moving(scope: dict[str, Any], mode: str, *, now: datetime) -> QuerySet[Identity]:
    """Those whose mode would change."""
    return population(scope, now=now).exclude(mode=mode)


def waiting(rule: ModeRule, newer: Sequence[ModeRule], *, now: datetime) -> QuerySet[Identity]:
    """Those in the scope of a rule that do not have its mode yet, by none of the newer rules."""
    rows = population(rule.scope, now=now).exclude(mode_rule=rule.pk, mode_rule__isnull=False)
    for one in newer:
        rows = rows.exclude(pk__in=population(one.scope, now=now).values("pk"))
    return rows


def left(rule: ModeRule, *, now: datetime) -> int:
    """How many identities a rule in force still has to reach."""
    rules = in_force()
    return waiting(rule, rules[: rules.index(rule)], now=now).count()


def lower(mode: str) -> tuple[str, ...]:
    """The modes with fewer consequences, the nearest first."""
    return tuple(reversed(MODES[: MODES.index(mode)]))


def leaping(scope: dict[str, Any], *, now: datetime) -> QuerySet[Identity]:
    """Those whom enforce would take from observe in one step: nobody was asked about them yet.

    Not who has just come into a scope that asks: its mode is theirs with the next sweep.
    """
    rows = population(scope, now=now).filter(mode="observe")
    for rule in in_force():
        if rule.mode in ASKING and rule.applied_at is not None:
            asked = population(rule.scope, now=now).values("pk")
            rows = rows.exclude(mode_rule__isnull=True, pk__in=asked)
    return rows


def why_not_yet(scope: dict[str, Any], mode: str, *, now: datetime) -> str | None:
    """Why a scope may not go to this mode now: from observe the next step is ask, and enforce is
    one of its own, with its own dry run and signatures."""
    if mode != "enforce":
        return None
    if many := leaping(scope, now=now).count():
        said = f"{counted(many, 'identity', 'identities')} of this scope"
        said += f" {'is' if many == 1 else 'are'} only observed so far"
    else:
        before = ModeRule.objects.filter(state="in_force", scope=scope, mode__in=ASKING)
        asked = population(scope, now=now).filter(mode__in=ASKING)
        if before.exists() or asked.exists():
            return None
        said = "Nobody of this scope was asked about so far"
    return f"{said}: after observe comes ask. Propose ask first, and enforce when that is applied."


def by_findings(scope: dict[str, Any], mode: str, *, now: datetime) -> QuerySet[Identity]:
    """Those whose open findings would ask somebody at once: as opening.py opens reviews, or
    because a review that they led to was only proposed so far."""
    if mode not in ASKING:
        return Identity.objects.none()
    waits = Finding.objects.filter(identity=OuterRef("pk"), state__in=OPEN, cases__isnull=True)
    alone = policy_scope.exempt_numbers(_of_findings(), now=now)
    return (
        moving(scope, mode, now=now)
        .filter(mode="observe")
        .filter(~Exists(_reviews("open")))
        .filter(
            Exists(_reviews("draft")) | (Exists(waits) & ~Q(number__in=alone)),
        )
    )


def to_send() -> QuerySet[Case]:
    """Reviews that were only proposed while their identity was observed, and is no more."""
    return Case.objects.filter(
        door="access_review",
        trigger="",
        state="draft",
        sealed=False,
        identity__mode__in=ASKING,
        identity__mode_rule__isnull=False,
    )


def by_policy(scope: dict[str, Any], mode: str, *, now: datetime) -> QuerySet[Identity]:
    """Those that a signed policy would open a review of at once, findings or not."""
    rows = moving(scope, mode, now=now)
    due = Q(pk__in=[])
    for said in _repeating() if mode in ASKING else ():
        wanted = said.scope or PolicyScope()
        if wanted.modes and mode not in wanted.modes:
            continue
        # Asked as if they were in that mode already.
        changed = replace(said, scope=replace(wanted, modes=()))
        due |= Q(pk__in=policy_scope.due(changed, now=now, observed=True).values("pk"))
    return rows.filter(due).filter(mode="observe")


def nobody(scope: dict[str, Any], mode: str, *, now: datetime) -> QuerySet[Identity]:
    """Those that change with a seat in which nobody could be asked."""
    return policy_scope.nobody_seated(moving(scope, mode, now=now), _of_findings(), now=now)


def cut(scope: dict[str, Any], mode: str, *, now: datetime) -> QuerySet[Identity]:
    """Those that silence would have cut in the last 30 days, had the mode been on.

    At most: whether the evidence was fresh then is not asked again.
    """
    rows = moving(scope, mode, now=now).exclude(criticality="critical")
    if mode != "enforce":
        return rows.none()
    since = now - LOOKING_BACK
    silent = Case.objects.filter(
        identity=OuterRef("pk"),
        door="access_review",
        silence__in=CUTS,
        silence_done_at__gte=since,
    )
    later = Rung.objects.filter(
        case__identity=OuterRef("pk"), does__in=CUTS, state="done", done_at__gte=since
    )
    return rows.filter(Exists(silent) | Exists(later))


def look(scope: dict[str, Any], mode: str, *, now: datetime) -> Seen:
    """The dry run, in a fixed number of statements."""
    rows = population(scope, now=now)
    by_mode = dict(rows.order_by().values_list("mode").annotate(n=Count("pk")))
    findings = by_findings(scope, mode, now=now)
    also = by_policy(scope, mode, now=now).exclude(pk__in=findings.values("pk"))
    asked = _asked(findings, also)
    return Seen(
        identities=sum(by_mode.values()),
        moved={one: by_mode[one] for one in MODES if one != mode and one in by_mode},
        findings=findings.count(),
        due=also.count(),
        nobody=nobody(scope, mode, now=now).count(),
        cut=cut(scope, mode, now=now).count(),
        asked=asked[:MOST_NAMED],
        more=max(0, len(asked) - MOST_NAMED),
    )


def _asked(*sets: QuerySet[Identity]) -> list[Asked]:
    """The owners, and the owners of AI systems, behind the identities of these sets."""
    many: dict[Any, int] = {}
    for rows in sets:
        for path, which in (("owner", Q()), ("service__ai_owner", Q(service__ai_system=True))):
            counted = rows.filter(which).order_by().values_list(path).annotate(n=Count("pk"))
            for party, n in counted:
                if party is not None:
                    many[party] = many.get(party, 0) + n
    parties = Party.objects.select_related("person", "team").in_bulk(many)
    found = [Asked(parties[pk], n) for pk, n in many.items()]
    return sorted(found, key=lambda one: (-one.reviews, str(one.party)))


def _reviews(state: str) -> QuerySet[Case]:
    """The review of all that an identity has, in this state; micro-reviews stand beside it."""
    return Case.objects.filter(
        identity=OuterRef("pk"), door="access_review", trigger="", state=state
    )


def _policies() -> list[ReviewPolicy]:
    rows = ReviewPolicy.objects.filter(state="signed").order_by("name", "-version")
    return list(rows.distinct("name"))


def _repeating() -> list[Document]:
    found = [parse(one.document, name=one.name) for one in _policies()]
    return [one for one in found if one.every_days is not None]


def _of_findings() -> Document:
    """The policy that findings open reviews under."""
    for one in _policies():
        if one.name == "access review":
            return parse(one.document, name=one.name)
    return Document()
