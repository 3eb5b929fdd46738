"""Changes of owner, and what is stated of external integrations."""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys


class Migration(migrations.Migration):
    dependencies = [
        ("identities", "0006_claims"),
    ]

    operations = [
        migrations.CreateModel(
            name="OwnerChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("basis", models.TextField()),
                ("at", models.DateTimeField()),
                ("by", models.TextField()),
                ("by_name", models.TextField(blank=True)),
                ("because", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="VendorAttestation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("what", models.TextField()),
                ("stated_on", models.DateField()),
                ("valid_until", models.DateField(null=True)),
                ("reference", models.TextField(blank=True)),
                ("recorded_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="identity",
            name="contract_ends_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="identity",
            name="data_leaving",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AddField(
            model_name="identity",
            name="vendor_contact",
            field=models.TextField(blank=True, db_default=""),
        ),
        migrations.AddIndex(
            model_name="identity",
            index=models.Index(
                condition=models.Q(("contract_ends_at__isnull", False), ("state", "active")),
                fields=["contract_ends_at"],
                name="identity_contract_due",
            ),
        ),
        migrations.AddField(
            model_name="ownerchange",
            name="identity",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="owner_changes",
                to="identities.identity",
            ),
        ),
        migrations.AddField(
            model_name="ownerchange",
            name="to",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identities.party"
            ),
        ),
        migrations.AddField(
            model_name="ownerchange",
            name="was",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identities.party",
            ),
        ),
        migrations.AddField(
            model_name="vendorattestation",
            name="identity",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="vendor_attestations",
                to="identities.identity",
            ),
        ),
        migrations.AddField(
            model_name="vendorattestation",
            name="recorded_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identities.person",
            ),
        ),
        migrations.AddConstraint(
            model_name="ownerchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("basis__in", ("accepted", "succession"))),
                name="owner_change_basis_is_known",
            ),
        ),
        migrations.AddIndex(
            model_name="vendorattestation",
            index=models.Index(fields=["identity", "-stated_on"], name="vendor_attestation_newest"),
        ),
        migrations.AddConstraint(
            model_name="vendorattestation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("valid_until__isnull", True),
                    ("valid_until__gte", models.F("stated_on")),
                    _connector="OR",
                ),
                name="vendor_attestation_runs_forward",
            ),
        ),
    ]
