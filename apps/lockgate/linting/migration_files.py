"""Where migrations are on disk: whose they are, which changed since a commit, and where each operation stands."""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from django.db.migrations import Migration

import lockgate
from lockgate.errors import ConfigurationError, WrongArgument

TIMEOUT = 60  # seconds


def path_of(migration: Migration) -> Path | None:
    """Its file; None for a migration that was not loaded from one."""
    module = sys.modules.get(type(migration).__module__)
    file = getattr(module, "__file__", None)
    return Path(file) if file else None


def is_installed(migration: Migration) -> bool:
    """Whether it came with a package, ours among them, and so is not this project's to change."""
    path = path_of(migration)
    return path is not None and not _packages().isdisjoint(path.resolve().parents)


@cache
def _packages() -> frozenset[Path]:
    """The folders that packages are installed into, and our own."""
    folders = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), Path(lockgate.__file__).parent)
    return frozenset(Path(folder).resolve() for folder in folders)


def changed_since(reference: str) -> set[Path]:
    """Files added or changed since a commit, and those that git does not know yet, resolved.

    Runs git in the working directory. Raises WrongArgument where that is no repository, or for an unknown commit.
    """
    top = Path(_git("rev-parse", "--show-toplevel").strip())
    commit = _git("rev-parse", "--verify", "--end-of-options", f"{reference}^{{commit}}").strip()
    changed = _git("-C", str(top), "diff", "--name-only", "--diff-filter=AMR", "-z", commit, "--")
    fresh = _git("-C", str(top), "ls-files", "--others", "--exclude-standard", "-z")
    return {(top / name).resolve() for name in (changed + fresh).split("\0") if name}


def among(migrations: Iterable[Migration], files: set[Path]) -> list[Migration]:
    """Those of the migrations whose file is one of these."""
    return [migration for migration in migrations if (path := path_of(migration)) and path.resolve() in files]


def installed_twin(path: Path, migrations: Iterable[Migration]) -> Migration | None:
    """The migration of a package that has the app, folder and name of a file elsewhere: an installed copy of it."""
    return next(
        (
            migration
            for migration in migrations
            if (loaded := path_of(migration)) and loaded.parts[-3:] == path.parts[-3:] and is_installed(migration)
        ),
        None,
    )


def _git(*arguments: str) -> str:
    try:
        ended = subprocess.run(  # noqa: S603  our own command line
            ["git", *arguments],  # noqa: S607  whichever git the developer uses
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigurationError("git is not installed", why="--since asks it what changed") from None
    if ended.returncode:
        raise WrongArgument(
            f"git {arguments[0]} failed", why=ended.stderr, next_step="give a commit, branch or tag that git knows here"
        )
    return ended.stdout


def line_of(path: Path, operation: int | None) -> int:
    """The line an operation begins in, or that of the class; 1 where the source has another form."""
    begins, lines = _lines(path)
    return begins if operation is None or operation >= len(lines) else lines[operation]


@cache
def _lines(path: Path) -> tuple[int, tuple[int, ...]]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return 1, ()
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "Migration":
            return node.lineno, tuple(line for statement in node.body for line in _of_operations(statement))
    return 1, ()


def _of_operations(node: ast.stmt) -> list[int]:
    """The lines of the operations' list, where this assigns it as one."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    named = any(isinstance(target, ast.Name) and target.id == "operations" for target in targets)
    value = getattr(node, "value", None)
    plain = isinstance(value, ast.List) and not any(isinstance(element, ast.Starred) for element in value.elts)
    return [element.lineno for element in value.elts] if named and plain else []  # type: ignore[union-attr]
