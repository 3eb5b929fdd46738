"""The columns that jobs have in common: somebody asked for them, a worker carries them out.

How they are claimed, carried on and ended is evidence/leases.py's.
"""

from django.db import models

from .sources import Source


class Job(models.Model):
    """A wish and its end. A row is the queue."""

    asked_at = models.DateTimeField()
    asked_by = models.TextField()  # "user:<uuid>", "schedule", "command"
    asked_name = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        abstract = True


class Plan(models.Model):
    """How often a source has such a job, and when next."""

    # Each kind names itself on the source, and has a pace of its own.
    source = models.OneToOneField(Source, models.PROTECT, related_name="+")
    every_seconds = models.PositiveIntegerField()
    paused = models.BooleanField(default=False)
    next_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class LeasedJob(Job):
    """A job about one source that goes on page by page, under a lease that each page renews.

    waiting → running → its end; a worker that dies leaves it running with a lease that ends, and
    the next one goes on where the last page was kept.
    """

    WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
    LIVE = (WAITING, RUNNING)

    # Each kind names itself on the source.
    source = models.ForeignKey(Source, models.PROTECT, related_name="+")
    state = models.TextField(default=WAITING)
    started_at = models.DateTimeField(null=True)
    pages = models.PositiveIntegerField(default=0)
    # Claims so far: whoever finds another number than its own has lost the job.
    attempts = models.PositiveIntegerField(default=0)
    # Failures since the last page.
    retries = models.PositiveIntegerField(default=0)
    # Not before: the system asked to wait, or was away.
    not_before = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    fix = models.TextField(blank=True)

    class Meta:
        abstract = True
