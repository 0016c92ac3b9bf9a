"""Servers, their viewers, and what can be watched."""

import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Item",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("guid", models.CharField(max_length=200, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("movie", "movie"), ("episode", "episode"), ("track", "track")],
                        max_length=20,
                    ),
                ),
                ("title", models.CharField(max_length=300)),
                ("year", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("guid", ""), _negated=True) & models.Q(("title", ""), _negated=True),
                        name="watchstats_item_named",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["movie", "episode", "track"])),
                        name="watchstats_item_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Server",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("plex", "Plex"),
                            ("jellyfin", "Jellyfin"),
                            ("emby", "Emby"),
                            ("other", "other"),
                        ],
                        default="other",
                        max_length=20,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="watchstats_server_named"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["plex", "jellyfin", "emby", "other"])),
                        name="watchstats_server_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Viewer",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("name", models.CharField(max_length=100)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "server",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="viewers",
                        to="watchstats.server",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("server", "name"), name="watchstats_viewer_once_per_server"),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="watchstats_viewer_named"
                    ),
                ],
            },
        ),
    ]
