"""What a media server reports: the shape of one event, and what makes it plausible.

An event that could not be stored is refused here, with its field named, and never by the database.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

OLDEST = datetime(2000, 1, 1, tzinfo=UTC)  # before there were home media servers; an unset clock says 1970
CLOCK_SKEW = timedelta(days=1)  # a server whose clock or time zone is wrong is off by less
LONGEST = timedelta(days=7)  # a player left paused over a holiday

# PostgreSQL's text cannot hold NUL, and no name or title has another control character.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


def in_utc(moment: datetime) -> datetime:
    """PostgreSQL refuses offsets of 16 hours and more, which ISO 8601 and Python allow."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999 of UTC") from None


def plausible(moment: datetime) -> datetime:
    if not OLDEST <= moment <= datetime.now(UTC) + CLOCK_SKEW:
        raise ValueError(f"must be between {OLDEST:%Y-%m-%d} and now")
    return moment


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]
Moment = Annotated[Instant, AfterValidator(plausible)]


def text(max_length: int, min_length: int = 1) -> StringConstraints:
    """Constraints of a one-line text, counted after surrounding spaces are stripped."""
    return StringConstraints(strip_whitespace=True, min_length=min_length, max_length=max_length, pattern=PRINTABLE)


class Reported(BaseModel):
    """A typing error in a key is an error, not a value that is silently dropped."""

    model_config = ConfigDict(extra="forbid")


class ReportedServer(Reported):
    """The server that reports. An unknown name makes a new server; a changed kind is taken over."""

    name: Annotated[str, text(100)]
    kind: Literal["plex", "jellyfin", "emby", "other"] = "other"


class ReportedItem(Reported):
    """What was watched, described whole: the latest description of a guid replaces the one before."""

    guid: Annotated[str, text(200), Field(examples=["imdb://tt0083658"])]
    kind: Literal["movie", "episode", "track"]
    title: Annotated[str, text(300)]
    year: Annotated[int, Field(ge=1870, le=2200)] | None = None
    runtime_seconds: Annotated[int, Field(ge=0, le=LONGEST.total_seconds())] | None = None


class Event(Reported):
    """One viewing that has ended. ``event_id`` makes it safe to report again."""

    event_id: UUID
    server: ReportedServer
    viewer: Annotated[str, text(100)]
    item: ReportedItem
    started_at: Moment
    stopped_at: Moment
    watched_seconds: Annotated[int, Field(ge=0, description="without pauses")]
    client: Annotated[str, text(100, min_length=0)] = ""
    delivery: Literal["direct", "remux", "transcode"] = "direct"

    @model_validator(mode="after")
    def consistent(self) -> Event:
        """A playback ends after it starts, within days, and cannot be watched for longer than it lasts."""
        lasted = self.stopped_at - self.started_at
        if not timedelta(0) <= lasted <= LONGEST:
            raise ValueError(f"stopped_at must be 0 to {LONGEST.days} days after started_at")
        # A second of grace: reporters round the two differently.
        if self.watched_seconds > lasted.total_seconds() + 1:
            raise ValueError("watched_seconds must not exceed the time from started_at to stopped_at")
        return self
