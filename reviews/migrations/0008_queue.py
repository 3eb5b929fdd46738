"""What a person gets of their queue outside its page: a calendar address and the daily mail."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("reviews", "0007_attention"),
    ]
    operations = [
        migrations.CreateModel(
            name="QueueSetting",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("digest", models.BinaryField(null=True, unique=True)),
                ("made_at", models.DateTimeField(null=True)),
                ("mail", models.BooleanField(default=True)),
                ("mailed_on", models.DateField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=Q(mail=True), fields=["mailed_on"], name="queue_mail_due"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=Q(state="open"),
                fields=["deadline_at", "number"],
                name="case_by_deadline",
            ),
        ),
        migrations.AddIndex(
            model_name="seat",
            index=models.Index(
                condition=~Q(signed_before=[]), fields=["case"], name="seat_signed_before"
            ),
        ),
    ]
