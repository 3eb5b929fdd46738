"""What inferred links rest on: who is known to call for whom, what names may mean, and clocks.

Derived from events and exact links, and only ever added to, so that the order in which evidence
comes does not matter (evidence/inferred.py). None of it says who anybody is.
"""

from django.db import models


class Acquaintance(models.Model):
    """A caller of an identity log and an agent or service of traces that belong together.

    `hour` is the hour of the exact link that shows it, `address` where that call came from (0: not
    stated). Two that are named alike are acquainted always: their hour is Acquaintance.ALWAYS.
    """

    ALWAYS = "1970-01-01T00:00:00Z"

    pk = models.CompositePrimaryKey("caller_id", "hour", "agent_id", "address_id")
    caller_id = models.BigIntegerField()  # Actor: the principal of API events
    hour = models.DateTimeField()
    agent_id = models.BigIntegerField()  # Actor: the agent or service of spans
    address_id = models.BigIntegerField()  # Term

    class Meta:
        indexes = [
            # Whom the agent of a tool call is acquainted with, in its hour.
            models.Index(name="acquaintance_of_agent", fields=["agent_id", "hour"])
        ]


class Meaning(models.Model):
    """A key of evidence/tool_actions.py that a tool's or an action's name has; '' where it has
    none, so that it is not asked again."""

    pk = models.CompositePrimaryKey("term_id", "tool", "version", "key")
    term_id = models.BigIntegerField()
    tool = models.BooleanField()  # else an action
    version = models.SmallIntegerField()
    key = models.TextField()


class Clock(models.Model):
    """How many exactly linked calls of one UTC day a log dates so many seconds after its traces:
    a histogram, whose middle is how far the two clocks are apart."""

    pk = models.CompositePrimaryKey("log_id", "traces_id", "day", "seconds")
    log_id = models.IntegerField()  # Source
    traces_id = models.IntegerField()  # Source
    day = models.DateField()
    seconds = models.SmallIntegerField()
    calls = models.BigIntegerField()


class ClockTaken(models.Model):
    """By how many seconds a log was taken to be ahead of its traces when the calls of a UTC day
    were inferred, where exact links say so, or most of the calls themselves (`voted`)."""

    pk = models.CompositePrimaryKey("log_id", "traces_id", "day")
    log_id = models.IntegerField()  # Source
    traces_id = models.IntegerField()  # Source
    day = models.DateField()
    seconds = models.FloatField()
    voted = models.BooleanField(db_default=False)
