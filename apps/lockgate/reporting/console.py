"""The one place that speaks to people: events (``lines``) and errors, as text or as JSON.

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

from lockgate import events, facts, foreign
from lockgate.errors import Interrupted, LockgateError
from lockgate.redaction import sifted
from lockgate.reporting.event_lines import is_warning, text


class Stream(Protocol):
    """What is needed of an output: lines in, at once."""

    def write(self, line: str, /) -> Any: ...

    def flush(self) -> None: ...


class TextConsole:
    """Plain lines: events on ``out``, warnings and errors on ``err``."""

    def __init__(self, out: Stream, err: Stream, *, quiet: bool = False) -> None:
        self._out, self._err, self._quiet = out, err, quiet

    def __call__(self, event: events.Event) -> None:
        if not self._quiet and (line := text(event)):
            warning = is_warning(event)
            line = foreign.line(line)
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

    def __call__(self, event: events.Event) -> None:
        if not self._quiet:
            warning = is_warning(event)
            fields = {"message": text(event), **{name: _plain(value) for name, value in event._asdict().items()}}
            stream, level = (self._err, "warning") if warning else (self._out, "info")
            self._line(stream, level, events.NAMES[type(event)], fields)

    def failure(self, error: LockgateError | Interrupted) -> None:
        parts = _parts(error)
        self._line(self._err, "error", "failed", {**parts, "error": type(error).__name__})

    def _line(self, stream: Stream, level: str, event: str, fields: dict[str, Any]) -> None:
        head = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event}
        plain = json.loads(json.dumps(fields, default=str))
        # Value by value: in a line that is written already, a secret's end may look like a part of its quotes.
        told = foreign.within(foreign.within(plain, sifted))
        _write(stream, json.dumps({**head, **told}, ensure_ascii=False))


Console = TextConsole | JsonConsole


def _plain(value: object) -> object:
    """A fact inside an event as JSON has it."""
    if isinstance(value, tuple) and value and all(isinstance(each, facts.Blocker) for each in value):
        return [each._asdict() for each in value]
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _write(stream: Stream, line: str) -> None:
    stream.write(line if line.endswith("\n") else line + "\n")
    stream.flush()


def describe(error: LockgateError | Interrupted) -> str:
    """An error as WHAT, WHY, STATE and NEXT, one under the other, each as it may be shown."""
    parts = {name: foreign.part(each) for name, each in _parts(error).items()}
    shown = LockgateError(parts["what"], why=parts["why"], state=parts["state"], next_step=parts["next"])
    shown.operation, shown.statement = parts["operation"], parts["statement"]
    return str(shown)


def _parts(error: LockgateError | Interrupted) -> dict[str, str]:
    where = {"operation": error.operation, "statement": error.statement}
    if isinstance(error, Interrupted):
        parts = _parts_of_interruption(error)
        return {
            "what": parts["what"],
            "why": parts["why"],
            "state": parts["state"],
            "next": parts["next_step"],
            **where,
        }
    return {"what": error.what, "why": error.why, "state": error.state, "next": error.next_step, **where}


def _parts_of_interruption(error: Interrupted) -> dict[str, str]:
    return {
        "what": f"interrupted by {error.signal_name}",
        "why": "the process was asked to stop",
        "state": error.state,
        "next_step": "run again; it continues from there",
    }
