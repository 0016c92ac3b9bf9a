"""The projects that speed is measured on: what they are made of, and that they are what their migrations say."""

from __future__ import annotations

import ast
import filecmp
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import histories
from tests.support.sites import ROOT

# A server that nobody runs: makemigrations asks the database whether its history is consistent, and goes on without it.
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def migrations(project: Path) -> list[Path]:
    return sorted(project.glob("app*/migrations/0*.py"))


def text(project: Path) -> str:
    return "".join(path.read_text() for path in migrations(project))


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return histories.write(tmp_path_factory.mktemp("dense") / "project", 200, "dense", "lockgate")


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return histories.write(tmp_path_factory.mktemp("sparse") / "project", 200, "sparse", "stock")


def test_migrations_are_spread_evenly_over_ten_apps(dense: Path) -> None:
    counted = Counter(path.parts[-3] for path in migrations(dense))
    assert counted == dict.fromkeys(histories.APPS, 20)


def test_a_history_is_made_of_the_whole_cycle_in_equal_parts_and_so_are_its_last_migrations(dense: Path) -> None:
    kinds = r"migrations\.(CreateModel|AddField|AddIndex|AlterField|RunPython|AddConstraint)\("
    counts = Counter(re.findall(kinds, text(dense)))
    assert dict(counts) == {
        "CreateModel": 34,  # ten of them roots
        "AddField": 71,  # three of the cycle's eight
        "AddIndex": 25,
        "AlterField": 24,
        "RunPython": 23,
        "AddConstraint": 23,
    }
    last = [path for path in migrations(dense) if path.name.startswith("0020")]
    assert set(re.findall(kinds, "".join(path.read_text() for path in last))) == set(counts)


def test_every_model_of_a_dense_history_refers_to_the_user_its_root_and_the_root_before(dense: Path) -> None:
    models = ast.parse((dense / "app3" / "models.py").read_text())
    classes = [ast.unparse(each) for each in models.body if isinstance(each, ast.ClassDef)]
    assert len(classes) > 2
    assert [
        class_ for class_ in classes if "settings.AUTH_USER_MODEL" not in class_ or "'app2.Root'" not in class_
    ] == []
    assert [class_ for class_ in classes if "'app3.Root'" not in class_] == []


def test_no_app_of_a_sparse_history_knows_another(sparse: Path) -> None:
    for path in migrations(sparse):
        assert set(re.findall(r"\bapp\d", path.read_text())) <= {path.parts[-3]}
    assert "ForeignKey('app3.Root'" in text(sparse)
    assert "AUTH_USER_MODEL" not in re.sub("from django.conf.*", "", text(sparse))


def test_the_same_arguments_write_the_same_files(dense: Path, tmp_path: Path) -> None:
    again = histories.write(tmp_path / "again", 200, "dense", "lockgate")
    names = [str(path.relative_to(again)) for path in again.rglob("*") if path.is_file()]
    assert len(names) > 200
    assert filecmp.cmpfiles(dense, again, names, shallow=False) == (names, [], [])


def test_stock_and_lockgate_differ_in_installed_apps_and_manage_py_alone(dense: Path, tmp_path: Path) -> None:
    stock = histories.write(tmp_path / "stock", 200, "dense", "stock")
    names = [str(path.relative_to(stock)) for path in stock.rglob("*") if path.is_file()]
    _, different, missing = filecmp.cmpfiles(dense, stock, names, shallow=False)
    assert (sorted(different), missing) == (["manage.py", "settings.py"], [])
    ours = (dense / "settings.py").read_text()
    assert ours.replace("'lockgate', ", "") == (stock / "settings.py").read_text()


@pytest.mark.parametrize("shape", histories.SHAPES)
def test_models_are_what_the_migrations_say(shape: str, tmp_path: Path) -> None:
    project = histories.write(tmp_path / "project", 200, shape, "stock")
    command = [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "apps"), "DATABASE_URL": NOWHERE}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "No changes detected\n")


def test_a_history_that_cannot_be_spread_evenly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no history of 15 migrations"):
        histories.write(tmp_path / "project", 15, "dense", "stock")
    assert list(tmp_path.iterdir()) == []
