"""entrypoint.sh with a pretended migration and a pretended server: order, environment, exit codes, signals.

What it is as PID 1 of a real container is shown in tests/container.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate import configuration
from lockgate.configuration import Option
from lockgate.errors import ConfigurationError

ENTRYPOINT = Path(__file__).parents[2] / "entrypoint.sh"
PATIENCE = 45.0  # seconds for what takes none: less than what is slept where a signal is to end it
SHELLS = [
    pytest.param(
        command.split(),
        id=command.replace(" ", "-"),
        marks=pytest.mark.skipif(not shutil.which(command.split()[0]), reason=f"no {command.split()[0]} here"),
    )
    for command in ("dash", "bash --posix", "busybox sh")
]
SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]

# Each says what it was called with, then does as it is told by $MIGRATION or $SERVER.
PYTHON = """#!/bin/sh
echo "python $* [$DJANGO_SETTINGS_MODULE] in $(pwd)" >>"$JOURNAL"
eval "$MIGRATION"
"""
GUNICORN = """#!/bin/sh
echo "gunicorn $* [$DJANGO_SETTINGS_MODULE]" >>"$JOURNAL"
eval "$SERVER"
"""
MIGRATED = "python manage.py migrate --noinput [project.settings.migrate]"
SERVED = "gunicorn --config docker/gunicorn.conf.py project.wsgi"


class House:
    """A directory with the real entrypoint.sh, and pretended commands in front of PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "house"
        self.journal = directory / "journal"
        self.journal.touch()
        self.told = directory / "told"
        self.directory.mkdir()
        self.entrypoint = shutil.copy(ENTRYPOINT, self.directory)
        self.elsewhere = directory / "elsewhere"
        self.elsewhere.mkdir()
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.pretend("python", PYTHON)
        self.pretend("gunicorn", GUNICORN)
        self.running: list[subprocess.Popen[bytes]] = []

    def pretend(self, name: str, script: str) -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def signal_itself_after(self, line: str) -> None:
        """Let the script get a SIGTERM at one instant: when this line of it is done."""
        script = Path(self.entrypoint)
        before, found, after = script.read_text().partition(f"{line}\n")
        assert found
        script.write_text(f"{before}{found}kill -s TERM $$\n{after}")

    def start(
        self, *arguments: str, shell: list[str] | None = None, called: str = "", **environment: str
    ) -> subprocess.Popen[bytes]:
        """called: the script's name, as seen from elsewhere."""
        inherited = {"PATH": f"{self.bin}:{os.environ['PATH']}", "JOURNAL": str(self.journal)}
        told = self.told.open("wb")
        process = subprocess.Popen(
            [*(shell or ["sh"]), called or self.entrypoint, *arguments],
            env={"MIGRATION": "exit 0", "SERVER": "exit 0", **inherited, **environment},
            cwd=self.elsewhere,
            stdout=subprocess.DEVNULL,
            stderr=told,
            start_new_session=True,
        )
        told.close()
        self.running.append(process)
        return process

    def run(self, *arguments: str, **options: Any) -> int:
        return self.start(*arguments, **options).wait(timeout=20)

    def did(self) -> list[str]:
        return [line.split(" in /")[0] for line in self.journal.read_text().splitlines()]

    def wait_for(self, line: str) -> None:
        deadline = time.monotonic() + 20
        while line not in self.journal.read_text():
            assert time.monotonic() < deadline, f"{line!r} not reached"
            time.sleep(0.005)

    def end_all(self) -> None:
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.end_all()


def test_the_script_passes_shellcheck() -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck here")
    subprocess.run(["shellcheck", ENTRYPOINT], check=True, timeout=60)


@pytest.mark.parametrize("shell", SHELLS)
def test_migrates_first_and_then_serves(house: House, shell: list[str]) -> None:
    assert house.run(shell=shell) == 0
    assert house.did() == [MIGRATED, f"{SERVED} [project.settings.serve]"]


def test_works_in_its_own_directory_wherever_it_is_called_from(house: House) -> None:
    house.run()
    assert f"in {house.directory.resolve()}" in house.journal.read_text()


def in_its_own(house: House) -> bool:
    (line,) = [line for line in house.journal.read_text().splitlines() if line.startswith("python")]
    return line.endswith(f" in {house.directory.resolve()}")


