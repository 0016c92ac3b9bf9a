"""Pages of the docs that have measured tables between marks."""

from __future__ import annotations

from pathlib import Path

END = "<!-- end -->"


def begin(name: str) -> str:
    """The mark before what the benchmark of that name writes."""
    return f"<!-- made by python -m benchmarks {name}: begin -->"


def around(path: Path, name: str) -> tuple[str, str]:
    """What stands before and after the marks of a page. ValueError where it has none."""
    before, _, rest = path.read_text(encoding="utf-8").partition(begin(name))
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{path} has no marks {begin(name)} and {END}")
    return before, after


def write(path: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of a page."""
    before, after = around(path, name)
    path.write_text(f"{before}{begin(name)}\n\n{text}\n{END}{after}", encoding="utf-8")
