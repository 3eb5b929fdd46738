"""Sealed cases: when and by whom, whom a case is about, and an end that takes two.

Who a case is about is no member of it, and a sealed case keeps two members: the database holds
both, whatever writes. A sealed review is absent, so it keeps nobody from opening another one.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

import evidence.keys

# The case is locked first: two who do half of it at once would each see a whole.
MEMBERS = """
CREATE FUNCTION reviews_two_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM reviews_case WHERE id = OLD.case_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM reviews_case k JOIN reviews_sealing s ON s.case_id = k.id
               WHERE k.id = OLD.case_id AND k.sealed AND s.unsealed_at IS NULL)
       AND (SELECT count(*) FROM reviews_casemember WHERE case_id = OLD.case_id) < 2 THEN
        RAISE EXCEPTION 'a sealed case has two members' USING ERRCODE = '23514',
            CONSTRAINT = 'sealed_case_has_two_members', TABLE = 'reviews_casemember';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER sealed_case_has_two_members AFTER DELETE ON reviews_casemember
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION reviews_two_members();

CREATE FUNCTION reviews_no_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM reviews_case WHERE id = NEW.case_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM reviews_casemember m JOIN reviews_casesubject s
               ON s.case_id = m.case_id AND s.person_id = m.person_id
               WHERE m.case_id = NEW.case_id AND m.person_id = NEW.person_id) THEN
        RAISE EXCEPTION 'whom a case is about is no member of it' USING ERRCODE = '23514',
            CONSTRAINT = 'subject_is_no_member', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER subject_is_no_member AFTER INSERT OR UPDATE ON reviews_casemember
    FOR EACH ROW EXECUTE FUNCTION reviews_no_member();
CREATE TRIGGER subject_is_no_member AFTER INSERT OR UPDATE ON reviews_casesubject
    FOR EACH ROW EXECUTE FUNCTION reviews_no_member();
"""
GONE = """
DROP TRIGGER sealed_case_has_two_members ON reviews_casemember;
DROP TRIGGER subject_is_no_member ON reviews_casemember;
DROP TRIGGER subject_is_no_member ON reviews_casesubject;
DROP FUNCTION reviews_two_members();
DROP FUNCTION reviews_no_member();
"""


class Migration(migrations.Migration):
    dependencies = [("reviews", "0036_room_timeline")]

    operations = [
        migrations.CreateModel(
            name="Sealing",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("reason", models.TextField()),
                ("sealed_at", models.DateTimeField()),
                ("sealed_by", models.TextField()),
                ("sealed_by_name", models.TextField()),
                (
                    "rows",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), blank=True, default=list, size=None
                    ),
                ),
                ("words", models.JSONField(blank=True, default=list)),
                ("asked_at", models.DateTimeField(blank=True, null=True)),
                ("asked_why", models.TextField(blank=True)),
                ("unsealed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "asked_person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sealings",
                        to="reviews.case",
                    ),
                ),
                (
                    "unsealed_person",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(unsealed_at__isnull=True),
                        fields=("case",),
                        name="sealing_open_once",
                    ),
                    models.CheckConstraint(
                        condition=Q(asked_at__isnull=True, asked_person__isnull=True, asked_why="")
                        | Q(asked_at__isnull=False, asked_person__isnull=False) & ~Q(asked_why=""),
                        name="sealing_asked_whole",
                    ),
                    models.CheckConstraint(
                        condition=Q(unsealed_at__isnull=True, unsealed_person__isnull=True)
                        | Q(
                            unsealed_at__isnull=False,
                            unsealed_person__isnull=False,
                            asked_person__isnull=False,
                        )
                        & ~Q(unsealed_person=F("asked_person")),
                        name="sealing_ended_by_two",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=Q(unsealed_at__isnull=False),
                        fields=["case"],
                        name="sealing_ended",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CaseSubject",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField()),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subjects",
                        to="reviews.case",
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("case", "person"), name="subject_once")
                ],
            },
        ),
        migrations.RemoveConstraint(model_name="case", name="case_open_review_once"),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.UniqueConstraint(
                condition=Q(
                    door="access_review", trigger="", state__in=["draft", "open"], sealed=False
                ),
                fields=("identity",),
                name="case_open_review_once",
            ),
        ),
        migrations.RunSQL(MEMBERS, GONE),
    ]
