"""Who watched what, and when."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watchstats", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Playback",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("event_id", models.UUIDField(unique=True)),
                ("started_at", models.DateTimeField()),
                ("stopped_at", models.DateTimeField()),
                ("watched_seconds", models.PositiveIntegerField(help_text="Without pauses.")),
                ("client", models.CharField(blank=True, db_default="", default="", max_length=100)),
                (
                    "received_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="playbacks",
                        to="watchstats.item",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="playbacks",
                        to="watchstats.viewer",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("stopped_at__gte", models.F("started_at"))),
                        name="watchstats_playback_ends_after_start",
                    ),
                ],
            },
        ),
    ]