@pytest.mark.parametrize("shell", SHELLS)
def test_cdpath_leads_to_no_other_folder(house: House, shell: list[str]) -> None:
    """Whose name is the same, seen from somewhere else."""
    house.directory.rename(inside := house.elsewhere / "house")
    house.directory = inside
    (other := house.elsewhere / "other" / "house").mkdir(parents=True)
    house.run(shell=shell, called="house/entrypoint.sh", CDPATH=str(other.parent))
    assert in_its_own(house)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("chain", [False, True])
def test_a_link_to_it_means_the_folder_that_it_is_in(house: House, shell: list[str], chain: bool) -> None:
    (link := house.elsewhere / "start").symlink_to("../house/entrypoint.sh")
    if chain:
        (house.bin / "again").symlink_to(link)
        link = house.bin / "again"
    (house.elsewhere / "manage.py").touch()
    house.run(shell=shell, called=str(link))
    assert in_its_own(house)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["two words", "-P", "*", "$(exit 3)"])
def test_any_name_of_its_folder_will_do(house: House, shell: list[str], name: str) -> None:
    house.directory.rename(inside := house.elsewhere / name)
    house.directory = inside
    house.run(shell=shell, called=f"./{name}/entrypoint.sh")
    assert in_its_own(house)


def test_an_exported_function_is_not_taken_for_cd(house: House) -> None:
    if not shutil.which("bash"):
        pytest.skip("no bash here")
    house.run(shell=["bash", "--posix"], **{"BASH_FUNC_cd%%": "() { builtin cd /; }"})
    assert in_its_own(house)


def test_settings_meant_for_the_server_do_not_reach_the_migration(house: House) -> None:
    assert house.run(DJANGO_SETTINGS_MODULE="other.settings") == 0
    assert house.did() == [MIGRATED, f"{SERVED} [other.settings]"]


def test_arguments_replace_the_server_but_not_the_migration(house: House) -> None:
    assert house.run("sh", "-c", 'echo "$DJANGO_SETTINGS_MODULE $1" >>"$JOURNAL"; exit 7', "-", "two words") == 7
    assert house.did() == [MIGRATED, "project.settings.serve two words"]


SKIP = Option("SKIP_MIGRATE", "online", "LOCKGATE_SKIP_MIGRATE")  # as a variable that is true or false
WORDS = [spelt for word in ("true", "on", "1", "false", "off", "0") for spelt in {word, word.upper(), word.title()}]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("word", sorted(WORDS))
def test_the_migration_is_skipped_by_the_words_that_other_variables_take(
    house: House, shell: list[str], word: str
) -> None:
    assert house.run(shell=shell, LOCKGATE_SKIP_MIGRATE=word) == 0
    skipped = configuration._read(SKIP, SKIP.variable, word)
    assert house.did() == [*[MIGRATED][skipped:], f"{SERVED} [project.settings.serve]"]


def test_an_empty_word_counts_as_none(house: House) -> None:
    assert house.run(LOCKGATE_SKIP_MIGRATE="") == 0
    assert MIGRATED in house.did()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("word", ["yes", "2", " 1", "1 ", "true\n", "ture", "*", "[Oo][Nn]", "-n", "\x1b[31m"])
def test_a_word_that_says_neither_is_refused_and_nothing_is_done(house: House, shell: list[str], word: str) -> None:
    assert house.run(shell=shell, LOCKGATE_SKIP_MIGRATE=word) == 1
    told = house.told.read_text()
    assert told.startswith("error: LOCKGATE_SKIP_MIGRATE is neither true nor false\n  state  nothing was migrated")
    assert "\x1b" not in told
    assert house.did() == []
    with pytest.raises(ConfigurationError):
        configuration._read(SKIP, SKIP.variable, word)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("migration", "code"), [("exit 1", 1), ("exit 3", 3), ("exit 127", 127), ("kill -KILL $$", 137)]
)
def test_a_failed_migration_ends_it_with_the_same_exit_code(
    house: House, shell: list[str], migration: str, code: int
) -> None:
    assert house.run(shell=shell, MIGRATION=migration) == code
    assert house.did() == [MIGRATED]


