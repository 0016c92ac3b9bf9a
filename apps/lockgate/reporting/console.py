"""The one place that speaks to people: events, which bring their own sentences, and errors, as text or as JSON.

Text lines carry no colour and no cursor movement, because they end in container logs; a terminal gets a live line on
top (``reporting.terminal``). What others wrote is masked where it became a part of an event or error, and the streams
of a command look once more (``redaction``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

from lockgate import facts, foreign
from lockgate.errors import Interrupted, LockgateError, told
from lockgate.events import Event, Failed
from lockgate.redaction import sifted


class Stream(Protocol):
    """What is needed of an output: lines in, at once."""

    def write(self, line: str, /) -> Any: ...

    def flush(self) -> None: ...


class TextConsole:
    """Plain lines: events on ``out``, warnings and errors on ``err``."""

    def __init__(self, out: Stream, err: Stream, *, quiet: bool = False) -> None:
        self._out, self._err, self._quiet = out, err, quiet

    def __call__(self, event: Event) -> None:
        if not self._quiet and event.message:
            line = foreign.line(event.message)
            warning = event.level == "warning"
            _write(self._err if warning else self._out, f"warning: {line}" if warning else line)

    def failure(self, error: LockgateError | Interrupted) -> None:
        _write(self._err, f"error: {describe(error)}")

    @contextlib.contextmanager
    def writing_to(self, stream: Stream) -> Iterator[None]:
        """Let lines, warnings too, appear on another stream for the length of the block."""
        kept = self._out, self._err
        self._out = self._err = stream
        try:
            yield
        finally:
            self._out, self._err = kept


class JsonConsole:
    """One JSON object a line: ``{"time", "level", "event", …}``; errors carry what, why, state and next."""

    def __init__(self, out: Stream, err: Stream, *, quiet: bool = False) -> None:
        self._out, self._err, self._quiet = out, err, quiet

    def __call__(self, event: Event) -> None:
        if not self._quiet:
            stream = self._err if event.level == "warning" else self._out
            self._line(stream, event, {"message": event.message, **_fields(event)})

    def failure(self, error: LockgateError | Interrupted) -> None:
        failed = Failed.of(error)
        self._line(self._err, failed, _fields(failed))

    def _line(self, stream: Stream, event: Event, fields: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        head = {"time": now, "level": event.level, "event": event.kind}
        plain = json.loads(json.dumps(fields, default=str))
        # Value by value: in a line that is written already, a secret's end may look like a part of its quotes.
        told = foreign.within(foreign.within(plain, sifted))
        _write(stream, json.dumps({**head, **told}, ensure_ascii=False))


Console = TextConsole | JsonConsole


def _fields(event: Event) -> dict[str, Any]:
    """What an event is about: its fields, less its name and its level."""
    return {name: _plain(value) for name, value in event._asdict().items() if name not in ("kind", "level")}


def _plain(value: object) -> object:
    """A fact inside an event as JSON has it."""
    if isinstance(value, tuple) and value and all(isinstance(item, facts.Blocker) for item in value):
        return [item._asdict() for item in value]
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _write(stream: Stream, line: str) -> None:
    stream.write(line if line.endswith("\n") else line + "\n")
    stream.flush()


def describe(error: LockgateError | Interrupted) -> str:
    """An error as WHAT, WHY, STATE and NEXT, one under the other, each as it may be shown."""
    *parts, operation, statement = map(foreign.part, Failed.of(error)[:6])
    return told(*parts, operation=operation, statement=statement)
