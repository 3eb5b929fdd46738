"""Rooms of incidents: questions, conclusions on events, roles, tasks, hand-overs.

Incidents that are not over get a room with the standard questions; the newest of an identity is the
one that others join.
"""

import django.db.models.deletion
from django.db import migrations, models

import evidence.keys

# A conclusion stands on events, and is as strong as the weakest of them: looked at once all of it
# is written.
STANDS = """
CREATE FUNCTION conclusion_stands_on_events() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE weakest smallint;
BEGIN
    SELECT min(strength) INTO weakest
    FROM reviews_conclusionevent WHERE conclusion_id = NEW.id;
    IF weakest IS DISTINCT FROM NEW.strength
        AND EXISTS (SELECT FROM reviews_conclusion WHERE id = NEW.id) THEN
        RAISE EXCEPTION 'a conclusion is as strong as the weakest event under it, and has one'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER conclusion_stands_on_events
AFTER INSERT OR UPDATE OF strength ON reviews_conclusion
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION conclusion_stands_on_events();
"""
FALLS = """
DROP TRIGGER conclusion_stands_on_events ON reviews_conclusion;
DROP FUNCTION conclusion_stands_on_events();
"""
ROOMS = """
INSERT INTO reviews_room (case_id, takes_id, severity, detected_at, outcome, outcome_by,
    outcome_by_name, lessons, lessons_by, lessons_by_name, frozen)
SELECT c.id,
    CASE WHEN NOT c.sealed AND c.number = max(c.number) FILTER (WHERE NOT c.sealed)
        OVER (PARTITION BY c.identity_id) THEN c.identity_id END,
    'medium', c.opened_at, '', '', '', '', '', '', ''
FROM reviews_case c
WHERE c.door = 'incident' AND c.state NOT IN ('closed', 'cancelled');

INSERT INTO reviews_question (id, room_id, number, words, standard, asked_at, asked_by,
    asked_by_name, dropped_by, dropped_by_name, dropped_why)
SELECT gen_random_uuid(), r.case_id, q.number, q.words, q.standard, r.detected_at, 'countersign',
    'Countersign', '', '', ''
FROM reviews_room r CROSS JOIN (VALUES
    (1, 'Which key was misused?', 'key'),
    (2, 'Who used it?', 'who'),
    (3, 'How did it get out?', 'how'),
    (4, 'What was taken?', 'taken'),
    (5, 'Is it still going on?', 'going_on')
) AS q(number, words, standard);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("evidence", "0027_anchors"),
        ("reviews", "0034_marks_taken_back"),
    ]

    operations = [
        migrations.CreateModel(
            name="Question",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.SmallIntegerField()),
                ("words", models.TextField()),
                ("standard", models.TextField(blank=True)),
                ("asked_at", models.DateTimeField()),
                ("asked_by", models.TextField()),
                ("asked_by_name", models.TextField(blank=True)),
                ("dropped_at", models.DateTimeField(null=True)),
                ("dropped_by", models.TextField(blank=True)),
                ("dropped_by_name", models.TextField(blank=True)),
                ("dropped_why", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="Conclusion",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("words", models.TextField()),
                ("certainty", models.TextField()),
                ("missing", models.TextField(blank=True)),
                ("denies", models.BooleanField(default=False)),
                ("strength", models.SmallIntegerField()),
                ("unproven", models.JSONField(blank=True, default=list)),
                ("at", models.DateTimeField()),
                ("by", models.TextField()),
                ("by_name", models.TextField(blank=True)),
                ("superseded_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "question",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="conclusions",
                        to="reviews.question",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Room",
            fields=[
                (
                    "case",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="room",
                        serialize=False,
                        to="reviews.case",
                    ),
                ),
                ("severity", models.TextField(default="medium")),
                ("detected_at", models.DateTimeField()),
                ("attributed_at", models.DateTimeField(null=True)),
                ("outcome", models.TextField(blank=True)),
                ("outcome_at", models.DateTimeField(null=True)),
                ("outcome_by", models.TextField(blank=True)),
                ("outcome_by_name", models.TextField(blank=True)),
                ("lessons", models.TextField(blank=True)),
                ("lessons_at", models.DateTimeField(null=True)),
                ("lessons_by", models.TextField(blank=True)),
                ("lessons_by_name", models.TextField(blank=True)),
                (
                    "capsule",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="evidence.capsule",
                    ),
                ),
                ("frozen", models.TextField(blank=True)),
                (
                    "takes",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.identity",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="question",
            name="room",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="questions",
                to="reviews.room",
            ),
        ),
        migrations.CreateModel(
            name="HandOver",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("known", models.TextField()),
                ("unknown", models.TextField()),
                ("at", models.DateTimeField()),
                ("by", models.TextField()),
                ("by_name", models.TextField(blank=True)),
                (
                    "to",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "room",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hand_overs",
                        to="reviews.room",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RoomRole",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("role", models.TextField()),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                ("by", models.TextField()),
                ("by_name", models.TextField(blank=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "room",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="roles",
                        to="reviews.room",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.SmallIntegerField()),
                ("words", models.TextField()),
                ("due_at", models.DateTimeField()),
                ("state", models.TextField(default="open")),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField()),
                ("made_by_name", models.TextField(blank=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True)),
                ("ended_by_name", models.TextField(blank=True)),
                ("said", models.TextField(blank=True)),
                ("told_at", models.DateTimeField(null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.party",
                    ),
                ),
                (
                    "room",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tasks",
                        to="reviews.room",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ConclusionEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("event_id", models.BigIntegerField()),
                ("strength", models.SmallIntegerField()),
                (
                    "conclusion",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="reviews.conclusion",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("conclusion", "at", "event_id"), name="conclusion_event_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("strength__in", [1, 2, 3])),
                        name="conclusion_event_strength_is_known",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="conclusion",
            constraint=models.CheckConstraint(
                condition=models.Q(("certainty__in", ("answered", "partly", "hypothesis"))),
                name="conclusion_certainty_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="conclusion",
            constraint=models.CheckConstraint(
                condition=models.Q(("strength__in", [1, 2, 3])), name="conclusion_strength_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="conclusion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("certainty", "partly"), _negated=True),
                    models.Q(("missing", ""), _negated=True),
                    _connector="OR",
                ),
                name="conclusion_partly_names_what_is_missing",
            ),
        ),
        migrations.AddConstraint(
            model_name="conclusion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("certainty", "answered"), _negated=True),
                    models.Q(("strength", 1), _negated=True),
                    _connector="OR",
                ),
                name="conclusion_inferred_is_no_answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="conclusion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("superseded_at__isnull", True)),
                fields=("question",),
                name="conclusion_current_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="room",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ("low", "medium", "high", "critical"))),
                name="room_severity_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="room",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", ""), ("outcome_at__isnull", True)),
                    models.Q(
                        models.Q(("outcome", ""), _negated=True), ("outcome_at__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="room_outcome_says_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="room",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("lessons", ""), ("lessons_at__isnull", True)),
                    models.Q(
                        models.Q(("lessons", ""), _negated=True), ("lessons_at__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="room_lessons_say_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="question",
            constraint=models.UniqueConstraint(
                fields=("room", "number"), name="question_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="question",
            constraint=models.UniqueConstraint(
                condition=models.Q(("standard", ""), _negated=True),
                fields=("room", "standard"),
                name="question_standard_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="question",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("standard__in", ["", "key", "who", "how", "taken", "going_on"])
                ),
                name="question_standard_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="question",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("dropped_at__isnull", True), ("dropped_why", "")),
                    models.Q(
                        ("dropped_at__isnull", False), models.Q(("dropped_why", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="question_dropped_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="roomrole",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ("lead", "comms", "scribe", "closer"))),
                name="room_role_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="roomrole",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("until__isnull", True), ("until__gte", models.F("since")), _connector="OR"
                ),
                name="room_role_ends_after",
            ),
        ),
        migrations.AddConstraint(
            model_name="roomrole",
            constraint=models.UniqueConstraint(
                condition=models.Q(("until__isnull", True)),
                fields=("room", "role"),
                name="room_role_once",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("state", "open")),
                fields=["owner", "due_at"],
                name="task_of_owner",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("state", "open"), ("told_at__isnull", True)),
                fields=["due_at"],
                name="task_late",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(fields=("room", "number"), name="task_number_once"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("open", "done", "dropped"))),
                name="task_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", True), ("state", "open")),
                    models.Q(
                        models.Q(("state", "open"), _negated=True),
                        ("ended_at__isnull", False),
                        models.Q(("said", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="task_ended_says_what",
            ),
        ),
        migrations.RunSQL(STANDS, FALLS),
        migrations.RunSQL(ROOMS, migrations.RunSQL.noop),
    ]
