"""Which dangers a rule names, for every tool. A rule that names none is an opinion, and is not counted either way.

Read generously: what a rule's page or message warns of, also where its reason no longer holds but its advice helps.
"""

from __future__ import annotations

from lockgate.linting.rules import ALL
from tests.conformance.comparison.answers import Remark
from tests.conformance.comparison.case import Danger

LOCK, OLD, LOSS, FAILS, DATA, SLOW = Danger
LOCKGATE = "Lockgate"

# A rule of nobody's: Django's own sqlmigrate refuses the migration, which the user of any tool that runs it sees.
_OF_DJANGO = {"sqlmigrate": {FAILS}}

_MIGRATION_LINTER: dict[str, set[Danger]] = {
    **_OF_DJANGO,
    "RENAME_TABLE": {OLD},
    "RENAME_COLUMN": {OLD},
    "NOT_NULL": {OLD, FAILS, LOCK},
    "DROP_COLUMN": {OLD, LOSS},
    "DROP_TABLE": {OLD, LOSS},
    "ALTER_COLUMN": {OLD, LOCK, FAILS},
    "ADD_UNIQUE": {OLD, LOCK, FAILS},
    "CREATE_INDEX": {LOCK},
    "CREATE_INDEX_EXCLUSIVE": {LOCK},
    "DROP_INDEX": {LOCK},
    "REINDEX": {LOCK},
    "RUNPYTHON_MODEL_IMPORT": {FAILS},
}
_SAFE_MIGRATIONS: dict[str, set[Danger]] = {
    "SM001": {FAILS, OLD, LOCK},
    "SM002": {OLD, LOSS},
    "SM003": {OLD, LOSS},
    "SM004": {LOCK, OLD},
    "SM005": {LOCK},
    "SM006": {OLD},
    "SM008": {DATA, LOCK},
    "SM009": {LOCK, FAILS},
    "SM010": {LOCK},
    "SM011": {LOCK, FAILS},
    "SM012": {FAILS},
    "SM013": {LOCK, FAILS, OLD},
    "SM014": {OLD},
    "SM017": {LOCK},
    "SM018": {FAILS},
    "SM020": {FAILS, OLD, LOCK},
    "SM021": {LOCK, FAILS},
    "SM022": {LOCK, DATA},
    "SM023": {LOCK},
    "SM025": {SLOW},
    "SM026": {DATA},
    "SM029": {OLD},
    "SM030": {LOCK},
    "SM033": {LOCK, OLD},
    "SM037": {FAILS},
    "SM038": {LOCK, DATA},
    "SM040": {FAILS},
    "SM041": {LOCK},
    "SM047": {LOCK},
    "SM048": {LOSS},
    "SM049": {FAILS},
    "SM050": {LOSS},
    "SM054": {LOCK},
    "SM056": {LOCK},
}
_SQUAWK: dict[str, set[Danger]] = {
    **_OF_DJANGO,
    "adding-field-with-default": {LOCK},
    "adding-foreign-key-constraint": {LOCK},
    "adding-not-nullable-field": {LOCK, OLD, FAILS},
    "adding-required-field": {FAILS, OLD},
    "adding-serial-primary-key-field": {LOCK},
    "ban-concurrent-index-creation-in-transaction": {FAILS},
    "ban-disable-trigger": {LOSS},
    "ban-drop-column": {OLD, LOSS},
    "ban-drop-database": {LOSS},
    "ban-drop-constraint": {OLD, LOSS},
    "ban-drop-default": {OLD},
    "ban-drop-not-null": {OLD},
    "ban-drop-schema": {LOSS},
    "ban-drop-table": {OLD, LOSS},
    "ban-set-schema": {OLD},
    "ban-truncate": {LOSS},
    "ban-truncate-cascade": {LOSS},
    "changing-column-type": {LOCK, OLD},
    "constraint-missing-not-valid": {LOCK},
    "disallowed-unique-constraint": {LOCK},
    "prefer-repack": {LOCK},
    "prefer-robust-stmts": {FAILS},
    "renaming-column": {OLD},
    "renaming-object": {OLD},
    "renaming-table": {OLD},
    "require-concurrent-index-creation": {LOCK},
    "require-concurrent-index-deletion": {LOCK},
    "require-concurrent-partition-detach": {LOCK},
    "require-concurrent-reindex": {LOCK},
    "transaction-nesting": {FAILS},
}
# By group, and the rules that differ from theirs: a new rule has its group's meaning until somebody says otherwise.
_LOCKGATE_GROUPS = {
    "LG1": {LOCK},
    "LG2": {LOCK},
    "LG3": {LOCK},
    "LG4": {LOCK},
    "LG5": {LOCK},
    "LG6": {DATA},
    "LG7": {FAILS},
    "LG8": {OLD},
    "LG9": {LOCK},
}
_LOCKGATE: dict[str, set[Danger]] = {
    **{rule.id: _LOCKGATE_GROUPS.get(rule.id[:3], set()) for rule in ALL},
    "LG105": {FAILS},
    "LG106": {SLOW},
    "LG107": {SLOW},
    "LG108": {SLOW, LOSS},
    "LG209": {LOSS},
    "LG210": {LOSS, SLOW},
    "LG306": {FAILS, OLD},
    "LG307": {LOCK, DATA},
    "LG309": {FAILS},
    "LG412": {OLD},
    "LG401": {LOCK, LOSS},
    **{rule: {LOSS} for rule in ("LG402", "LG403", "LG404", "LG410", "LG507")},
    "LG409": {LOCK, OLD},
    "LG504": {FAILS},
    "LG505": {OLD},
    "LG601": {DATA, LOSS},
    "LG602": {LOCK, DATA},
    "LG607": {FAILS},
    **{rule: {LOCK} for rule in ("LG706", "LG711", "LG713")},
    **{rule: {OLD, LOSS} for rule in ("LG801", "LG802")},
}

