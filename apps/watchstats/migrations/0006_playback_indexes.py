"""Indexes for the lists and the statistics; they also serve the foreign keys, whose own ones go."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watchstats", "0005_require_playback_server")]

    operations = [
        migrations.AddIndex(
            model_name="playback",
            index=models.Index(fields=["-started_at", "-id"], name="watchstats_playback_recent"),
        ),
        migrations.AddIndex(
            model_name="playback",
            index=models.Index(fields=["server", "-started_at"], name="watchstats_playback_server"),
        ),
        migrations.AddIndex(
            model_name="playback",
            index=models.Index(fields=["viewer", "-started_at"], name="watchstats_playback_viewer"),
        ),
        migrations.AddIndex(
            model_name="playback",
            index=models.Index(fields=["item", "-started_at"], name="watchstats_playback_item"),
        ),
        migrations.AlterField(
            model_name="playback",
            name="viewer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="playbacks",
                to="watchstats.viewer",
            ),
        ),
        migrations.AlterField(
            model_name="playback",
            name="item",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="playbacks",
                to="watchstats.item",
            ),
        ),
        migrations.AlterField(
            model_name="viewer",
            name="server",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="viewers",
                to="watchstats.server",
            ),
        ),
    ]
