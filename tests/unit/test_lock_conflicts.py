"""Which lock modes exclude each other, as PostgreSQL's documentation has it (explicit-locking, table 13.2)."""

from lockgate.planning.lock_modes import LockMode

# Each mode's row of the table: an X where it conflicts, in the table's order.
TABLE = {
    LockMode.ACCESS_SHARE: "       X",
    LockMode.ROW_SHARE: "      XX",
    LockMode.ROW_EXCLUSIVE: "    XXXX",
    LockMode.SHARE_UPDATE_EXCLUSIVE: "   XXXXX",
    LockMode.SHARE: "  XX XXX",
    LockMode.SHARE_ROW_EXCLUSIVE: "  XXXXXX",
    LockMode.EXCLUSIVE: " XXXXXXX",
    LockMode.ACCESS_EXCLUSIVE: "XXXXXXXX",
}


def test_modes_conflict_as_the_documentation_says():
    found = {mode: "".join("X" if mode.conflicts_with(other) else " " for other in LockMode) for mode in LockMode}
    assert found == TABLE
