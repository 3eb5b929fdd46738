"""What a signed policy said of small reviews by saying nothing, written into its document.

A policy that left the field out meant all nine events while the product had them: who signed it
read so. One that was signed before meant none, and keeps meaning none.
"""

from django.db import migrations

# As they were when leaving the field out meant all of them.
WRITE = """
UPDATE reviews_reviewpolicy p SET document = p.document || jsonb_build_object('micro_reviews',
    '{"wider_entitlement": {"hours": 72}, "wider_delegation": {"hours": 72},
      "owner_changed": {"hours": 168}, "dormant": {"hours": 72, "days": 60},
      "new_tool": {"hours": 72}, "new_release": {"hours": 72},
      "outside_manifest": {"hours": 48}, "refused_again": {"hours": 24},
      "credential_expiry": {"hours": 120, "days": 14}}'::jsonb)
FROM django_migrations m
WHERE m.app = 'reviews' AND m.name = '0013_triggers'
  AND p.name = 'access review' AND NOT p.document ? 'micro_reviews'
  AND coalesce(p.settled_at, p.recorded_at) >= m.applied
"""


class Migration(migrations.Migration):
    dependencies = [("reviews", "0017_freezes")]
    operations = [migrations.RunSQL(WRITE, migrations.RunSQL.noop)]
