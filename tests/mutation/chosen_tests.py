"""Which tests are asked about which module: those that exercise it most closely, the quickest first.

The first prefix that fits decides. What none of them notices may be noticed by the rest of the suite: a survivor here
is a question, not a verdict.
"""

from __future__ import annotations

P = "tests/postgres/test_"
U = "tests/unit/test_"
MODULES: dict[str, list[str]] = {
    "database/session": [f"{P}pooler.py", f"{P}server_wait.py", f"{P}ladder.py"],
    "database/connect_failure": [f"{U}connect_failure.py", f"{P}server_wait.py"],
    "database/url": [f"{U}url.py", f"{P}bad_input.py"],
    "database/wait": [f"{P}server_wait.py"],
    "database/message": [f"{P}message.py", f"{P}ladder.py"],
    "database/extensions": [f"{P}extensions.py"],
    "database/pg_tools": [f"{U}pg_tools.py", f"{P}snapshot.py"],
    "database/content": [f"{P}snapshot.py", f"{P}snapshot_unused.py"],
    "database/rights": [f"{P}own_rights.py", f"{P}read_rights.py"],
    "database/roles": [f"{P}roles.py"],
    "database/objects": [f"{P}one_by_one.py", f"{P}online.py"],
    "database/": [f"{P}catalog.py", f"{P}guarantees.py", f"{P}ladder.py", f"{P}migrate.py"],
    "execution/accounts/condition": [f"{P}own_tables.py"],
    "execution/online/contract": [f"{P}kept_defaults.py", f"{P}plan_contract.py", f"{P}online.py"],
    "execution/online/one_by_one": [f"{P}one_by_one.py", f"{P}recovery.py"],
    "execution/online/": [f"{P}index_questions.py", f"{P}online.py", f"{P}one_by_one.py", f"{P}overlap.py"],
    "execution/overlap": [f"{P}overlap.py", f"{P}online.py"],
    "execution/ladder": [f"{P}ladder.py"],
    "execution/failures": [f"{U}failures.py", f"{P}commits.py", f"{P}migrate.py"],
    "execution/judging/standing": [f"{U}standing.py", f"{P}fails_once.py"],
    "execution/judging/ruins": [f"{P}own_ruins.py"],
    "execution/judging/": [f"{P}hazard_judgement.py", f"{P}live_hazards.py"],
    "execution/outlook/": [f"{U}foresight.py", f"{P}lintmigrations.py", f"{P}plan_output.py"],
    "execution/recording/": [f"{P}recording.py", f"{P}plan_equivalence.py"],
    "execution/remedies/": [f"{P}remedies.py"],
    "execution/one_transaction": [f"{P}transaction_identity.py"],
    "execution/transaction_control": [f"{P}transaction_control.py"],
    "execution/rendering/": [f"{U}lazy_states.py", f"{U}originals.py", f"{P}lazy_rendering.py"],
    "execution/recovery": [f"{P}recovery.py", f"{P}one_by_one.py"],
    "execution/": [f"{P}seams.py", f"{P}migrate.py", f"{P}guarantees.py", f"{P}commits.py", f"{P}one_by_one.py"],
    "journal": [f"{P}one_by_one.py", f"{P}recovery.py", f"{P}online.py"],
    "ledger": [f"{P}guarantees.py", f"{P}migrate.py", f"{P}ahead_and_edited.py", f"{P}recovery.py"],
}


def for_module(path: str) -> list[str]:
    """The files of tests for a module; path: from the product's root. Raises LookupError where none is named."""
    for prefix, tests in MODULES.items():
        if path.startswith(prefix):
            return tests
    raise LookupError(path)
