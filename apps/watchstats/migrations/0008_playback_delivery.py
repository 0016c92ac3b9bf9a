"""How a playback reached the client; transcoding, which is what loads a server, can be found quickly."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watchstats", "0007_viewer_owner")]

    operations = [
        migrations.AddField(
            model_name="playback",
            name="delivery",
            field=models.CharField(
                choices=[("direct", "direct play"), ("remux", "remux"), ("transcode", "transcode")],
                db_default="direct",
                default="direct",
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="playback",
            constraint=models.CheckConstraint(
                condition=models.Q(("delivery__in", ["direct", "remux", "transcode"])),
                name="watchstats_playback_delivery_known",
            ),
        ),
        migrations.AddIndex(
            model_name="playback",
            index=models.Index(
                condition=models.Q(("delivery", "transcode")),
                fields=["started_at"],
                name="watchstats_playback_transcoded",
            ),
        ),
    ]
