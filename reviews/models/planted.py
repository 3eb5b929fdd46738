"""Planted items: marked by being rows of their own tables, so that nothing that counts, applies
or takes out real items can meet them (docs/decisions/0027).

Only reviews/actions/planting.py writes them. Nothing refers to them but their own answers.
"""

from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from identities.models import Person, User
from reviews.planted import MOST_SHARE, PLANTS

from .campaigns import Campaign
from .cases import ANSWERS, Case, Item, Seat

KINDS = ("credential", "delegation", "entitlement")


class Planting(models.Model):
    """That a campaign has planted items, and what its launch committed to."""

    campaign = models.OneToOneField(
        Campaign, models.CASCADE, primary_key=True, related_name="planting"
    )
    share = models.SmallIntegerField()  # of a hundred real items
    # What was planted: how many, and the digest that the ledger has of them since.
    planted_at = models.DateTimeField(null=True)
    items = models.IntegerField(null=True)
    digest = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="planting_share_is_small", condition=Q(share__gte=1, share__lte=MOST_SHARE)
            ),
            models.CheckConstraint(
                name="planting_says_what",
                condition=Q(planted_at__isnull=True, items__isnull=True, digest="")
                | Q(planted_at__isnull=False, items__isnull=False) & ~Q(digest=""),
            ),
        ]


class PlantedItem(models.Model):
    """A copy of a real item with a known answer. There is nothing behind it that could be acted on."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    planting = models.ForeignKey(Planting, models.CASCADE, related_name="rows")
    case = models.ForeignKey(Case, models.CASCADE, related_name="planted", db_index=False)
    copied_from = models.ForeignKey(Item, models.CASCADE, related_name="+", db_index=False)
    plant = models.TextField()
    # Shown before the real item of this position.
    before = models.SmallIntegerField()
    kind = models.TextField()
    title = models.TextField()
    note = models.TextField(blank=True)
    proposal = models.JSONField(default=dict, blank=True)
    recommendation = models.TextField(blank=True)
    recommendation_reason = models.TextField(blank=True)
    snapshot = models.JSONField(default=dict, blank=True)
    known = models.TextField()
    disclosed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="planted_kind_is_known", condition=Q(kind__in=KINDS)),
            models.CheckConstraint(
                name="planted_plant_is_known", condition=Q(plant__in=sorted(PLANTS))
            ),
            models.CheckConstraint(name="planted_answer_is_known", condition=Q(known__in=ANSWERS)),
            # A review is never mostly made up; its index finds the plant of a page as well.
            models.UniqueConstraint(name="planted_once_a_case", fields=["case"]),
        ]
        indexes = [
            # The sweep that discloses (reviews/tasks.py, campaigns).
            models.Index(
                name="planted_undisclosed", fields=["id"], condition=Q(disclosed_at__isnull=True)
            )
        ]


class PlantedAnswer(models.Model):
    """A seat's answer on a planted item. Nothing follows from it but its signer's own figures."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    item = models.ForeignKey(PlantedItem, models.CASCADE, related_name="answers", db_index=False)
    seat = models.ForeignKey(Seat, models.CASCADE, related_name="+", db_index=False)
    answer = models.TextField()
    reason = models.TextField()
    proposal = models.JSONField(default=dict, blank=True)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    not_before = models.DateTimeField()  # undo until then, as for every answer
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="planted_is_answered", condition=Q(answer__in=ANSWERS)),
            # Two signatures at once in one seat: the second takes the first one's place.
            models.UniqueConstraint(
                name="planted_answer_once",
                fields=["item", "seat"],
                condition=Q(superseded_at__isnull=True),
            ),
        ]
        indexes = [
            # A person's own, and those of a team's people.
            models.Index(name="planted_answer_of_person", fields=["person", "at"])
        ]
