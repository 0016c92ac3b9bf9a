"""Fill in the server of the playbacks that were stored before the column existed."""

from django.db import migrations
from django.db.models import OuterRef, Subquery

BATCH = 5_000  # rows an UPDATE touches: some 50 ms on a small server, and a statement's worth of memory


def fill_servers(apps, schema_editor):
    alias = schema_editor.connection.alias
    Playback = apps.get_model("watchstats", "Playback")
    Viewer = apps.get_model("watchstats", "Viewer")
    unfilled = Playback.objects.using(alias).filter(server=None)
    server_of_viewer = Viewer.objects.using(alias).filter(pk=OuterRef("viewer")).values("server")
    last = 0
    while batch := list(unfilled.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        unfilled.filter(pk__gt=last, pk__lte=batch[-1]).update(server=Subquery(server_of_viewer))
        last = batch[-1]


def empty_servers(apps, schema_editor):
    """Back to the column as 0003 left it; nothing is lost, since the viewer still names the server."""
    Playback = apps.get_model("watchstats", "Playback")
    Playback.objects.using(schema_editor.connection.alias).exclude(server=None).update(server=None)


class Migration(migrations.Migration):
    dependencies = [("watchstats", "0003_playback_server")]

    operations = [migrations.RunPython(fill_servers, empty_servers)]