def test_a_command_that_does_not_exist_ends_it_with_127(house: House) -> None:
    assert house.run("no-such-command") == 127


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_ends_the_migration_and_nothing_is_served(
    house: House, shell: list[str], number: signal.Signals
) -> None:
    process = house.start(shell=shell, MIGRATION="echo begun >>$JOURNAL; exec sleep 60")
    house.wait_for("begun")
    process.send_signal(number)
    process.wait(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM  # the migration's own, which died of SIGTERM
    assert house.did() == [MIGRATED, "begun"]


@pytest.mark.parametrize("shell", SHELLS)
def test_waits_for_the_rollback_and_ends_with_the_migrations_exit_code(house: House, shell: list[str]) -> None:
    rollback = "trap 'sleep 0.5; echo rolled back >>$JOURNAL; exit 1' TERM; echo begun >>$JOURNAL; sleep 60 & wait"
    process = house.start(shell=shell, MIGRATION=rollback)
    house.wait_for("begun")
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=PATIENCE)
    assert process.returncode == 1
    assert house.did() == [MIGRATED, "begun", "rolled back"]


@pytest.mark.parametrize("shell", SHELLS)
def test_more_signals_do_not_hurry_it_past_the_rollback(house: House, shell: list[str]) -> None:
    rollback = (
        "trap 'trap : TERM; sleep 1; sleep 1; echo rolled back >>$JOURNAL; exit 1' TERM;"
        "echo begun >>$JOURNAL; sleep 60 & wait"
    )
    process = house.start(shell=shell, MIGRATION=rollback)
    house.wait_for("begun")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(0.2)
    process.wait(timeout=PATIENCE)
    assert process.returncode == 1
    assert house.did() == [MIGRATED, "begun", "rolled back"]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_migration_that_finishes_in_spite_of_the_signal_is_not_followed_by_a_server(
    house: House, shell: list[str], number: signal.Signals
) -> None:
    process = house.start(shell=shell, MIGRATION="trap 'exit 0' TERM; echo begun >>$JOURNAL; sleep 60 & wait")
    house.wait_for("begun")
    process.send_signal(number)
    process.wait(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert house.did() == [MIGRATED, "begun"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_migration_that_ends_while_the_signal_is_handled_keeps_its_exit_code(house: House, shell: list[str]) -> None:
    ends_by_itself = "trap : TERM; echo begun >>$JOURNAL; until [ -e $JOURNAL.end ]; do sleep 0.01; done; exit 5"
    process = house.start(shell=shell, MIGRATION=ends_by_itself)
    house.wait_for("begun")
    process.send_signal(signal.SIGTERM)
    house.journal.with_name("journal.end").touch()
    assert process.wait(timeout=PATIENCE) == 5


@pytest.mark.parametrize("shell", SHELLS)
def test_no_signal_is_lost_at_any_instant(house: House, shell: list[str]) -> None:
    """From before the migration is forked until after the server took over: gone, never left serving."""
    for milliseconds in range(0, 80, 2):
        process = house.start(shell=shell, MIGRATION="exec /bin/sleep 0.03", SERVER="exec /bin/sleep 60")
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)
        # bash says 255 where the signal meets it between two commands, once in some hundred times.
        assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM, 255)


@pytest.mark.parametrize(
    "line",
    [
        "trap 'stop 143' TERM",  # nothing was started yet
        "python manage.py migrate --noinput &",  # the migration runs, and its pid is not known yet
        "child=$!",  # the migration is still this shell's copy of itself
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_around_the_start_of_the_migration_is_passed_on(house: House, shell: list[str], line: str) -> None:
    house.signal_itself_after(line)
    process = house.start(shell=shell, MIGRATION="exec sleep 60")
    assert process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    assert house.did() in ([], [MIGRATED])


@pytest.mark.parametrize("line", ['[ "$status" -eq 0 ] || exit "$status"', "export DJANGO_SETTINGS_MODULE"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_between_the_migration_and_the_server_keeps_the_server_from_starting(
    house: House, shell: list[str], line: str
) -> None:
    house.signal_itself_after(line)
    assert house.run(shell=shell) == 128 + signal.SIGTERM
    assert house.did() == [MIGRATED]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_in_the_last_instant_has_its_default_effect(house: House, shell: list[str]) -> None:
    house.signal_itself_after('[ -z "$stopped" ] || exit "$stopped"')
    assert house.run(shell=shell) == -signal.SIGTERM
    assert house.did() == [MIGRATED]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_server_takes_the_place_of_the_shell(house: House, shell: list[str]) -> None:
    process = house.start(shell=shell, SERVER="echo pid $$ >>$JOURNAL; exec sleep 60")
    house.wait_for("pid")
    assert f"pid {process.pid}" in house.did()
