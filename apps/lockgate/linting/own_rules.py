"""Rules of a project's own: those of the modules that LOCKGATE["RULES"] names, beside Lockgate's."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from lockgate import policy
from lockgate.errors import ConfigurationError
from lockgate.linting.rules import ALL, Rule
from lockgate.linting.rules.rule import DECORATED
from lockgate.redaction import masked

SETTING = 'LOCKGATE["RULES"]'


def in_force(limits: policy.Policy) -> dict[str, Rule]:
    """Every rule by its id: Lockgate's, then the project's. Raises ConfigurationError."""
    return {rule.id: rule for rule in (*ALL, *of(limits.rules))}


@cache
def of(modules: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of modules, in their order. Raises ConfigurationError where one cannot be imported, or has none."""
    return tuple(rule for module in modules for rule in _of(module))


def _of(module: str) -> list[Rule]:
    try:
        import_module(module)
    except (Exception, SystemExit) as error:  # a rule that cannot be one is a ValueError
        DECORATED[:] = [rule for rule in DECORATED if not _is_in(rule, module)]  # else they are there twice next time
        raise ConfigurationError(
            f'{SETTING} names "{module}", which cannot be imported',
            why=masked(f"{type(error).__name__}: {error}"),
            next_step='write it as "package.module", and correct what is wrong in it',
        ) from error
    if rules := [rule for rule in DECORATED if _is_in(rule, module)]:
        return rules
    raise ConfigurationError(
        f'{SETTING} names "{module}", which has no rule', next_step="decorate a function in it: docs/own-rules.md"
    )


def _is_in(rule: Rule, module: str) -> bool:
    return f"{rule.find.__module__}.".startswith(f"{module}.")
