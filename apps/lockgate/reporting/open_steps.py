"""What runs have left half-done, as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockgate import foreign, policy


def left_open(open_steps: Sequence[Any]) -> list[str]:
    """What runs have left half-done, for who only looks."""
    shown = [
        foreign.line(
            f"{step.step.app}.{step.step.name} is half-done ({step.step.phase}, {step.step.state}): "
            f"{step.step.title}; {step.catalog}"
        )
        for step in open_steps[: policy.THINGS_SHOWN]
    ]
    more = [f"and {len(open_steps) - policy.THINGS_SHOWN} more"] if len(open_steps) > policy.THINGS_SHOWN else []
    next_step = ["the next run of its release goes on with it, or takes it back; all of it:  manage.py lockgate repair"]
    return [*shown, *more, *next_step] if open_steps else []


def open_step(open_one: Any) -> str:
    """An open step of the journal, as repair lists it."""
    step = open_one.step
    lines = [
        f"step {step.pk}: {step.app}.{step.name}, {step.phase}, {step.state}: {step.title}",
        f"  run    {step.run_id}, release {step.run.release}, on {step.run.host}",
        f"  there  {open_one.catalog}",
    ]
    lines += [f"  error  {step.error}"] if step.error else []
    return "\n".join(map(foreign.line, lines))
