"""How much an event matters: as the level of a log line has it."""

from __future__ import annotations

from typing import Literal

Level = Literal["debug", "info", "warning", "error"]
