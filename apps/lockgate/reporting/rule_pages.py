"""A rule's page, ``--explain`` and the index of all pages, from the rule itself.

``python -m lockgate.reporting.rule_pages docs/rules`` writes the pages; a test compares them with the rules.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from lockgate.linting.rules import ALL, GROUPS, Example, Rule
from lockgate.linting.rules.example_models import MODELS

WIDTH = 110  # characters


def explain(rule: Rule) -> str:
    """A rule for the terminal."""
    return "\n".join(
        [
            f"{rule.id} {rule.name} ({rule.severity})",
            "",
            *_part("when", rule.condition),
            *_part("why", rule.effect),
            *_part("next", rule.remedy),
            *_part("code", _code(rule)),
            *_part("from", rule.rests_on),
            "",
            *_example("unsafe", rule.unsafe),
            *_example("safe", rule.safe),
            "to accept it, in the migration",
            f'    lockgate_accept = {{"{rule.id}": "the reason why it is safe here"}}',
        ]
    )


def _part(label: str, content: str) -> list[str]:
    head = f"{label:<6}"
    return textwrap.wrap(content, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def page(rule: Rule) -> str:
    """A rule as a page of the docs."""
    squawk = f"\nIn SQL, squawk's {_codes(rule.squawk)} is reported as this rule.\n" if rule.squawk else ""
    whose = "All rules: [index](index.md)." if rule in ALL else "A rule of this project's own."
    return f"""# {rule.id}: {rule.name}

Severity: {rule.severity}. {whose}

**When.** {rule.condition}

**Effect.** {rule.effect}

**Remedy.** {rule.remedy}

**Code.** {_code(rule)}
{_source(rule)}{squawk}{_section("Unsafe", rule.unsafe)}{_section("Safe", rule.safe)}{_end(rule)}
## Accepting it

```python
class Migration(migrations.Migration):
    lockgate_accept = {{"{rule.id}": "the reason why it is safe here"}}
```
"""


def _code(rule: Rule) -> str:
    """Whether there is something to paste."""
    if rule.instead:
        return "Where it can be made of the operation, what to write instead is printed with the finding."
    shown = "; the safe example shows the way" if rule.safe.source else ""
    return f"None is made of the operation{shown}."


def _source(rule: Rule) -> str:
    return f"\n**Source.** <{rule.rests_on}>\n" if rule.rests_on else ""


_THEN = "then, when that is deployed"


def _example(title: str, example: Example) -> list[str]:
    """The migrations of an example for the terminal; a project's own rule may have none."""
    if not example.source:
        return []
    return [f"{title}{_given(example)}", *_several(example)]


def _several(example: Example) -> list[str]:
    lines: list[str] = []
    for source in example.sources:
        lines += [_THEN] if lines else []
        lines += [textwrap.indent(source.rstrip(), "    "), ""]
    return lines


def _section(title: str, example: Example) -> str:
    return f"\n## {title}{_given(example)}\n\n{_blocks(example)}\n" if example.source else ""


def _blocks(example: Example) -> str:
    """The migrations of an example, each in a block."""
    return f"\n\n{_THEN.capitalize()}:\n\n".join(f"```python\n{source.rstrip()}\n```" for source in example.sources)


def _end(rule: Rule) -> str:
    """What both examples come to, which a test compares."""
    return f"\nIt does not end in the same schema as the other: {_lower(rule.other_end)}\n" if rule.other_end else ""


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _codes(names: tuple[str, ...]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def _given(example: Example) -> str:
    """What the catalog must say for the example to count."""
    return f" ({example.database})" if example.database else ""


def index() -> str:
    """All rules by group, and the models that their examples change."""
    parts = [
        "# Rules",
        "",
        "What `lockgate lint` reports, and why. Ids never change their meaning. How hazards are judged",
        "and accepted is in [linting](../linting.md); how to add a rule in [adding a rule](../adding-a-rule.md).",
    ]
    for prefix, (title, rules) in GROUPS.items():
        parts += ["", f"## {prefix}xx: {title}", "", "| id | name | severity | reported when |", "|---|---|---|---|"]
        parts += [f"| [{rule.id}]({rule.id}.md) | {rule.name} | {rule.severity} | {rule.condition} |" for rule in rules]
    parts += ["", "## The examples' models", "", "Every example changes these tables, which are large.", ""]
    return "\n".join([*parts, "```python", MODELS.rstrip(), "```", ""])


def write(folder: Path) -> None:
    """Write every page, and remove those of rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{rule.id}.md": page(rule) for rule in ALL} | {"index.md": index()}
    for path in folder.glob("*.md"):
        if path.name not in pages:
            path.unlink()
    for name, content in pages.items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
