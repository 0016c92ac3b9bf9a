"""What tools said of the cases, kept as a file, so that the page can be made and tested without them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = Path(__file__).with_name("answers.json")


@dataclass(frozen=True, order=True)
class Remark:
    """One rule that a tool reported. level: error, warning or info, in the tool's own opinion."""

    rule: str
    level: str


@dataclass(frozen=True)
class Observed:
    """What PostgreSQL did when stock Django applied a migration to tables with rows.

    held: the strongest lock on tables that were there before. work: the heaviest of rewrite, build and scan, if any.
    error: an SQLSTATE, or a class's name, where it failed.
    """

    held: str = ""
    work: str = ""
    error: str = ""


@dataclass
class Answers:
    """versions: by tool. remarks: by tool and case. digests: of the cases as they were judged.

    observed: by case, of each of its migrations, up to one that failed. postgres: the server's version.
    """

    postgres: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, dict[str, list[Remark]]] = field(default_factory=dict)
    observed: dict[str, list[Observed]] = field(default_factory=dict)

    def write(self) -> None:
        FILE.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def kept() -> Answers:
    """Those of the last time that the tools were run."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    remarks = {
        tool: {name: [Remark(**each) for each in said] for name, said in cases.items()}
        for tool, cases in document["remarks"].items()
    }
    observed = {name: [Observed(**each) for each in all_seen] for name, all_seen in document["observed"].items()}
    return Answers(document["postgres"], document["versions"], document["digests"], remarks, observed)
