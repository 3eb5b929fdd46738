"""Tools and calls that nobody has looked at: from the judge's rows to triggers.

Owns `NewUse.looked_at` and what is a question. What a signed manifest declares, and what was
there before a review, is none. A row is taken and answered in one transaction, so a worker that
dies leaves it waiting, and two workers take different ones.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from evidence.intake.admitting import micros
from evidence.keys import key_of
from evidence.models import Term
from evidence.words import counted
from identities.judging.uses import of_release
from identities.models import Identity, Manifest, NewUse
from identities.models.behaviour import BY_INFERENCE
from reviews.models import Trigger

from .noting import MOST, REVIEWED, events_of, note, trigger
from .refused import refusals

MOST_NAMED = 10


class Use(NamedTuple):
    """A row of NewUse in words."""

    row: NewUse
    name: str
    release: str

    @property
    def about(self) -> UUID:
        """The same tool or call is the same thing, under whichever release."""
        return key_of("use", "tool" if self.row.tool else "call", self.name, self.row.family)

    @property
    def title(self) -> str:
        if self.row.tool:
            return f"Tool {self.name}"
        return f"Call {self.name} on {self.row.family or 'no stated resource'}"

    @property
    def facts(self) -> dict[str, object]:
        """What a refusal of it is recognised by (reviews/triggers/refused.py)."""
        row = self.row
        return {
            "action": row.action_id,
            "name": self.name,
            "tool": row.tool,
            "family": row.family,
            "first_at": row.first_at.isoformat(),
        }

    def under(self) -> str:
        return f"release {self.release[:80]}" if self.release else "a run that states no version"


def look_next(*, now: datetime) -> bool:
    """Look at a batch of what is new; False when nothing waits."""
    with transaction.atomic():
        rows = list(
            NewUse.objects.select_for_update(skip_locked=True)
            .filter(looked_at__isnull=True)
            .order_by("pk")[:MOST]
        )
        if not rows:
            return False
        note(_triggers(rows, now=now))
        NewUse.objects.filter(pk__in=[row.pk for row in rows]).update(looked_at=now)
    return True


def look_again(identity: Identity) -> None:
    """A manifest was signed: what was known of its release is held against it."""
    NewUse.objects.filter(identity_no=identity.number).update(looked_at=None)


def _triggers(rows: Sequence[NewUse], *, now: datetime) -> list[Trigger]:
    numbers = {row.identity_no for row in rows}
    identities = {
        one.number: one
        for one in Identity.objects.filter(number__in=numbers).exclude(state="retired")
    }
    manifests: dict[UUID, list[Manifest]] = {}
    for manifest in Manifest.objects.filter(identity__number__in=numbers, state="signed").order_by(
        "-settled_at", "-number"
    ):
        manifests.setdefault(manifest.identity_id, []).append(manifest)
    reviewed = _reviewed(list(identities.values()))
    words = dict(
        Term.objects.filter(
            pk__in={row.action_id for row in rows} | {row.release_id for row in rows}
        ).values_list("pk", "value")
    )
    refused = set(
        refusals().filter(case__identity__number__in=numbers).values_list("case__identity", "ref")
    )
    undeclared: dict[tuple[UUID, str], list[Use]] = {}
    found = []
    for row in rows:
        identity = identities.get(row.identity_no)
        if identity is None:
            continue
        use = Use(row, words.get(row.action_id, ""), words.get(row.release_id, ""))
        signed = manifests.get(identity.pk, [])
        stand = of_release(signed, use.release)
        if (identity.pk, use.about) in refused:
            continue  # a finding, and no question again (reviews/triggers/refused.py)
        if signed and not stand and row.noted_at > _declaring_since(signed):
            undeclared.setdefault((identity.pk, use.release), []).append(use)
        elif not row.action_id:
            continue  # a release that is declared, or older than the first declaration
        elif stand:
            if not row.tool or not any(use.name in one.tools for one in stand):
                found.append(_beside(identity, use, stand[0], now=now))
        elif row.tool:
            at = reviewed.get(identity.pk)
            if at is not None and row.noted_at > at:
                found.append(_new_tool(identity, use, at, now=now))
    by_id = {one.pk: one for one in identities.values()}
    for (pk, release), uses in undeclared.items():
        found.append(_undeclared(by_id[pk], release, uses, manifests[pk][0], now=now))
    return found


def _declaring_since(signed: Sequence[Manifest]) -> datetime:
    """Releases are declared from then on; what ran before is a matter of reviews."""
    return min(one.settled_at for one in signed if one.settled_at is not None)


def _reviewed(identities: Sequence[Identity]) -> Mapping[UUID, datetime]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM ({REVIEWED}) r WHERE r.identity_id = ANY(%s)",  # noqa: S608 - a constant
            [[one.pk for one in identities]],
        )
        return dict(cursor.fetchall())


def _links(identity: Identity, use: Use) -> list[tuple[str, str]]:
    row = use.row
    asked = {"action": use.name} | ({"family": row.family} if row.family else {})
    return [
        ("Its first use", f"/events/{micros(row.first_at)}-{row.event_id}/"),
        events_of(identity, "Every use of it", **asked),
    ]


def _seen(use: Use) -> str:
    """When, under what, and no stronger than the attribution is."""
    how = " (inferred)" if use.row.strength == BY_INFERENCE else ""
    return f"first seen {use.row.first_at:%-d %b %Y %H:%M} UTC under {use.under()}{how}"


def _new_tool(identity: Identity, use: Use, at: datetime, *, now: datetime) -> Trigger:
    return trigger(
        "new_tool",
        identity,
        subject=str(use.about),
        about=use.about,
        title=use.title,
        words=f"{identity.name} used the tool {use.name[:200]}, {_seen(use)}. The evidence came after"
        f" its review of {at:%-d %b %Y} was opened, so no review has seen it.",
        at=use.row.first_at,
        now=now,
        links=_links(identity, use),
        facts=use.facts,
    )


def _beside(identity: Identity, use: Use, manifest: Manifest, *, now: datetime) -> Trigger:
    return trigger(
        "outside_manifest",
        identity,
        subject=f"{manifest.key} {use.about}",
        about=use.about,
        title=use.title,
        words=f"{manifest.key} (version {manifest.version[:80]}), signed"
        f" {manifest.settled_at:%-d %b %Y}, leaves it out: {use.title[:300]}, {_seen(use)}.",
        at=use.row.first_at,
        now=now,
        links=[(manifest.key, manifest.url), *_links(identity, use)],
        facts=use.facts | {"manifest": manifest.key},
    )


def _undeclared(
    identity: Identity, release: str, uses: Sequence[Use], last: Manifest, *, now: datetime
) -> Trigger:
    """One question for a release, however many tools it brings."""
    first = min(uses, key=lambda one: one.row.first_at)
    new = sorted({one.name for one in uses if one.row.tool} - set(last.tools))
    more = f" and {counted(len(new) - MOST_NAMED, 'more')}" if len(new) > MOST_NAMED else ""
    said = (
        f" Tools that {last.key} (version {last.version[:80]}) does not have:"
        f" {', '.join(one[:80] for one in new[:MOST_NAMED])}{more}."
        if new
        else f" It was seen with no tool that {last.key} does not have."
    )
    about = key_of("release", release)
    return trigger(
        "new_release",
        identity,
        subject=str(about),
        about=about,
        title=f"Release {release[:120]} of {identity.name}",
        words=f"Release {release[:80]} runs since {first.row.first_at:%-d %b %Y %H:%M} UTC, and no"
        f" signed manifest declares it.{said}",
        at=first.row.first_at,
        now=now,
        links=[(last.key, last.url), _links(identity, first)[0]],
    )
