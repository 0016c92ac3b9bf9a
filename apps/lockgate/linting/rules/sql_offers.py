"""Offers for RunSQL: the statement itself, with the words that keep it from blocking, and what follows it.

Made of its own text, for one statement that PostgreSQL's parser knows; what stands in it beside that stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.migrations.operations import RunSQL

from lockgate.linting.rules.fields import LONGEST_NAME
from lockgate.linting.rules.offer import Instead, Offer, Situation, Written
from lockgate.planning import sql_parser, sql_statements
from lockgate.planning.sql_changes.tree import words
from lockgate.planning.sql_parser import Tree

_REINDEXED = ("INDEX", "TABLE", "SCHEMA")


class Sql(NamedTuple):
    """One statement. tokens: each with where it begins and ends."""

    text: str
    tokens: tuple[tuple[str, int, int], ...]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word for word, _, _ in self.tokens)

    def outermost(self, word: str) -> int:
        """Where it stands outside of any parentheses; 0 where it does not."""
        depth = 0
        for at, token in enumerate(self.words):
            depth += (token in ("(", "[")) - (token in (")", "]"))
            if depth == 0 and token == word:
                return at
        return 0

    def raw(self, first: int, last: int) -> str:
        """From one token to another, as written."""
        return self.text[self.tokens[first][1] : self.tokens[last][2]]

    def with_word(self, after: int, word: str) -> str:
        """With a word after a token; comments at the end are left out."""
        end, last = self.tokens[after][2], self.tokens[-1][2]
        return f"{self.text[:end]} {word}{self.text[end:last]}"


@dataclass(frozen=True)
class _Sent:
    """SQL of one migration. undoes: it carries what the operation says to take it back. then: what a second RunSQL of
    the migration sends.
    """

    name: str
    sql: str
    atomic: bool = True
    undoes: bool = False
    accepts: Mapping[str, str] = field(default_factory=dict)
    then: str = ""


Make = Callable[[Sql], tuple[str, list[_Sent]] | None]


def in_sql(make: Make, other: Instead | None = None) -> Instead:
    """An offer for a RunSQL; for another operation what else there is."""

    def offer(situation: Situation) -> Offer | None:
        if not isinstance(situation.operation, RunSQL):
            return other(situation) if other else None
        statement = only(situation.operation)
        operations = make(statement) if statement else None
        return _offer(situation, situation.operation, *operations) if operations else None

    return offer


def only(operation: RunSQL) -> Sql | None:
    """Its statement, where it has one, without parameters."""
    texts = [operation.sql] if isinstance(operation.sql, str) else list(operation.sql)
    parsed = sql_parser.parse(texts[0]) if len(texts) == 1 and isinstance(texts[0], str) else None
    if parsed is None or len(parsed) != 1 or len(parsed[0].body.get("cmds", "1")) != 1:
        return None
    return Sql(parsed[0].text, tuple(sql_statements.tokens(parsed[0].text)))


def _offer(situation: Situation, operation: RunSQL, note: str, sent: list[_Sent]) -> Offer | None:
    number, operations = situation.number, situation.migration.operations
    if number + 1 < len(operations):
        return None  # what follows may need it
    written = [_written(operation, statement) for statement in sent]
    if len(operations) > 1:
        return Offer(number, note, (), tuple(written), atomic=bool(situation.migration.atomic))
    first, *later = written
    return Offer(number, note, first.operations, tuple(later), atomic=first.atomic, accepts=first.accepts)


def _written(operation: RunSQL, sent: _Sent) -> Written:
    reverse = operation.reverse_sql if sent.undoes else RunSQL.noop
    state = operation.state_operations if sent.undoes else []
    run_sql = RunSQL(sent.sql, reverse, state, operation.hints, operation.elidable)
    then = [RunSQL(sent.then, RunSQL.noop, hints=operation.hints)] if sent.then else []
    return Written(sent.name, (run_sql, *then), sent.atomic, sent.accepts)


def concurrently(sql: Sql) -> tuple[str, list[_Sent]] | None:
    """CREATE INDEX, DROP INDEX and REINDEX."""
    words = sql.words
    if "CONCURRENTLY" in words or words[-1] == "CASCADE" or (words[0] == "DROP" and "," in words) or "EXISTS" in words:
        return None
    at = (
        1
        if words[0] == "REINDEX" and words[1] in _REINDEXED
        else words[:3].index("INDEX")
        if "INDEX" in words[:3]
        else 0
    )
    note = "reads and writes go on; it runs outside of a transaction, in a migration of its own"
    return (note, [_Sent("concurrently", sql.with_word(at, "CONCURRENTLY"), atomic=False, undoes=True)]) if at else None


def index_first(sql: Sql) -> tuple[str, list[_Sent]] | None:
    """ADD CONSTRAINT … UNIQUE (…)."""
    at = _added(sql)
    if not at or sql.words[at + 3 : at + 5] != ("UNIQUE", "(") or sql.words.index(")") != len(sql.words) - 1:
        return None
    table, name, columns = sql.raw(2, at - 1), sql.raw(at + 2, at + 2), sql.raw(at + 4, len(sql.words) - 1)
    note = "its index is built while reads and writes go on, and then made the constraint's"
    return note, [
        _Sent("build_unique", f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {columns}", atomic=False),
        _Sent("add_unique", f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}", undoes=True),
    ]


def validated_later(sql: Sql) -> tuple[str, list[_Sent]] | None:
    """ADD CONSTRAINT … CHECK or FOREIGN KEY, of a table or a domain."""
    at = _added(sql)
    if not at or sql.words[at + 3] not in ("CHECK", "FOREIGN") or "VALID" in sql.words:
        return None
    what, name = sql.raw(0, at - 1), sql.raw(at + 2, at + 2)
    note = "new rows are checked at once, and old ones in the next migration, while reads and writes go on"
    unvalidated = {"LG207": "the next migration validates it"} if sql.words[1] == "TABLE" else {}
    read = {"LG508": "it reads rows, and blocks neither reads nor writes"} if sql.words[1] == "DOMAIN" else {}
    return note, [
        _Sent("not_valid", sql.with_word(len(sql.words) - 1, "NOT VALID"), undoes=True, accepts=unvalidated),
        _Sent("validate", f"{what} VALIDATE CONSTRAINT {name}", accepts=read),
    ]


def proven_first(sql: Sql) -> tuple[str, list[_Sent]] | None:
    """ALTER TABLE … ALTER … SET NOT NULL."""
    words = sql.words
    if words[-3:] != ("SET", "NOT", "NULL") or words[:2] != ("ALTER", "TABLE") or words[2] in ("IF", "ONLY"):
        return None
    at = len(words) - 4
    table, column = sql.raw(2, words.index("ALTER", 2) - 1), sql.raw(at, at)
    name = re.sub(r"\W+", "_", f"{table}_{column}_set").strip("_").lower()[-63:].lstrip("_0123456789")
    required = f"ALTER TABLE {table} ALTER {column} SET NOT NULL"
    note = "a validated check proves that there is no NULL, and PostgreSQL then reads no row"
    return note, [
        _Sent(
            "check_set",
            f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID",
            accepts={"LG207": "the next migration validates it"},
        ),
        _Sent("validate_set", f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"),
        _Sent("set_not_null", required, undoes=True, then=f"ALTER TABLE {table} DROP CONSTRAINT {name}"),
    ]


def detached(sql: Sql) -> tuple[str, list[_Sent]] | None:
    """ALTER TABLE … DETACH PARTITION."""
    note = (
        "reads and writes go on; PostgreSQL leaves a CHECK of the bounds on what was a partition, and refuses it, "
        "changing nothing, where there is a default partition"
    )
    return note, [_Sent("detach", sql.with_word(len(sql.words) - 1, "CONCURRENTLY"), atomic=False, undoes=True)]


def refreshed(sql: Sql) -> tuple[str, list[_Sent]] | None:
    """REFRESH MATERIALIZED VIEW; not one that empties it."""
    if "CONCURRENTLY" in sql.words or "NO" in sql.words:
        return None
    note = (
        "reads go on; PostgreSQL refuses it, changing nothing, where the view has no unique index of plain columns "
        "over all of its rows, or was never filled"
    )
    return note, [_Sent("refresh", sql.with_word(2, "CONCURRENTLY"), undoes=True)]


def key_from_index(situation: Situation) -> Offer | None:
    """RunSQL with ALTER TABLE … ADD PRIMARY KEY, on columns of which the model says that they are never NULL."""
    operation = situation.operation
    if not isinstance(operation, RunSQL) or not (sql := only(operation)):
        return None
    if sql.words[-1] != ")" or sql.words[2] in ("IF", "ONLY"):
        return None
    [parsed] = sql_parser.parse(sql.text) or ()
    [command] = parsed.body.get("cmds", [{}])
    key = command.get("AlterTableCmd", {}).get("def", {}).get("Constraint", {})
    if key.get("contype") != "CONSTR_PRIMARY" or not {*key} <= {"contype", "conname", "keys", "location"}:
        return None
    model = model_of(situation, parsed.body["relation"])
    name = str(key.get("conname") or f"{parsed.body['relation']['relname']}_pkey")
    required = {field.column for field in model.local_concrete_fields if not field.null} if model else set()
    if not {*words(key["keys"])} <= required or len(name.encode()) > LONGEST_NAME:
        return None
    named = '"' + name.replace('"', '""') + '"'
    table, columns = sql.raw(2, sql.words.index("ADD") - 1), sql.raw(sql.words.index("("), -1)
    note = "its index is built while reads and writes go on, and then made the key's; no row is read, as none is NULL"
    return _offer(situation, operation, note, [
        _Sent("build_key", f"CREATE UNIQUE INDEX CONCURRENTLY {named} ON {table} {columns}", atomic=False),
        _Sent("add_key", f"ALTER TABLE {table} ADD CONSTRAINT {named} PRIMARY KEY USING INDEX {named}", undoes=True),
    ])  # fmt: skip


def model_of(situation: Situation, relation: Tree) -> Any:
    """The options of the model whose table a statement names; None where it is not surely one model's."""
    name, models = relation.get("relname"), situation.before.models.items()
    if "schemaname" in relation or not relation.get("inh"):
        return None
    keys = [key for key, model in models if (model.options.get("db_table") or "_".join(key)) == name]
    named = [situation.before.apps.get_model(*key)._meta for key in keys]
    [options, *others] = [model for model in named if not model.proxy] or [None]
    return options if options and not others and options.managed and options.db_table == name else None


def local(sql: Sql) -> tuple[str, list[_Sent]] | None:
    """SET."""
    session = sql.words[1] == "SESSION"
    rest = sql.raw(2 if session else 1, len(sql.words) - 1)
    return "it ends with the transaction", [_Sent("set_local", f"SET LOCAL {rest}", undoes=True)]


def _added(sql: Sql) -> int:
    """Where ADD CONSTRAINT begins, after the name of a table or a domain; 0 for anything else."""
    words = sql.words
    named = words[0] == "ALTER" and words[1] in ("TABLE", "DOMAIN") and words[2] not in ("IF", "ONLY")
    at = words.index("ADD") if named and "ADD" in words else 0
    return at if words[at : at + 2] == ("ADD", "CONSTRAINT") else 0
