"""What ``make mutate`` changes: valid code, one place at a time, found again by its text."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.mutation import mutants
from tests.mutation.__main__ import all_mutants, equivalent
from tests.support.sites import ROOT

SOURCE = """
def ask(rows, run):
    if rows and run is not None:
        raise Unknown
    return rows.filter(run_id__lt=run.pk)
"""


def made(folder: Path, source: str) -> dict[str, list[str]]:
    (folder / "module.py").write_text(source)
    return {
        mutant.key: mutant.applied(source.encode()).decode().splitlines() for mutant in mutants.of(folder, "module.py")
    }


def test_each_changes_one_line_and_no_two_are_the_same(tmp_path: Path) -> None:
    found = made(tmp_path, SOURCE)
    for key, after in found.items():
        assert sum(old != new for old, new in zip(SOURCE.splitlines(), after, strict=True)) == 1, key
    assert len({tuple(after) for after in found.values()}) == len(found)
    assert "    return rows.filter()" in {line for after in found.values() for line in after}


def test_a_mutant_is_known_by_its_text_and_not_by_its_place(tmp_path: Path) -> None:
    assert made(tmp_path, SOURCE).keys() == made(tmp_path, "# more\n\n" + SOURCE).keys()


def test_those_of_the_product_are_valid_code() -> None:
    found_mutants = all_mutants("")
    assert len(found_mutants) > 2000
    sources = {mutant.path: (ROOT / mutant.path).read_bytes() for mutant in found_mutants}
    for mutant in found_mutants[:500]:
        ast.parse(mutant.applied(sources[mutant.path]))


def test_those_called_equivalent_have_a_reason() -> None:
    known = equivalent()
    assert known
    assert all(known.values())
