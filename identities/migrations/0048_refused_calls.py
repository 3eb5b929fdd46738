"""What was judged before findings told refused calls from done ones is judged once more."""

from importlib import import_module

from django.db import migrations

AGAIN = import_module("identities.migrations.0046_judge_again").AGAIN


class Migration(migrations.Migration):
    dependencies = [("identities", "0047_requests_told_otherwise")]
    operations = [migrations.RunSQL(AGAIN, migrations.RunSQL.noop)]
