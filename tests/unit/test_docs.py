"""The docs say what the code does: every setting, command, argument, event and error is documented, every link leads
somewhere."""

from __future__ import annotations

import argparse
import inspect
import re
import typing
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

from lockgate import configuration, errors, events
from lockgate.errors import LockgateError
from lockgate.management.commands.lockgate import VERBS as VERB_NAMES
from lockgate.management.commands.lockgate import Command as Lockgate
from lockgate.management.commands.lockgate import command_of, overview

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
COMMANDS = sorted(path.stem for path in (ROOT / "apps/lockgate/management/commands").glob("[!_]*.py"))
VERBS = [f"lockgate {verb}" for verb in VERB_NAMES]
OVERRIDDEN = ("makemigrations", "migrate", "showmigrations")

CODE_BLOCK = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
PLACES = "apps|benchmarks|docker|docs|project|requirements|tests"
PACKAGES = "|".join(
    sorted(
        path.parent.name for path in (ROOT / "apps/lockgate").glob("*/__init__.py") if path.parent.name != "migrations"
    )
)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A page without its blocks of code, in which nothing is a link or a heading."""
    return CODE_BLOCK.sub("", text)


def section(text: str, title: str) -> str:
    """What stands under a heading of the second level, up to the next one."""
    match = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"no section {title!r}"
    return match.group(1)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = [
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in HEADING.findall(prose(text))
    ]
    return set(titles)


def parser(command: BaseCommand, name: str) -> argparse.ArgumentParser:
    return command.create_parser("manage.py", name)


def arguments(found: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Every option string, and every positional by its name."""
    named = {option: action for action in found._actions for option in action.option_strings}
    return named | {action.dest: action for action in found._actions if not action.option_strings}


def ours(name: str) -> BaseCommand:
    return command_of(name.removeprefix("lockgate ")) if name in VERBS else load_command_class("lockgate", name)


def djangos(name: str) -> BaseCommand:
    return load_command_class("django.core", name)


def added(name: str) -> list[str]:
    """The long options that ours has and its Django parent, or Django's plain command, has not."""
    parent = djangos(name) if name in OVERRIDDEN else BaseCommand()
    return sorted(
        option for option in arguments(parser(ours(name), name)).keys() - arguments(parser(parent, name)).keys()
    )


def as_documented(default: typing.Any) -> str:
    """A default as the table of settings shows it: durations in seconds."""
    if isinstance(default, timedelta):
        return f"{default.total_seconds():g}"
    return {"": "none", (): "`[]`"}.get(default, f"`{default}`")


def all_errors() -> list[type[LockgateError]]:
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, LockgateError)]
    assert len(classes) > 5
    return classes


@pytest.mark.parametrize("option", configuration.OPTIONS, ids=lambda option: option.key)
def test_every_setting_has_a_row_with_its_variable_and_default(option: configuration.Option) -> None:
    rows = [line for line in page("docs/settings.md").splitlines() if line.startswith(f"| `{option.key}` |")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[1] == (f"`{option.variable}`" if option.variable else "")
    assert cells[3] == as_documented(configuration._DEFAULTS[option.attribute])


@pytest.mark.parametrize(
    "option", [option for option in configuration.OPTIONS if option.choices], ids=lambda option: option.key
)
def test_every_choice_of_a_setting_is_documented(option: configuration.Option) -> None:
    text = page("docs/settings.md")
    assert [choice for choice in option.choices if f"`{choice}`" not in text] == []


def test_every_setting_belongs_to_a_field_of_the_policy() -> None:
    assert {option.attribute for option in configuration.OPTIONS} == configuration._DEFAULTS.keys()


@pytest.mark.parametrize("source", ["entrypoint.sh", "docker/gunicorn.conf.py"])
def test_every_variable_of_the_container_is_documented(source: str) -> None:
    read = re.findall(r"os\.environ\.get\(\"([A-Z_]+)\"|\$\{([A-Z_]+):?-", page(source))
    names = {first or second for first, second in read}
    assert names
    assert [name for name in sorted(names) if f"`{name}`" not in page("docs/settings.md")] == []


def test_every_variable_of_the_service_is_documented() -> None:
    serve = import_module("project.settings.serve")
    names = [name.upper() for name in serve.Environment.model_fields]
    table = section(page("docs/settings.md"), "Environment of the service")
    assert [name for name in names if f"| `{name}` |" not in table] == []


@pytest.mark.parametrize("name", [*COMMANDS, *VERBS])
def test_every_command_has_a_section_and_help(name: str) -> None:
    assert section(page("docs/commands.md"), name).strip()
    assert ours(name).help.endswith(".")
    undescribed = [action.dest for action in parser(ours(name), name)._actions if not action.help]
    assert undescribed == []


@pytest.mark.parametrize("name", [*COMMANDS, *VERBS])
def test_every_argument_that_ours_adds_is_documented(name: str) -> None:
    text = section(page("docs/commands.md"), name)
    assert [option for option in added(name) if f"`{option}" not in text] == []


def test_the_verbs_are_modules_and_the_page_lists_them_as_the_command_does() -> None:
    modules = (ROOT / "apps/lockgate/management/verbs").glob("[!_]*.py")
    assert sorted(VERB_NAMES) == sorted(path.stem for path in modules)
    assert overview() in page("docs/commands.md")
    assert all(verb in Lockgate.help for verb in VERB_NAMES)


def test_the_arguments_that_ours_adds_are_seen_at_all() -> None:
    assert "--lock-wait-seconds" in added("migrate")
    assert "--history" in added("showmigrations")
    assert "--timeout-seconds" in added("lockgate wait")


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_an_overridden_command_accepts_every_argument_of_its_parent(name: str) -> None:
    mine, theirs = arguments(parser(ours(name), name)), arguments(parser(djangos(name), name))
    assert theirs.keys() <= mine.keys()
    for option, action in theirs.items():
        kept = mine[option]
        assert (kept.dest, kept.nargs, kept.default, kept.const, kept.type) == (
            action.dest,
            action.nargs,
            action.default,
            action.const,
            action.type,
        ), option


def kind(event: typing.Any) -> str:
    """The name of a class of events."""
    return str(event._field_defaults["kind"])


def table_of_events() -> str:
    return page("docs/commands.md").split("### Events")[1].split("\n## ")[0]


@pytest.mark.parametrize("event", typing.get_args(events.Event), ids=kind)
def test_every_event_has_a_row_with_its_fields(event: typing.Any) -> None:
    rows = [line for line in table_of_events().splitlines() if line.startswith(f"| `{kind(event)}` |")]
    assert len(rows) == 1
    assert [name for name in event._fields if name not in ("kind", "level") and f"`{name}`" not in rows[0]] == []
    level = event._field_defaults.get("level")  # of others it depends on what they say
    assert level is None or level in rows[0].split("|")[2]


def test_every_event_of_the_table_exists() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", table_of_events(), re.MULTILINE)
    assert sorted(rows) == sorted(map(kind, typing.get_args(events.Event)))


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: error.__name__)
def test_every_error_has_a_message_of_its_own_and_an_exit_code(error: type[LockgateError]) -> None:
    message = (error.__doc__ or "").strip()
    assert message
    assert "\n" not in message
    assert message[0].islower()
    assert not message.endswith((".", "!"))
    assert error.returncode == (2 if error is errors.WrongArgument else 1)
    assert error().returncode == error.returncode
    assert str(error()).splitlines() == [message, "  state  nothing was changed"]
    assert sum(one_error.__doc__ == error.__doc__ for one_error in all_errors()) == 1


