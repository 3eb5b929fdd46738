"""Containment steps of incidents, playbooks and their runs, and cases in others' trackers."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import evidence.keys
import evidence.models.numbers


class Migration(migrations.Migration):
    dependencies = [("reviews", "0037_sealed_cases")]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE containment_step_number START 1",
            "DROP SEQUENCE containment_step_number",
        ),
        migrations.RunSQL(
            "CREATE SEQUENCE playbook_run_number START 1", "DROP SEQUENCE playbook_run_number"
        ),
        migrations.CreateModel(
            name="CaseTicket",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("tracker", models.TextField()),
                ("ticket", models.TextField(blank=True)),
                ("url", models.TextField(blank=True)),
                ("state", models.TextField(blank=True)),
                ("heard_at", models.DateTimeField(null=True)),
                ("not_before", models.DateTimeField()),
                ("leased_until", models.DateTimeField(null=True)),
                ("attempts", models.IntegerField(default=0)),
                ("failed_why", models.TextField(blank=True)),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tickets",
                        to="reviews.case",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ContainmentStep",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                (
                    "number",
                    models.BigIntegerField(
                        db_default=evidence.models.numbers.NextNumber("containment_step_number"),
                        unique=True,
                    ),
                ),
                ("does", models.TextField()),
                ("title", models.TextField()),
                ("state", models.TextField()),
                ("reason", models.TextField()),
                ("made_at", models.DateTimeField()),
                ("by", models.TextField()),
                ("by_name", models.TextField(blank=True)),
                ("signed_as", models.TextField()),
                ("digest", models.TextField(blank=True)),
                ("foreseen", models.JSONField(blank=True, default=list)),
                ("left", models.JSONField(blank=True, default=dict)),
                ("begun_at", models.DateTimeField(null=True)),
                ("place", models.SmallIntegerField(default=0)),
                ("targets_said", models.TextField(blank=True)),
                ("go_on", models.TextField(blank=True, default="confirmed")),
                ("undone_at", models.DateTimeField(null=True)),
                ("undone_by", models.TextField(blank=True)),
                ("undone_by_name", models.TextField(blank=True)),
                ("undone_reason", models.TextField(blank=True)),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="containment_steps",
                        to="reviews.case",
                    ),
                ),
                (
                    "item",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="containment_step",
                        to="reviews.item",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ContainmentTarget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.IntegerField()),
                ("title", models.TextField()),
                ("words", models.TextField(blank=True)),
                (
                    "revocations",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), blank=True, default=list
                    ),
                ),
                ("done_at", models.DateTimeField(null=True)),
                ("failed_why", models.TextField(blank=True)),
                ("stopped", models.JSONField(blank=True, default=dict)),
                (
                    "released",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), blank=True, default=list
                    ),
                ),
                ("released_words", models.TextField(blank=True)),
                (
                    "credential",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.credential",
                    ),
                ),
                (
                    "delegation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.delegation",
                    ),
                ),
                (
                    "identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.identity",
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="targets",
                        to="reviews.containmentstep",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Playbook",
            fields=[
                ("state", models.TextField(default="proposed")),
                ("reason", models.TextField()),
                ("proposed_at", models.DateTimeField()),
                ("proposed_by", models.TextField()),
                ("proposed_by_name", models.TextField(blank=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.TextField(blank=True)),
                ("settled_by_name", models.TextField(blank=True)),
                ("settled_reason", models.TextField(blank=True)),
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("slug", models.TextField()),
                ("version", models.IntegerField()),
                ("document", models.JSONField()),
                (
                    "proposed_person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "settled_person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PlaybookRun",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                (
                    "number",
                    models.BigIntegerField(
                        db_default=evidence.models.numbers.NextNumber("playbook_run_number"),
                        unique=True,
                    ),
                ),
                ("state", models.TextField(default="running")),
                ("reason", models.TextField()),
                (
                    "others",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), blank=True, default=list
                    ),
                ),
                ("request_key", models.TextField()),
                ("asked_digest", models.TextField()),
                ("digest", models.TextField(blank=True)),
                ("foreseen", models.JSONField(blank=True, default=list)),
                ("signed_at", models.DateTimeField()),
                ("signed_by_name", models.TextField(blank=True)),
                ("signed_as", models.TextField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True)),
                ("ended_by_name", models.TextField(blank=True)),
                ("ended_reason", models.TextField(blank=True)),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="playbook_runs",
                        to="reviews.case",
                    ),
                ),
                (
                    "credential",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.credential",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "playbook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="reviews.playbook",
                    ),
                ),
                (
                    "signed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="containmentstep",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="steps",
                to="reviews.playbookrun",
            ),
        ),
        migrations.CreateModel(
            name="TicketMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.IntegerField()),
                ("type", models.TextField()),
                ("data", models.JSONField()),
                ("written_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("dropped_at", models.DateTimeField(null=True)),
                (
                    "ticket",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="reviews.caseticket",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TicketWord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("tracker", models.TextField()),
                ("message", models.TextField()),
                ("digest", models.TextField()),
                ("ticket", models.TextField()),
                ("state", models.TextField(blank=True)),
                ("comment", models.TextField(blank=True)),
                ("said_by", models.TextField(blank=True)),
                ("asks_to_close", models.BooleanField(default=False)),
                ("said_at", models.DateTimeField()),
                ("heard_at", models.DateTimeField()),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="ticket_words",
                        to="reviews.case",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="caseticket",
            constraint=models.UniqueConstraint(fields=("case", "tracker"), name="case_ticket_once"),
        ),
        migrations.AddConstraint(
            model_name="containmenttarget",
            constraint=models.UniqueConstraint(
                fields=("step", "place"), name="containment_target_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="playbook",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("proposed", "in_force", "refused", "ended"))),
                name="playbook_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="playbook",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["proposed", "refused"]),
                    models.Q(
                        ("settled_person__isnull", False),
                        models.Q(("proposed_person", models.F("settled_person")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="playbook_signed_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="playbook",
            constraint=models.UniqueConstraint(
                fields=("slug", "version"), name="playbook_version_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="playbook",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "proposed")),
                fields=("slug",),
                name="playbook_proposed_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="playbook",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "in_force")),
                fields=("slug",),
                name="playbook_in_force_once",
            ),
        ),
        migrations.AddIndex(
            model_name="playbookrun",
            index=models.Index(
                condition=models.Q(("state", "running")),
                fields=["number"],
                name="playbook_run_goes_on",
            ),
        ),
        migrations.AddConstraint(
            model_name="playbookrun",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("running", "done", "stopped"))),
                name="playbook_run_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="playbookrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", True), ("state", "running")),
                    models.Q(
                        models.Q(("state", "running"), _negated=True), ("ended_at__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="playbook_run_ended_says_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="playbookrun",
            constraint=models.UniqueConstraint(
                fields=("case", "signed_by", "request_key"), name="playbook_run_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="containmentstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("does__in", ("hold", "suspend", "block", "narrow", "sessions", "revoke"))
                ),
                name="containment_does_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="containmentstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ("waiting", "proposed", "asked", "undone", "refused", "dropped"))
                ),
                name="containment_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="containmentstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["asked", "undone"]), _negated=True),
                    ("begun_at__isnull", False),
                    _connector="OR",
                ),
                name="containment_asked_says_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="containmentstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "undone"), _negated=True),
                    models.Q(
                        ("undone_at__isnull", False), models.Q(("undone_reason", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="containment_undone_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="containmentstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("does__in", ["revoke", "sessions"]), ("state", "undone"), _negated=True
                ),
                name="containment_revoked_stays",
            ),
        ),
        migrations.AddConstraint(
            model_name="containmentstep",
            constraint=models.UniqueConstraint(
                condition=models.Q(("run__isnull", False)),
                fields=("run", "place"),
                name="containment_place_once",
            ),
        ),
        migrations.AddIndex(
            model_name="ticketmessage",
            index=models.Index(
                condition=models.Q(("dropped_at__isnull", True), ("sent_at__isnull", True)),
                fields=["ticket", "number"],
                name="ticket_message_waits",
            ),
        ),
        migrations.AddConstraint(
            model_name="ticketmessage",
            constraint=models.UniqueConstraint(
                fields=("ticket", "number"), name="ticket_message_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="ticketmessage",
            constraint=models.CheckConstraint(
                condition=models.Q(("type__in", ["case.opened", "case.changed", "case.closed"])),
                name="ticket_message_type_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="ticketmessage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("sent_at__isnull", True), ("dropped_at__isnull", True), _connector="OR"
                ),
                name="ticket_message_sent_or_dropped",
            ),
        ),
        migrations.AddIndex(
            model_name="ticketword",
            index=models.Index(fields=["case", "heard_at"], name="ticket_word_of_case"),
        ),
        migrations.AddConstraint(
            model_name="ticketword",
            constraint=models.UniqueConstraint(
                fields=("tracker", "message"), name="ticket_word_once"
            ),
        ),
    ]
