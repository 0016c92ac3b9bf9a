"""``python -m tests.conformance.draw SEED [PROJECT …]``: findings of real histories, drawn by lot, to judge by hand.

Judges each project's history as ``tests.conformance.histories`` does before anything is migrated: offline, without a
server. The same seed draws the same findings from the same ones. Of which project a finding is comes out in proportion
to how many it has; of the projects that are named alone, where any are. Exits 1 where a history could not be judged.
"""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

from tests.conformance.environments import Environment
from tests.conformance.histories import Found, hazard_table, judged
from tests.conformance.projects import FOURTEEN, Project

COUNT = 40
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"  # offline asks no server


def findings(project: Project) -> tuple[Found, list[dict[str, Any]]]:
    """What its history is told, and each finding with its project's name."""
    step, environment = Found(project), Environment(project, NOWHERE)
    try:
        environment.make()
    except subprocess.CalledProcessError as error:
        step.problems.append(f"cannot be installed: {error.cmd[-1]}")
        return step, []
    judged(step, environment)
    return step, [{"project": project.name, **hazard} for hazard in step.hazards]


def drawn(seed: str, among: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """COUNT of them, or all there are, in the order that they had."""
    chosen = random.Random(seed).sample(range(len(among)), min(COUNT, len(among)))
    return [among[index] for index in sorted(chosen)]


def row(finding: dict[str, Any]) -> str:
    """As the page of real histories has it, with what was said in place of the judgement."""
    operation = "" if finding["operation"] is None else f", {finding['operation']}"
    where = f"{finding['app']}.{finding['migration'].partition('_')[0]}{operation}"
    return f"| {finding['project']} | {where} | {finding['id']} | {finding['severity']} | {finding['what']} |"


def main(arguments: list[str]) -> int:
    seed, *names = arguments
    all_found, among = [], []
    for name in names or FOURTEEN:
        step, own = findings(FOURTEEN[name])
        all_found.append(step)
        among += own
    sys.stdout.write(f"{COUNT} of {len(among)}, seed {seed!r}\n\n")
    sys.stdout.writelines(f"{row(each)}\n" for each in drawn(seed, among))
    sys.stdout.writelines(f"{line}\n" for line in ("", *hazard_table(all_found)))
    problems = [
        f"PROBLEM in {open_step.project.name}: {problem}\n" for open_step in all_found for problem in open_step.problems
    ]
    sys.stdout.writelines(problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
