"""New migrations for people: their SQL, and what the plan says of it. What harms nobody takes no line."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.databases import Databases
from lockgate.linting.preview import Preview, Previews
from lockgate.planning.selection import key_of
from lockgate.planning.steps import Kind, Statement
from lockgate.reporting import hazard_report, migration_code, plan_report

Section = tuple[str, list[str]]


def sections(preview: Preview) -> Iterator[Section]:
    """Headings, each with its lines."""
    several = "s" if len(preview.databases) > 1 else ""
    where = f" in the database{several} {', '.join(preview.databases)}" if preview.databases else ""
    name = f"{key_of(preview.migration)}{where}"
    yield f"SQL of {name}:", _sql(preview)
    if not plan_report.is_harmless(preview.plan):
        yield f"Steps of {name}:", list(plan_report.steps_in_short(preview.plan))
    elif locks := plan_report.locks_in_short(preview.plan):
        yield f"Locks of {name}:", locks
    if preview.hazards:
        yield f"Hazards of {name}:", hazard_report.beside(preview.hazards)


def instead(preview: Preview) -> Iterator[Section]:
    """What to write in place of what is hazardous, as it is to be copied: nothing stands before its lines."""
    written: dict[tuple[migration_code.Code, ...], tuple[str, list[str]]] = {}
    for rule, offer in preview.offers:
        if code := migration_code.of(offer, preview.migration):
            _, rules = written.setdefault(code, (offer.note, []))
            rules.append(rule)
    for code, (note, rules) in written.items():
        for piece in code:
            yield (
                f"Safe for {', '.join(dict.fromkeys(rules))}, {piece.title}:",
                [f"# {note}", *piece.source.splitlines()],
            )


def notes(previews: Previews, where: Databases) -> Iterator[str]:
    """What was assumed or left out, where it matters."""
    for key in previews.elsewhere:
        yield f"{key} does not run in {', '.join(where.judged)}, as the project's routers say, so it is not shown"
    if any(len(list(sections(migration))) > 1 for migration in previews.migrations):
        yield "no database was asked: every table that is there before counts as large"
    if previews.unread:
        yield f"{previews.unread} of the statements and functions were not read: what they lock is not known"


def _sql(preview: Preview) -> list[str]:
    lines = []
    for title, statements in preview.sql:
        lines += [f"-- {title}", *(line for statement in statements for line in _lines(statement))]
        if not statements:
            lines.append("-- (no-op)")
    return lines or ["(no SQL)"]


def _lines(statement: Statement) -> list[str]:
    if any(change.kind is Kind.RUN_PYTHON for change in statement.changes):
        return ["-- (Python)"]
    if not statement.sql:
        return [f"-- {line}" for line in plan_report.lines_of([statement])]
    sql = statement.sql.strip()
    return (sql if sql.endswith(";") else f"{sql};").splitlines()
