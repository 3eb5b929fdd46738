"""What people say to each other in a case. Insert-only: a comment is never changed."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.keys import uuid7
from identities.models import Person, User

from .cases import Case, Item


class Comment(models.Model):
    """One comment on a case, or on one of its items. It is no answer and moves nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    case = models.ForeignKey(Case, models.PROTECT, related_name="comments", db_index=False)
    item = models.ForeignKey(Item, models.PROTECT, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    text = models.TextField()
    # The persons it names with @, who were told once.
    mentioned = ArrayField(models.UUIDField(), default=list, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(name="comment_says_something", condition=~Q(text=""))]
        indexes = [models.Index(name="comment_of_case", fields=["case", "-at"])]
