"""A server has an owner: at most one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watchstats", "0006_playback_indexes")]

    operations = [
        migrations.AddField(
            model_name="viewer",
            name="is_owner",
            field=models.BooleanField(db_default=False, default=False, help_text="Owns the server."),
        ),
        migrations.AddConstraint(
            model_name="viewer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_owner", True)), fields=("server",), name="watchstats_viewer_one_owner"
            ),
        ),
    ]
