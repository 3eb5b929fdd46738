"""What a keep-filter leaves out is also counted once for each record, however often it comes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evidence", "0020_erasure_pieces")]

    operations = [
        migrations.AddField(
            model_name="filteredout",
            name="sketch",
            field=models.BinaryField(db_default=b"", null=True),
        ),
        # Of what was left out before, nothing tells which were the same.
        migrations.RunSQL("UPDATE evidence_filteredout SET sketch = NULL", migrations.RunSQL.noop),
    ]
