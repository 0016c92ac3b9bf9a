"""What runs have left half-done, as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockgate import foreign, policy


def left_open(found: Sequence[Any]) -> list[str]:
    """What runs have left half-done, for who only looks."""
    shown = [
        foreign.line(
            f"{each.step.app}.{each.step.name} is half-done ({each.step.phase}, {each.step.state}): "
            f"{each.step.title}; {each.catalog}"
        )
        for each in found[: policy.THINGS_SHOWN]
    ]
    more = [f"and {len(found) - policy.THINGS_SHOWN} more"] if len(found) > policy.THINGS_SHOWN else []
    next_step = ["the next run of its release goes on with it, or takes it back; all of it:  manage.py lockgate repair"]
    return [*shown, *more, *next_step] if found else []


def open_step(found: Any) -> str:
    """An open step of the journal, as repair lists it."""
    step = found.step
    lines = [
        f"step {step.pk}: {step.app}.{step.name}, {step.phase}, {step.state}: {step.title}",
        f"  run    {step.run_id}, release {step.run.release}, on {step.run.host}",
        f"  there  {found.catalog}",
    ]
    lines += [f"  error  {step.error}"] if step.error else []
    return "\n".join(map(foreign.line, lines))
