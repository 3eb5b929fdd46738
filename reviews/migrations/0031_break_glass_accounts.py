"""Break-glass accounts, their sealed codes and uses. The last one that signs in stays: the database
says so, because two may be ended at once."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import evidence.keys

# After the act, under a lock of its own: whoever comes second sees what the first has left.
LAST = """
CREATE FUNCTION keep_last_break_glass_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7305463);
    IF NOT EXISTS (
        SELECT 1 FROM reviews_breakglassaccount a JOIN identities_user u ON u.id = a.user_id
        WHERE a.ended_at IS NULL AND u.is_active
    ) THEN
        RAISE EXCEPTION 'the last break-glass account stays' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER keep_last_break_glass_account
AFTER UPDATE OF ended_at ON reviews_breakglassaccount
FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
EXECUTE FUNCTION keep_last_break_glass_account();

CREATE TRIGGER keep_last_break_glass_account_row
AFTER DELETE ON reviews_breakglassaccount
FOR EACH ROW WHEN (OLD.ended_at IS NULL)
EXECUTE FUNCTION keep_last_break_glass_account();

CREATE FUNCTION keep_last_break_glass_login() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7305463);
    IF EXISTS (
        SELECT 1 FROM reviews_breakglassaccount a WHERE a.user_id = NEW.id AND a.ended_at IS NULL
    ) AND NOT EXISTS (
        SELECT 1 FROM reviews_breakglassaccount a JOIN identities_user u ON u.id = a.user_id
        WHERE a.ended_at IS NULL AND u.is_active
    ) THEN
        RAISE EXCEPTION 'the last break-glass account stays' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER keep_last_break_glass_login
AFTER UPDATE OF is_active ON identities_user
FOR EACH ROW WHEN (OLD.is_active AND NOT NEW.is_active)
EXECUTE FUNCTION keep_last_break_glass_login();
"""
UNDO = """
DROP TRIGGER keep_last_break_glass_login ON identities_user;
DROP FUNCTION keep_last_break_glass_login();
DROP TRIGGER keep_last_break_glass_account_row ON reviews_breakglassaccount;
DROP TRIGGER keep_last_break_glass_account ON reviews_breakglassaccount;
DROP FUNCTION keep_last_break_glass_account();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("reviews", "0030_break_glass"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AccountAttempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["place", "-at"], name="account_attempt_place"),
                    models.Index(fields=["at"], name="account_attempt_at"),
                ],
            },
        ),
        migrations.CreateModel(
            name="BreakGlassAccount",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=evidence.keys.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("kept", models.TextField()),
                ("made_at", models.DateTimeField()),
                ("made_by", models.TextField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.TextField(blank=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="break_glass_account",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SealedCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.BinaryField(unique=True)),
                ("made_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("replaced_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="codes",
                        to="reviews.breakglassaccount",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AccountUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("means", models.TextField()),
                ("address", models.TextField()),
                ("who", models.TextField(blank=True)),
                ("why", models.TextField(blank=True)),
                ("review", models.TextField(blank=True)),
                ("review_words", models.TextField(blank=True)),
                ("reviewed_at", models.DateTimeField(null=True)),
                ("reviewed_by", models.TextField(blank=True)),
                ("reviewed_by_name", models.TextField(blank=True)),
                (
                    "reviewed_person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="identities.person",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="uses",
                        to="reviews.breakglassaccount",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("reviewed_at__isnull", True)),
                        fields=["at"],
                        name="account_use_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("means__in", ("code", "passkey", "other"))),
                        name="account_use_means",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("review", ""),
                                ("reviewed_at__isnull", True),
                                ("reviewed_person__isnull", True),
                            ),
                            models.Q(
                                ("review__in", ("emergency", "drill", "misuse")),
                                ("reviewed_at__isnull", False),
                                ("reviewed_person__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="account_use_review_is_whole",
                    ),
                ],
            },
        ),
        migrations.RunSQL(LAST, UNDO),
    ]
