"""Who is on call: rotas of teams as calendars and pagers say them. Which there are, a file says."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from evidence.keys import uuid7


class Rota(models.Model):
    """How reading one team's rota stands (reviews/break_glass/on_call.py); its team is named, as in
    a bundle. `read_at`: when it was last read as it is now; `full_at`: when all of it was read."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    team = models.TextField(unique=True)
    # Of what the settings say of it: another one is read anew.
    settings_digest = models.TextField()
    etag = models.TextField(blank=True)
    next_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    full_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "rotas"

    def __str__(self) -> str:
        return f"rota of {self.team}"


class Shift(models.Model):
    """Somebody's time on call, as the rota says it; `ends_at` null: it does not say until when.
    Whose it is is asked when it counts: people come and go."""

    rota = models.ForeignKey(Rota, models.CASCADE, related_name="shifts")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    name = models.TextField(blank=True)
    emails = ArrayField(models.TextField(), default=list, blank=True)

    class Meta:
        indexes = [models.Index(name="shift_now", fields=["rota", "starts_at"])]
        constraints = [
            models.CheckConstraint(
                name="shift_ends_after_it_starts",
                condition=models.Q(ends_at__isnull=True)
                | models.Q(ends_at__gt=models.F("starts_at")),
            )
        ]
