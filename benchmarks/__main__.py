"""``python -m benchmarks [NAME …]``: run the benchmarks named, or all that take a minute.

``python -m benchmarks stall [OPTION …]`` takes longer, and options of its own.
"""

from __future__ import annotations

import importlib
import sys

from project import embedded

ALL = ("noop",)
WITH_OPTIONS = ("stall",)


def main(names: list[str]) -> int:
    if names and names[0] in WITH_OPTIONS:
        return int(importlib.import_module(f"benchmarks.{names[0]}.command").main(names[1:]))
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(ALL + WITH_OPTIONS)}\n")
        return 2
    with embedded.server() as url:
        for name in names or ALL:
            importlib.import_module(f"benchmarks.{name}").run(url)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
