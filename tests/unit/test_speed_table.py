"""What the speed benchmarks make of their turns, and the pages that they write."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks import fleet, page, parts, sampler
from benchmarks.pairs import Command, Launcher, Measured, Once, Turns, measure, started
from benchmarks.speed import command, contenders, table
from benchmarks.speed.measurements import MEASUREMENTS
from benchmarks.speed.results import Choice, Result

DOCS = Path(__file__).resolve().parents[2] / "docs"
BY_NAME = {measurement.name: measurement for measurement in MEASUREMENTS}


def measured(*seconds: float, since: int = 1) -> Measured:
    return Measured({number: Once(second, second / 2, 40 + second) for number, second in enumerate(seconds, since)})


def result(length: int = 100, **found: Measured) -> Result:
    return Result(BY_NAME["all"], length, "dense", found)


def test_a_ratio_is_to_the_base_of_the_same_turn() -> None:
    assert measured(1.0, 4.0, 9.0).ratios(measured(10.0, 20.0, 30.0)) == [0.1, 0.2, 0.3]


def test_a_ratio_is_to_the_median_of_the_base_where_it_did_not_run_in_that_turn() -> None:
    assert measured(1.0, 2.0).ratios(measured(100.0, since=0)) == [0.01, 0.02]


@pytest.mark.parametrize(("seconds", "number"), [(0.001, 9), (2.5, 4), (10, 3), (1000, 3)])
def test_there_are_as_many_turns_as_fit_but_no_fewer_than_the_least(seconds: float, number: int) -> None:
    assert Turns(least=3, most=9, budget=10).number(seconds) == number


def python(name: str, code: str, tmp_path: Path, **options: object) -> Command:
    return Command(name, [sys.executable, "-c", code], tmp_path, {}, **options)  # type: ignore[arg-type]


def test_the_first_turn_warms_up_and_what_takes_long_has_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    took = {"short": 0.1, "long": 0.5}
    monkeypatch.setattr(Launcher, "run", lambda self, command: Once(took[command.name], 0.0, 0.0))
    short, long = python("short", "", tmp_path), python("long", "", tmp_path)
    measureds = measure([short, long], Turns(least=3, most=3, budget=0, once=0.4))
    assert (list(measureds["short"].turns), list(measureds["long"].turns)) == ([1, 2, 3], [0])


def test_who_fails_has_the_reason_in_place_of_turns_and_the_others_are_measured(tmp_path: Path) -> None:
    def check() -> None:
        raise RuntimeError("exit 0, and there is no table")

    commands = [
        python("fine", "", tmp_path),
        python("broken", "raise SystemExit('it broke')", tmp_path),
        python("idle", "", tmp_path, check=check),
    ]
    measureds = measure(commands, Turns(1, 1, 0))
    assert {name: (len(one_measured.turns), one_measured.failed) for name, one_measured in measureds.items()} == {
        "fine": (1, ""),
        "broken": (0, "exit 1: it broke"),
        "idle": (0, "exit 0, and there is no table"),
    }


def test_who_fails_later_on_has_no_turns_left(tmp_path: Path) -> None:
    once = "import os; os.mkdir('made')"  # what exists cannot be made again
    measureds = measure([python("fine", "", tmp_path), python("once", once, tmp_path)], Turns(2, 2, 0))
    assert list(measureds["fine"].turns) == [1, 2]
    assert measureds["once"].turns == {}
    assert measureds["once"].failed.startswith("exit 1: FileExistsError")


def test_memory_is_the_command_s_own_and_not_the_benchmark_s(tmp_path: Path) -> None:
    ballast = bytearray(200 * 2**20)
    with started() as launched:
        assert launched.run(python("small", "", tmp_path)).memory < 60
        assert launched.run(python("large", "bytearray(100 * 2**20)", tmp_path)).memory > 100
    del ballast


def test_copies_run_at_once_and_their_cpu_is_summed(tmp_path: Path) -> None:
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    with started() as launched:
        assert launched.run(python("four", spin, tmp_path, copies=4)).cpu >= 0.8


def test_a_result_is_shown_with_its_ratio_spread_memory_and_turns() -> None:
    lines = list(table.text(result(stock=measured(10.0, 20.0, 30.0), lockgate=measured(1.0, 4.0, 9.0))))
    assert lines[0] == "Everything pending, in an empty database: 100 migrations, dense"
    assert re.split(r"  +", lines[2].strip()) == ["stock Django", "20.000 s", "1.000", "1.000 to 1.000", "70 MiB", "3"]
    assert re.split(r"  +", lines[3].strip()) == ["Lockgate", "4.000 s", "0.200", "0.100 to 0.300", "49 MiB", "3"]


def test_who_is_not_there_is_said_not_to_be() -> None:
    lines = list(table.text(result(stock=measured(1.0), snapshot=Measured(failed="lockgate snapshot not there"))))
    assert lines[-1].split("  ")[-1].strip() == "lockgate snapshot not there"


def test_the_page_has_a_table_for_each_measurement_and_a_column_for_each_history() -> None:
    text = table.markdown(
        [
            result(100, stock=measured(2.0, 2.0, 2.0), lockgate=measured(0.5, 0.5, 0.5)),
            result(1000, stock=measured(50.0), lockgate=Measured(failed="exit 1: it broke")),
        ]
    )
    assert text == (
        "### Everything pending, in an empty database\n\n"
        "| | 100 dense | 1,000 dense |\n|---|---|---|\n"
        "| stock Django | 2.000 s, 42 MiB, 3 turns | 50.000 s, 90 MiB, 1 turn |\n"
        "| Lockgate | 0.500 s, **0.250** (0.250 to 0.250), 40 MiB, 3 turns | exit 1: it broke |\n"
    )


def test_without_a_base_there_is_no_ratio() -> None:
    shown = table.markdown([result(stock=Measured(failed="exit 1: no"), lockgate=measured(0.5))])
    assert "| Lockgate | 0.500 s, 40 MiB, 1 turn |" in shown


def test_a_fleet_s_page_has_cpu_and_time_to_the_last() -> None:
    measureds = {contender.name: Measured(failed="not there") for contender in fleet.CONTENDERS}
    measureds |= {"stock": measured(8.0), "ordinary": measured(2.0)}
    rows = fleet.markdown(measureds).splitlines()
    assert rows[2] == "| stock Django | 4.00 s | 1.000 | 8.00 s | 1.000 | 1 |"
    assert rows[3].startswith("| Lockgate | not there |")
    assert rows[4] == "| Lockgate, no manifest | 1.00 s | 0.250 | 2.00 s | 0.250 | 1 |"


@pytest.mark.parametrize("name", [command.NAME, fleet.NAME, parts.NAME])
def test_the_docs_have_the_marks_of_each_benchmark(name: str) -> None:
    page.around(DOCS / "evidence/speed.md", name)


def test_every_contender_can_be_chosen_by_a_name_of_its_own() -> None:
    for measurement in MEASUREMENTS:
        names = [contender.name for contender in measurement.contenders]
        assert len(set(names)) == len(names)
        assert set(names) <= set(contenders.ALL)
        assert names[0] == contenders.STOCK.name


def test_sparse_histories_are_measured_where_they_differ_and_without_peers() -> None:
    choice = Choice(MEASUREMENTS, [10], ["sparse"], ("lockgate", "dbmate"))
    assert [measurement.name for measurement in choice.measured_on("dense")] == [
        measurement.name for measurement in MEASUREMENTS
    ]
    assert [measurement.name for measurement in choice.measured_on("sparse")] == ["all", "last"]
    assert [contender.name for contender in choice.taking_part(BY_NAME["all"], "dense")] == [
        "stock",
        "lockgate",
        "dbmate",
    ]
    assert [contender.name for contender in choice.taking_part(BY_NAME["all"], "sparse")] == ["stock", "lockgate"]


def test_a_stack_is_told_by_the_kind_of_work_that_it_is_at() -> None:
    assert sampler.kind(sys._getframe()) == sampler.REST

    def named(path: str, name: str) -> str:
        space: dict[str, object] = {"kind": sampler.kind, "sys": sys}
        exec(compile(f"def {name}(): return kind(sys._getframe())", path, "exec"), space)
        return str(space[name]())  # type: ignore[operator]

    assert named("/venv/django/db/migrations/state.py", "render_multiple") == "rendering models"
    assert named("/venv/django/db/migrations/state.py", "clone") == "states of the project"
    assert named("/venv/psycopg/cursor.py", "execute") == "SQL: sending it and waiting"