def links() -> Iterator[tuple[Path, str]]:
    for path in PAGES:
        for target in LINK.findall(prose(path.read_text(encoding="utf-8"))):
            if not target.startswith(("http://", "https://", "mailto:")):
                yield path, target


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    broken = []
    found = list(links())
    assert len(found) > 20
    for source, target in found:
        name, _, anchor = target.partition("#")
        path = (source.parent / name).resolve() if name else source
        if not path.is_relative_to(ROOT) or not path.exists():
            broken.append(f"{source.name}: {target}")
        elif anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
            broken.append(f"{source.name}: {target} (no such heading)")
    assert broken == []


def test_what_is_refused_is_said_in_these_words() -> None:
    """Each message of the list stands in a source, joined as Python joins the parts of a text."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "apps/lockgate").rglob("*.py"))
    joined = re.sub(r'"\s*\n\s*f?"', "", sources)
    rows = [line.split(" | ") for line in page("docs/refused.md").splitlines() if line.startswith("| ")]
    said = [each for row in rows for each in re.findall(r"`([^`]+)`", row[1]) if "atomic" not in each]
    assert len(said) > 15
    assert [each for each in said if each not in joined] == []


def test_every_page_is_in_the_index() -> None:
    listed = {(DOCS / target.partition("#")[0]).resolve() for source, target in links() if source == DOCS / "index.md"}
    pages = [*DOCS.glob("*.md"), *(DOCS / "evidence").glob("*.md")]
    assert [path.name for path in pages if path.name != "index.md" and path not in listed] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", page("Makefile"), re.MULTILINE))
    mentioned = set(re.findall(r"(?:`|^|[A-Z]=\S+ )make ([a-z]+)", page(name), re.MULTILINE))
    assert mentioned
    assert mentioned - targets == set()


def test_contributing_names_every_make_target() -> None:
    documented = set(re.findall(r"^([a-z]+):.*##", page("Makefile"), re.MULTILINE)) - {"help"}
    assert [target for target in sorted(documented) if f"`make {target}`" not in page("CONTRIBUTING.md")] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_of_this_repository_that_is_mentioned_exists(path: Path) -> None:
    named = rf"(?<![\w/.-])((?:{PLACES})/[\w./*-]*\w|(?:{PACKAGES})/[\w/]+\.py)"
    mentioned = re.findall(named, path.read_text(encoding="utf-8"))
    bases = (ROOT, ROOT / "apps/lockgate")
    missing = [name for name in mentioned if not any(list(base.glob(name)) for base in bases)]
    assert missing == []


def test_the_changelog_has_this_version() -> None:
    from lockgate import __version__

    assert re.search(rf"^## {re.escape(__version__)}\b", page("CHANGELOG.md"), re.MULTILINE)


def test_every_requirement_is_there_on_purpose() -> None:
    text = section(page("docs/decisions.md"), "Dependencies")
    named = re.findall(r"^([a-z][\w-]*)", page("requirements/base.in") + page("requirements/dev.in"), re.MULTILINE)
    assert len(named) > 10
    missing = [name for name in named if name not in text and name.removeprefix("pytest") not in text]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_are_plain(path: Path) -> None:
    text = prose(path.read_text(encoding="utf-8"))
    assert re.findall(r"\w!(?:\s|$)", text) == []
    assert re.findall(r"(?i)\b(?:please|simply|just works|seamless\w*|blazing\w*)\b", text) == []
