"""What the stall benchmark asks of a migration, and the page that it writes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import page as pages
from benchmarks.stall import operations, planned, report, verdict
from benchmarks.stall.cell import Cell, Ended
from benchmarks.stall.contenders import LOCKGATE, STOCK
from benchmarks.stall.load import Sample
from benchmarks.stall.traffic import Observed, observe

BEGIN, END = pages.begin(report.NAME), pages.END
REST = Observed(600, 0.020, 0.005, Counter())
BASELINES = {"alone": REST}
RESTS = {"alone": [REST, REST]}


def cell(longest: float = 0.030, failed: Counter[str] | None = None, code: int | None = 0, name: str = "stock") -> Cell:
    observed = Observed(300, longest, longest / 2, failed or Counter())
    return Cell("AddIndex", name, "alone", observed, Ended(code, 1.5, "it broke" if code else ""))


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (cell(), []),
        (cell(longest=0.119), []),
        (cell(longest=0.145), ["longest stall 125 ms above the baseline's, 100 allowed"]),
        (cell(failed=Counter({"42703": 3, "23502": 1})), ["failed queries: 23502: 1, 42703: 3"]),
        (cell(code=1), ["exit 1: it broke"]),
        (cell(code=None), ["ended by the time limit: "]),
    ],
)
def test_asked_are_no_failed_query_no_stall_and_success(measured: Cell, expected: list[str]) -> None:
    assert verdict.misses(measured, BASELINES) == expected


def test_the_baseline_is_what_a_turn_usually_comes_to_whatever_happened_in_one() -> None:
    turns = [Observed(10, longest, longest / 2, Counter()) for longest in (0.02, 0.28, 0.04)]
    assert verdict.typical(turns) == Observed(30, 0.04, 0.02, Counter())


def test_what_was_due_before_the_moment_does_not_count() -> None:
    samples = [Sample(1.0, 9.0, "select order", "42703"), Sample(2.0, 0.5, "select order", "")]
    assert observe(samples, since=1.5) == Observed(1, 0.5, 0.5, Counter())


def test_the_baseline_is_shown_with_how_much_it_varied() -> None:
    turns = [Observed(10, longest, longest / 2, Counter()) for longest in (0.02, 0.28, 0.04)]
    assert list(report.baselines(report.Results((), {"beside": turns}, []))) == [
        "baseline beside: longest 40 ms (median of 3 turns, 20 to 280), p99 20 ms, none failed, of 30 queries"
    ]


def test_a_miss_of_ours_has_what_the_plan_says_beside_it_and_nobody_elses_has() -> None:
    results = report.Results((), RESTS, [cell(code=1), cell(code=1, name="lockgate")], {"AddIndex": "planned so"})
    assert list(report.summary(results, [STOCK, LOCKGATE])) == [
        "Django: 0 of 1 as asked",
        "  AddIndex, alone: exit 1: it broke",
        "Lockgate: 0 of 1 as asked",
        "  AddIndex, alone: exit 1: it broke (planned so)",
    ]


def test_a_plan_is_told_by_its_phases_and_by_why_steps_stay_in_place() -> None:
    steps = [
        {"phase": "expand", "reason": "built online", "kept_in_place": ""},
        {"phase": "switch", "reason": "no rows are read", "kept_in_place": ""},
        {"phase": "switch", "reason": "changes the type", "kept_in_place": "a view uses it"},
    ]
    assert planned.described(steps) == "planned in expand, switch; no rows are read; a view uses it"


def test_a_page_gets_the_table_between_its_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    cells = [cell(), cell(longest=4.5, name="lockgate")]
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
    report.write(page, report.Results(("measured here",), RESTS, cells), [STOCK, LOCKGATE])
    text = page.read_text()
    assert text.startswith(f"above\n{BEGIN}\n\n- measured here\n")
    assert text.endswith(f"{END}\nbelow\n")
    assert "old" not in text
    assert "| AddIndex | 30 / 15 ms, 1.5 s | **4,500 / 2,250 ms, 1.5 s** |" in text
    assert "- Django: 1 of 1 as asked\n- Lockgate: 0 of 1 as asked\n  - AddIndex, alone: longest stall 4,480 ms" in text


def test_a_page_without_marks_is_refused_and_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="has no marks"):
        report.write(page, report.Results((), {}, []), [])
    assert page.read_text() == "no marks"


def test_the_docs_have_the_marks_that_the_table_is_written_between() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/evidence/stalls.md").read_text(encoding="utf-8")
    assert BEGIN in text
    assert END in text


def test_operations_are_chosen_by_any_word_of_their_name_and_every_name_is_its_own() -> None:
    names = [operation.name for operation in operations.OPERATIONS]
    assert len(set(names)) == len(names)
    assert {operation.name for operation in operations.chosen(["addindex", "RunSQL"])} == {
        "AddIndex",
        "AddIndexConcurrently",
        "RunSQL, 100 rows",
    }
    assert operations.chosen([]) == list(operations.OPERATIONS)
