"""The database looks up no name of a run any more: seven look-ups for each trace that came."""

from django.db import migrations, models
from django.db.models import PROTECT

SAID = {
    "agent": ("evidence.actor", "runs"),
    "service": ("evidence.actor", "+"),
    "on_behalf": ("evidence.actor", "+"),
    "conversation": ("evidence.term", "+"),
    "task": ("evidence.term", "+"),
    "release": ("evidence.term", "+"),
}


class Migration(migrations.Migration):
    dependencies = [("evidence", "0018_clocks_taken")]

    operations = [
        migrations.AlterField(
            "run",
            "source",
            models.ForeignKey(
                "evidence.source",
                PROTECT,
                related_name="runs",
                db_index=False,
                db_constraint=False,
            ),
        ),
        *(
            migrations.AlterField(
                "run",
                name,
                models.ForeignKey(
                    to, PROTECT, related_name=back, null=True, db_index=False, db_constraint=False
                ),
            )
            for name, (to, back) in SAID.items()
        ),
    ]
