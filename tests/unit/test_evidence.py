"""README is short, and quotes figures as docs/evidence has them: a page that is made anew says what to quote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = ROOT / "docs/evidence"
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIGURE = re.compile(r"\d[\d,.]* (?:m?s)\b")
CITED = "32 processes of `migrate --noinput` at once, 1,000 dense migrations"
ALL, NOTHING, FLEET, BESIDE = (
    "### Everything pending, in an empty database",
    "### Nothing pending",
    "## Containers that start at once",
    "### Beside a 5 s analytics transaction",
)

# A row of README, and where each of its figures is from: page, heading, column, row.
QUOTES = {
    "nothing to migrate, of 1,000 migrations": (
        ("speed", NOTHING, "1,000 dense", "stock Django"),
        ("speed", NOTHING, "1,000 dense", "Lockgate"),
    ),
    "32 containers start, nothing to migrate": (
        ("speed", FLEET, "CPU of all", "stock Django"),
        ("speed", FLEET, "until the last is ready", "stock Django"),
        ("speed", FLEET, "CPU of all", "Lockgate"),
        ("speed", FLEET, "until the last is ready", "Lockgate"),
    ),
    "1,000 migrations on an empty database": (
        ("speed", ALL, "1,000 dense", "stock Django"),
        ("speed", ALL, "1,000 dense", "Lockgate"),
        ("speed", ALL, "1,000 dense", "Lockgate, from a snapshot"),
    ),
    "`AddField`, null, beside a report of 5 s": (
        ("stalls", BESIDE, "Django", "AddField, null"),
        ("stalls", BESIDE, "Lockgate", "AddField, null"),
    ),
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def measured(page: str, heading: str, column: str, row: str) -> str:
    """The first figure of a cell of a page's table, with two digits, as README quotes it."""
    text = (EVIDENCE / f"{page}.md").read_text(encoding="utf-8")
    section = text.split(f"\n{heading}\n", 1)[1]
    table = [cells(line) for line in re.split(r"\n#{2,3} ", section)[0].splitlines() if line.startswith("|")]
    value = next(line for line in table if line[0] == row)[table[0].index(column)]
    number, unit = re.match(r"([\d,.]+)(?: / [\d,.]+)? (m?s)\b", value.strip("*")).groups()  # type: ignore[union-attr]
    seconds = float(number.replace(",", "")) / (1000 if unit == "ms" else 1)
    return f"{seconds * 1000:.0f} ms" if seconds < 0.01 else f"{float(f'{seconds:.2g}'):g} s"


def rows() -> dict[str, list[str]]:
    return {cells(line)[0]: cells(line)[1:] for line in README.splitlines() if line.startswith("| ")}


@pytest.mark.parametrize("row", QUOTES)
def test_a_figure_in_readme_is_the_measured_one(row: str) -> None:
    quoted = [figure for cell in rows()[row] for figure in FIGURE.findall(cell)]
    assert quoted == [measured(*source) for source in QUOTES[row]]


def test_the_fleet_that_readme_speaks_of_is_the_one_that_was_measured() -> None:
    assert CITED in (EVIDENCE / "speed.md").read_text(encoding="utf-8")


def test_no_other_row_of_readme_has_a_measured_figure() -> None:
    others = {
        row: [figure for cell in found_row for figure in FIGURE.findall(cell)] for row, found_row in rows().items()
    }
    given = {row: figures for row, figures in others.items() if figures and row not in QUOTES}
    assert given == {"the server is not up yet": ["60 s"]}  # a setting, no measurement


def test_readme_says_how_many_rules_there_are() -> None:
    number = len(list((ROOT / "docs/rules").glob("LG*.md")))
    assert f"[{number} rules](docs/rules/index.md)" in README


def test_readme_is_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= 90


def test_guides_hold_no_table_of_measurements() -> None:
    """They link to the evidence: what a guide repeats is out of date with the next measurement."""
    headings = r"^#+ (?:Measured|What it costs.*|What it saves)$"
    guides = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
    sections = {name: re.findall(rf"{headings}\n(.*?)(?=^#|\Z)", text, re.M | re.S) for name, text in guides.items()}
    assert [name for name, section in sections.items() if any("\n|" in text for text in section)] == []


@pytest.mark.parametrize("page", sorted(EVIDENCE.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_of_evidence_names_the_build_that_it_is_of(page: Path) -> None:
    """The commit; the comparison with other linters has none, because a test makes it anew with the present build."""
    named = r"(?:commit |\((?:before )?|\| )[0-9a-f]{7}\b"
    text = page.read_text(encoding="utf-8")
    assert "Lockgate 0.1.0" in text if page.stem == "comparison" else re.search(named, text)
