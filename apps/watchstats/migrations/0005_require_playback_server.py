"""Every playback has its server now: the release before this one writes the column already."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watchstats", "0004_fill_playback_server")]

    operations = [
        migrations.AlterField(
            model_name="playback",
            name="server",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="playbacks",
                to="watchstats.server",
            ),
        ),
    ]
