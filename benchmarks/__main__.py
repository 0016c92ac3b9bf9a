"""``python -m benchmarks [NAME …]``: run the benchmarks named, or all."""

from __future__ import annotations

import importlib
import sys

from project import embedded

ALL = ("noop",)


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(ALL)}\n")
        return 2
    with embedded.server() as url:
        for name in names or ALL:
            importlib.import_module(f"benchmarks.{name}").run(url)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
