"""LG7xx: transactions and sessions; what a runner cannot do again is in ``repetition``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.db.migrations.operations import RunSQL

from lockgate.linting.rules.offer import apart
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.linting.rules.sizes import LONG_WORK
from lockgate.linting.rules.sql_offers import in_sql, local
from lockgate.linting.rules.validation import validated_where_added
from lockgate.planning import sql_statements, transaction_locks
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.operations import texts_of
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Kind, Lock, Step, Work
from lockgate.planning.transaction_locks import Transaction

# What PostgreSQL refuses inside a transaction block, by the words it begins with.
_ALONE = (("VACUUM",), ("CREATE", "DATABASE"), ("DROP", "DATABASE"), ("ALTER", "SYSTEM"), ("CREATE", "TABLESPACE"))
_TIMEOUTS = ("LOCK_TIMEOUT", "STATEMENT_TIMEOUT", "TRANSACTION_TIMEOUT", "IDLE_IN_TRANSACTION_SESSION_TIMEOUT")


@rule(
    "LG701",
    "transaction-in-sql",
    ERROR,
    condition="RunSQL begins, commits or rolls back a transaction.",
    effect="It ends the migration's own transaction: what came before is committed although the migration may still "
    "fail, what comes after runs without one, and a rerun finds half of it done. Lockgate refuses an atomic migration "
    "that would end its own, before anything runs.",
    remedy="Leave transactions to the migration. What must commit in between goes into a migration of its own.",
    rests_on="https://www.postgresql.org/docs/current/sql-begin.html",
    unsafe="""
        migrations.RunSQL("BEGIN; UPDATE shop_state SET open = false WHERE id = 1; COMMIT", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("UPDATE shop_state SET open = false WHERE id = 1", migrations.RunSQL.noop),
    """,
    squawk=("transaction-nesting", "ban-uncommitted-transaction"),
)
def transaction_in_sql(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if sql_statements.begins_transaction(statement) or sql_statements.ends_transaction(statement):
            yield Finding(f"{statement.tokens[0]} in RunSQL", step.operation)


@rule(
    "LG702",
    "not-in-a-transaction",
    ERROR,
    condition="An atomic migration has a statement that PostgreSQL refuses inside a transaction; or a RunSQL of any "
    "migration has one beside others in the same text, which are one transaction by themselves.",
    effect="The migration fails each time, and the container does not start.",
    remedy="Use AddIndex or RemoveIndex, which Lockgate makes concurrent by itself; or set atomic = False and put the "
    "statement into a migration of its own.",
    rests_on="https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    unsafe="""
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS order_number ON shop_order (number)", migrations.RunSQL.noop
        ),
    """,
    safe="""
        migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),
    """,
    squawk=("ban-concurrent-index-creation-in-transaction",),
)
def not_in_transaction(context: RuleContext) -> Iterator[Finding]:
    if not context.migration.atomic:
        yield from _beside_others(context)
        return
    for step, statement in context.sql:
        if _is_alone(statement):
            yield Finding(f"{' '.join(statement.tokens[:2])} cannot run inside a transaction", step.operation)
    for step, change in context.switch(Kind.ADD_INDEX, Kind.DROP_INDEX):
        if change.concurrently and not context.is_sql(step):
            yield Finding(f'index "{change.name}": CONCURRENTLY cannot run inside a transaction', step.operation)


def _beside_others(context: RuleContext) -> Iterator[Finding]:
    """Statements that are sent in one text are one transaction, also where the migration has none."""
    for number, operation in context.operations:
        for text in texts_of(operation.sql) if isinstance(operation, RunSQL) else ():
            read = sql_statements.statements(text)
            for statement in read if len(read) > 1 else ():
                if _is_alone(statement):
                    what = f"{' '.join(statement.tokens[:2])} stands beside another statement: give RunSQL a list"
                    yield Finding(what, number)


def _is_alone(statement: SqlStatement) -> bool:
    """REFRESH MATERIALIZED VIEW CONCURRENTLY is the one that may."""
    concurrently = statement.has("CONCURRENTLY") and not statement.starts("REFRESH")
    return concurrently or any(statement.starts(*words) for words in _ALONE)


@rule(
    "LG705",
    "timeout-changed",
    ERROR,
    condition="RunSQL sets or resets a lock or statement timeout, but for SET LOCAL lock_timeout of at most 2 s.",
    effect="Lockgate keeps lock waits short so that a waiting ALTER does not stall every query behind it; without the "
    "limit one long transaction is enough to stop the service.",
    remedy="Remove it: Lockgate sets a timeout for each attempt, and none for CONCURRENTLY.",
    rests_on="https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT",
    unsafe="""
        migrations.RunSQL("SET lock_timeout = 0", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("SET LOCAL work_mem = '256MB'", migrations.RunSQL.noop),
    """,
)
def timeout_changed(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        changes = statement.tokens[0] in ("SET", "RESET") and any(name in statement.tokens for name in _TIMEOUTS)
        if changes and not _is_bearable(statement):
            name = next(timeout for timeout in _TIMEOUTS if timeout in statement.tokens).lower()
            yield Finding(f"{name} is changed by RunSQL", step.operation)


# What a request may wait behind a statement that waits for its lock: what others who advise a timeout advise.
_BEARABLE = 2_000  # milliseconds
_UNITS = {"": 1, "ms": 1, "s": 1000}


def _is_bearable(statement: SqlStatement) -> bool:
    """Whether it keeps waits for locks short, until the transaction ends."""
    *words, value = statement.tokens
    match = re.fullmatch(r"'?(\d+) ?(ms|s|)'?", value)
    local = tuple(words[:3]) == ("SET", "LOCAL", "LOCK_TIMEOUT")
    return bool(local and match and 0 < int(match[1]) * _UNITS[match[2]] <= _BEARABLE)


@rule(
    "LG706",
    "several-tables-locked",
    WARNING,
    condition="One transaction takes locks that block reads, or writes for longer than a moment, on several large "
    "tables that are there already.",
    effect="All of them stay locked until the last statement is done; and a transaction of the service that takes "
    "two of them in another order makes a deadlock, of which one side is killed.",
    remedy="One migration per table, so that each lock is held for a moment and alone. What one operation locks by "
    "itself is not reported.",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS",
    unsafe="""
        migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        migrations.AddField("customer", "phone", models.CharField(max_length=20, null=True)),
    """,
    safe=[
        """
            migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        """,
        """
            migrations.AddField("customer", "phone", models.CharField(max_length=20, null=True)),
        """,
    ],
)
def several_tables(context: RuleContext) -> Iterator[Finding]:
    for together in context.transactions if context.migration.atomic else ():
        by_operation: dict[int, set[str]] = {}
        for step in together.steps:
            waited_for = [lock.table for lock in step.locks if _is_waited_for(context, together, lock)]
            by_operation.setdefault(step.operation, set()).update(waited_for)
        locks = (lock.table for step in together.steps for lock in step.locks)
        held = [name for name in dict.fromkeys(locks) if any(name in tables for tables in by_operation.values())]
        alone = any(tables >= set(held) for tables in by_operation.values())  # then it cannot be taken apart
        if len(held) > 1 and not alone:
            yield Finding(f"locked together: {', '.join(map(context.described, held))}")


def _is_waited_for(context: RuleContext, together: Transaction, lock: Lock) -> bool:
    """Whether others wait for a lock: readers, or writers where it is held for longer than a moment."""
    long = any(map(transaction_locks.takes_long, together.steps))
    stays = lock.table not in together.dropped and context.large(lock.table)
    return stays and (lock.mode.blocks_reads or (long and lock.mode.blocks_writes))


@rule(
    "LG710",
    "session-setting-leaks",
    WARNING,
    condition="RunSQL has SET without LOCAL.",
    effect="The setting stays for everything else that the run does on its session, and behind a pooler for whoever "
    "gets that session next.",
    remedy="Use SET LOCAL, which ends with the transaction.",
    rests_on="https://www.postgresql.org/docs/current/sql-set.html",
    unsafe="""
        migrations.RunSQL("SET work_mem = '256MB'", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("SET LOCAL work_mem = '256MB'", migrations.RunSQL.noop),
    """,
    instead=in_sql(local),
)
def setting_leaks(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if statement.starts("SET") and statement.tokens[1:2] not in (("LOCAL",), ("CONSTRAINTS",), ("TRANSACTION",)):
            yield Finding(f"{' '.join(statement.tokens[:2])} lasts longer than the migration", step.operation)


@rule(
    "LG711",
    "lock-held-through-long-work",
    ERROR,
    condition="A transaction takes a lock that blocks reads or writes, and then scans, builds, rewrites or fills a "
    "large table: another one, or the same one by a statement that would block less.",
    effect="Whoever reads or writes what was locked first waits for all of that work.",
    remedy="Two migrations; the long one first, or each by itself.",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES",
    unsafe="""
        migrations.AddField("customer", "phone", models.CharField(max_length=20, null=True)),
        migrations.AlterField("order", "total", models.BigIntegerField(default=0)),
    """,
    safe="""
        migrations.AddField("customer", "phone", models.CharField(max_length=20, null=True)),
        migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),
    """,
    other_end="The long work is another, which blocks nobody.",
    instead=apart("each transaction then holds its own locks alone"),
)
def held_through_work(context: RuleContext) -> Iterator[Finding]:
    said = {(finding.operation, finding.table) for finding in validated_where_added.find(context)}
    for step in context.steps:
        for lock in step.locks:
            if (step.operation, lock.table) in said or not _takes_long(context, step, lock):
                continue
            if waiting := _waiting(context, step, lock):
                yield Finding(f"{_what(context, lock)} while {waiting}", step.operation, lock.table)
                break


def _takes_long(context: RuleContext, step: Step, lock: Lock) -> bool:
    """Of what SQL does to rows there are rules of its own."""
    return context.large(lock.table) and (
        lock.work in LONG_WORK or (lock.work is Work.ROWS and not context.is_sql(step))
    )


def _what(context: RuleContext, lock: Lock) -> str:
    return f"{'change of ' if lock.work is Work.ROWS else f'{lock.work} of '}{context.described(lock.table)}"


def _waiting(context: RuleContext, step: Step, lock: Lock) -> str:
    """What is locked before a step's long work, and would not be by that work alone."""
    reads, writes = [], []
    for table, mode in context.held(step):
        alone = lock.mode if table == lock.table else LockMode.ACCESS_SHARE
        if mode.blocks_reads > alone.blocks_reads:
            reads.append(context.described(table))
        elif mode.blocks_writes > alone.blocks_writes:
            writes.append(context.described(table))
    locked = [f"{' and '.join(reads)} {'is' if len(reads) == 1 else 'are'} locked"] if reads else []
    locked += [f"writes to {' and '.join(writes)} wait"] if writes else []
    return ", and ".join(locked)
