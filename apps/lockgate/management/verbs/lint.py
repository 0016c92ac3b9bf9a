"""Judges migrations before they reach a live database: what would block, break the serving release, or lose data."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, no_translations
from django.db import connections
from django.db.migrations import Migration

from lockgate import configuration, policy
from lockgate.database import parameters, session
from lockgate.errors import WrongArgument
from lockgate.gate import context, repair
from lockgate.linting import databases, migration_files, own_rules
from lockgate.linting.databases import Databases
from lockgate.linting.selection import LintRequest
from lockgate.management import base, lint_report
from lockgate.management.lint_cache import LintCache
from lockgate.reporting import baseline, hazard_report, open_steps, rule_pages, saved_report
from lockgate.reporting.baseline import Known
from lockgate.reporting.hazard_report import Report


class Command(base.LockgateCommand, BaseCommand):
    help = "Judges migrations: what would block, break the serving release, or lose data. Changes nothing."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("app_label", nargs="?", help="App to judge (default: every app of this project).")
        parser.add_argument("migration_name", nargs="?", help="One migration of the app, or the beginning of its name.")
        parser.add_argument("--since", metavar="GITREF", help="Only files that changed since a commit, as one release.")
        parser.add_argument("--unapplied", action="store_true", help="Only what is pending, as one release.")
        parser.add_argument(
            "--format",
            dest="output",
            choices=tuple(hazard_report.FORMATS),
            default="text",
            help="For people, for machines, for GitHub's annotations, or SARIF (default: text).",
        )
        parser.add_argument("--explain", metavar="ID", help="Explains a rule, with an unsafe and a safe example.")
        parser.add_argument("--baseline", metavar="FILE", help="Findings that are known, and fail nothing.")
        parser.add_argument(
            "--write-baseline", action="store_true", help="Writes what is found now to the file of --baseline."
        )
        parser.add_argument(
            "--cache",
            metavar="DIR",
            help="Keeps the judgement there, and takes it from there while nothing has changed.",
        )
        parser.add_argument(
            "--database",
            choices=tuple(connections),
            help="Judge for this database alone, and ask it for sizes and sessions (default: each that is PostgreSQL).",
        )
        parser.add_argument(
            "--offline", action="store_true", help="Ask no database, and take every table for large (the default)."
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        if options["explain"]:
            self.stdout.write(self._explained(options["explain"]))
            return
        _refuse_combinations(options)
        limits = configuration.in_force()
        changed = frozenset(migration_files.changed_since(options["since"])) if options["since"] else None
        asked = LintRequest(
            options["app_label"], options["migration_name"], changed, options["unapplied"], limits.lint_start_after
        )
        targets = databases.of_project(options["database"])
        asks = not options["offline"] and bool(options["database"] or asked.unapplied)
        folder = options["cache"]
        if folder:
            report = _kept(Path(folder), asked, targets, limits)
        elif asks:
            with _lasting(targets.judged, limits):
                report = lint_report.judge(asked, targets, limits, [], asks=True)
                report = replace(report, notes=(*report.notes, *_left_open(targets.judged, limits)))
        else:
            report = lint_report.judge(asked, targets, limits, [], asks=False)
        if options["baseline"]:
            report = _by_baseline(Path(options["baseline"]), report, asked, write=options["write_baseline"])
        self.stdout.write(hazard_report.FORMATS[options["output"]](report))
        if report.errors:
            sys.exit(1)

    def _explained(self, identity: str) -> str:
        rules = own_rules.in_force(configuration.in_force())
        if rule := rules.get(identity.upper()):
            return rule_pages.explain(rule)
        raise WrongArgument(f'there is no rule "{identity}"', next_step=f"the rules are {', '.join(rules)}")


@contextlib.contextmanager
def _lasting(aliases: Iterable[str], limits: policy.Policy) -> Iterator[None]:
    """Sessions with these databases, which are idle while it is judged for longer than a role's may be."""
    with contextlib.ExitStack() as bounded:
        for alias in aliases:
            connections[alias].ensure_connection()
            bounded.enter_context(parameters.lasting(session.raw(connections[alias]), limits, proven=False))
        yield


def _left_open(aliases: Iterable[str], limits: policy.Policy) -> list[str]:
    """What runs have left half-done in the databases that are asked: it is no finding, and no file is at fault."""
    lines = []
    for alias in aliases:
        gated = context.already_open(connections[alias], limits, lambda event: None)
        lines += open_steps.left_open(repair.left_open(gated))
    return lines


def _refuse_combinations(options: dict[str, Any]) -> None:
    """Raise WrongArgument for arguments that contradict each other."""
    if options["unapplied"] and options["offline"]:
        raise WrongArgument("--unapplied asks the database what is applied, so it cannot be --offline")
    if options["cache"] and (options["database"] or options["unapplied"]) and not options["offline"]:
        raise WrongArgument("--cache keeps no judgement by a database, whose facts are of this moment")
    if options["write_baseline"] and not options["baseline"]:
        raise WrongArgument("--write-baseline wants --baseline FILE, the file to write")


def _kept(folder: Path, asked: LintRequest, where: Databases, limits: policy.Policy) -> Report:
    """What is found, or was found and is kept, where nothing has changed since."""
    changed = sorted(asked.changed or ())
    kept = LintCache(folder, {"asked": repr(asked), "changed": changed, "databases": where, "policy": limits})
    if (saved := kept.find()) is not None:
        return saved_report.report(saved, own_rules.in_force(limits))
    kept.begin()
    ordered: list[Migration] = []
    report = lint_report.judge(asked, where, limits, ordered, asks=False)
    why = kept.keep(saved_report.document(report), ordered)
    return replace(report, notes=(*report.notes, f"not kept for the next run: {why}")) if why else report


def _by_baseline(path: Path, report: Report, asked: LintRequest, *, write: bool) -> Report:
    """The report, with what the file knows marked. write: it then knows what is there now, and no more."""
    there = path.exists()
    if not there and not write:
        raise WrongArgument(f"there is no {path}", next_step="write it:  --baseline FILE --write-baseline")
    known: Counter[Known] = baseline.read(path.read_text(encoding="utf-8"), str(path)) if there else Counter()
    gone = baseline.gone(known, report, whole=asked.whole)
    if write:
        now = baseline.of(report)
        path.write_text(baseline.written(now + baseline.apart(known, report, whole=asked.whole)), encoding="utf-8")
        notes = [f"{path} is written: {sum((now - known).values())} findings new in it, {len(gone)} gone from it"]
        known = now
    else:
        notes = [f"no more found, and to be taken out of {path} (--write-baseline): {entry}" for entry in gone]
    return replace(baseline.marked(known, report), notes=(*report.notes, *notes))
