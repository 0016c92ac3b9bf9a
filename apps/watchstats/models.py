"""Who watched what, on which server.

Every default lives in the database (``db_default``), so that a release that does not know a column can still
insert rows while the next one is being deployed. Invariant: a playback is never changed after it was stored.
"""

from __future__ import annotations

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class Server(models.Model):
    """A media server that reports playbacks. It is known by its name; the id is made by the database."""

    class Kind(models.TextChoices):
        PLEX = "plex", "Plex"
        JELLYFIN = "jellyfin", "Jellyfin"
        EMBY = "emby", "Emby"
        OTHER = "other", "other"

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.OTHER)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="watchstats_server_named"),
            models.CheckConstraint(
                condition=Q(kind__in=["plex", "jellyfin", "emby", "other"]),
                name="watchstats_server_kind_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Viewer(models.Model):
    """An account on one server; the same person on two servers is two viewers."""

    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="viewers", db_index=False)
    name = models.CharField(max_length=100)
    is_owner = models.BooleanField(default=False, db_default=False, help_text="Owns the server.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            # Its index also serves the foreign key, which therefore has none of its own.
            models.UniqueConstraint(fields=["server", "name"], name="watchstats_viewer_once_per_server"),
            models.UniqueConstraint(fields=["server"], condition=Q(is_owner=True), name="watchstats_viewer_one_owner"),
            models.CheckConstraint(condition=~Q(name=""), name="watchstats_viewer_named"),
        ]

    def __str__(self) -> str:
        return self.name


class Item(models.Model):
    """Something that can be watched, known on all servers by its guid (``imdb://tt0083658``)."""

    class Kind(models.TextChoices):
        MOVIE = "movie", "movie"
        EPISODE = "episode", "episode"
        TRACK = "track", "track"

    guid = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=20, choices=Kind)
    title = models.CharField(max_length=300)
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    runtime_seconds = models.PositiveIntegerField(null=True, blank=True)
    summary = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["kind", "title"], name="watchstats_item_kind_title")]
        constraints = [
            models.CheckConstraint(condition=~Q(guid="") & ~Q(title=""), name="watchstats_item_named"),
            models.CheckConstraint(
                condition=Q(kind__in=["movie", "episode", "track"]), name="watchstats_item_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(year__isnull=True) | Q(year__range=(1870, 2200)),
                name="watchstats_item_year_plausible",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.year})" if self.year else self.title


class Playback(models.Model):
    """One viewing, reported once by its event id.

    ``server`` repeats ``viewer.server``, so that one index finds a server's playbacks. The foreign keys have
    no index of their own: the composite ones below begin with them.
    """

    class Delivery(models.TextChoices):
        DIRECT = "direct", "direct play"
        REMUX = "remux", "remux"
        TRANSCODE = "transcode", "transcode"

    event_id = models.UUIDField(unique=True)
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="playbacks", db_index=False)
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, related_name="playbacks", db_index=False)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="playbacks", db_index=False)
    started_at = models.DateTimeField()
    stopped_at = models.DateTimeField()
    watched_seconds = models.PositiveIntegerField(help_text="Without pauses.")
    client = models.CharField(max_length=100, blank=True, default="", db_default="")
    delivery = models.CharField(
        max_length=20, choices=Delivery, default=Delivery.DIRECT, db_default=Delivery.DIRECT.value
    )
    received_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["-started_at", "-id"], name="watchstats_playback_recent"),
            models.Index(fields=["server", "-started_at"], name="watchstats_playback_server"),
            models.Index(fields=["viewer", "-started_at"], name="watchstats_playback_viewer"),
            models.Index(fields=["item", "-started_at"], name="watchstats_playback_item"),
            models.Index(
                fields=["started_at"],
                condition=Q(delivery="transcode"),
                name="watchstats_playback_transcoded",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(stopped_at__gte=F("started_at")), name="watchstats_playback_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(delivery__in=["direct", "remux", "transcode"]),
                name="watchstats_playback_delivery_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} watched {self.item_id} at {self.started_at:%Y-%m-%d %H:%M}"
