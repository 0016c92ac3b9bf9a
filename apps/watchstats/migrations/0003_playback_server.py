"""A playback gets its viewer's server, so that a server's playbacks need no join. Empty at first."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watchstats", "0002_playback")]

    operations = [
        migrations.AddField(
            model_name="playback",
            name="server",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="playbacks",
                to="watchstats.server",
            ),
        ),
    ]
