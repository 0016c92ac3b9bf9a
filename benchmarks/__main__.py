"""``python -m benchmarks [NAME [OPTION …]]``: run the benchmark of that name, or all that ``make bench`` runs."""

from __future__ import annotations

import importlib
import sys

USUAL = {"speed": "benchmarks.speed.command", "fleet": "benchmarks.fleet", "parts": "benchmarks.parts"}
ALL = {**USUAL, "stall": "benchmarks.stall.command"}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        return max(_run(name, arguments) for name in USUAL)
    name, *options = arguments
    if name not in ALL:
        sys.stderr.write(f"no such benchmark: {name}; there are: {', '.join(ALL)}\n")
        return 2
    return _run(name, options)


def _run(name: str, options: list[str]) -> int:
    return int(importlib.import_module(ALL[name]).main(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