# What is not counted, and what it is about. squawk's advice on timeouts stands in its answer to nearly every file.
OPINIONS: dict[str, dict[str, str]] = {
    LOCKGATE: {
        "LG207": "what is left to be done",
        "LG501": "preferred type",
        "LG502": "preferred type",
        "LG707": "reversibility",
        "LG708": "reversibility",
    },
    "django-migration-linter": {
        "RUNPYTHON_REVERSIBLE": "reversibility",
        "RUNSQL_REVERSIBLE": "reversibility",
        "RUNPYTHON_ARGS_NAMING_CONVENTION": "naming",
        "RUNPYTHON_MODEL_VARIABLE_NAME": "naming",
    },
    "django-safe-migrations": {
        "SM007": "reversibility",
        "SM015": "deprecation",
        "SM016": "reversibility",
        "SM019": "naming",
        "SM028": "preferred type",
        "SM031": "preferred type",
        "SM035": "advice on timeouts, whatever the statement",
        "SM036": "IF EXISTS",
    },
    "squawk": {
        "prefer-bigint-over-int": "preferred type",
        "prefer-bigint-over-smallint": "preferred type",
        "prefer-identity": "preferred type",
        "prefer-text-field": "preferred type",
        "require-enum-value-ordering": "order of an enum's values",
        "require-lock-timeout": "advice on timeouts, of nearly every file",
        "require-statement-timeout": "advice on timeouts, of nearly every file",
    },
}
DANGERS = {
    LOCKGATE: _LOCKGATE,
    "django-migration-linter": _MIGRATION_LINTER,
    "django-safe-migrations": _SAFE_MIGRATIONS,
    "squawk": _SQUAWK,
}


def named(tool: str, remark: Remark) -> frozenset[Danger]:
    """The dangers that a remark warns of. Raises KeyError for a rule that nobody has looked at yet."""
    if remark.rule in OPINIONS[tool]:
        return frozenset()
    return frozenset(DANGERS[tool][remark.rule])
