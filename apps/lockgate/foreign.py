"""Text that others wrote, as it may stand in a message of ours: no character that a terminal obeys, and not for ever.

Escape sequences, line breaks in a line, and marks that turn the direction of writing are shown as Python writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lockgate import policy

# C0 but for tab and newline, DEL and C1; separators of lines and paragraphs; marks of direction, what has no width,
# and halves of characters, which no stream can write.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)

# What Django's styles write: colours, bold, underscore, blink and reverse, or none of them. Nothing that hides a text.
_STYLE = re.compile(r"(\x1b\[(?:(?:[013457]|22|[34][0-7])(?:;(?=\d))?)*m)")


def visible(text: str) -> str:
    """A text of some lines."""
    return _OBEYED.sub(lambda match: ascii(match[0])[1:-1], text)


def styled(text: str) -> str:
    """The same, for who is shown colours: those stay."""
    parts = _STYLE.split(text)
    parts[::2] = map(visible, parts[::2])
    return "".join(parts)


def bounded(text: str, most: int = policy.FOREIGN_TEXT_SHOWN) -> str:
    """A visible text that is not longer than one can read."""
    shown = visible(text[:most])
    over = len(text[most:]) + len(shown[most:])
    return f"{shown[:most]}… ({over} characters more)" if over else shown


def part(text: str) -> str:
    """A part of a message of ours as it leaves: with what stands behind a foreign text that was bounded before."""
    return bounded(text, policy.PART_SHOWN)


def line(text: str) -> str:
    """A part that is one line: a break in it would make a line that we never wrote."""
    return part(text).replace("\n", "\\n").replace("\t", "\\t")


def within(value: Any, change: Callable[[str], str] = part) -> Any:
    """What JSON has, with every text in it changed: to a part, if nothing else is said."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [within(item, change) for item in value]
    return {key: within(item, change) for key, item in value.items()} if isinstance(value, dict) else value
