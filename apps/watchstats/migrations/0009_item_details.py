"""An item's runtime and summary, a plausible year, and a list by kind and title."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("watchstats", "0008_playback_delivery")]

    operations = [
        migrations.AddField(
            model_name="item",
            name="runtime_seconds",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="item",
            name="summary",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(fields=["kind", "title"], name="watchstats_item_kind_title"),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.CheckConstraint(
                condition=models.Q(("year__isnull", True), ("year__range", (1870, 2200)), _connector="OR"),
                name="watchstats_item_year_plausible",
            ),
        ),
    ]
