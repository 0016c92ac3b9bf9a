"""Sentences that are said with and without Django: a start that has nothing to do imports these, and no events.

A function is named as its event is (``kind``), and its arguments are the event's fields, in their order.
"""

OUTPUT_CLOSED = "the output was closed by its reader, so the command ended"


def nothing_pending(behind: bool, held: int) -> str:
    done = "nothing left to migrate: another run has done it" if behind else "nothing to migrate"
    return f"{done}; {held} held" if held else done


def current(waited_seconds: float, held: int) -> str:
    but = f" but {held} that are held" if held else ""
    return f"every migration of this release is applied{but} (waited {waited_seconds:.1f} s)"


def lock_acquired(waited_seconds: float) -> str:
    return f"migration lock acquired after {waited_seconds:.1f} s"


def snapshot_loaded(file: str, migrations: int, seconds: float) -> str:
    return f"loaded {_migrations(migrations)} from {file} in {seconds:.2f} s"


def ended(migrations: int, held: int, seconds: float) -> str:
    left = f", {held} held" if held else ""
    return f"done: {_migrations(migrations)}{left}, in {seconds:.2f} s"


def _migrations(number: int) -> str:
    return f"{number} migration{'' if number == 1 else 's'}"
