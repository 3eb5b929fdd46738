"""How a person's queue reaches them outside its page: a calendar address and a daily mail."""

from django.db import models
from django.db.models import Q

from identities.models import User


class QueueSetting(models.Model):
    """What one login wants; without a row: no calendar address, and the daily mail."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+")
    # Of the secret in the calendar's address; the secret itself was shown once.
    digest = models.BinaryField(unique=True, null=True)
    made_at = models.DateTimeField(null=True)
    mail = models.BooleanField(default=True)
    # The day (UTC) up to which the mail was written, or nothing was there to write.
    mailed_on = models.DateField(null=True)

    class Meta:
        indexes = [
            # Whose mail is due (reviews/digest.py).
            models.Index(name="queue_mail_due", fields=["mailed_on"], condition=Q(mail=True))
        ]
