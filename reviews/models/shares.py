"""How aligned we were, day by day: what the lines on the front page are drawn from."""

from django.db import models

from identities.models import Service


class ShareDay(models.Model):
    """One share (reviews/shares.py) as last counted on one day, over all that is not sealed; of one
    AI system, or of everything.

    A day on which nobody counted has no row, and is drawn as missing.
    """

    day = models.DateField()
    name = models.TextField()
    service = models.ForeignKey(
        Service, models.CASCADE, null=True, blank=True, related_name="+", db_index=False
    )
    part = models.BigIntegerField()
    whole = models.BigIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Counting a day twice changes its row; the front page reads the last days by it.
            models.UniqueConstraint(
                name="share_day_of_service_once",
                fields=["day", "name", "service"],
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="share_part_is_of_the_whole",
                condition=models.Q(part__gte=0, part__lte=models.F("whole")),
            ),
        ]
