"""On a terminal there is a live line; elsewhere rich is not even imported."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable

from tests.support.sites import CREATE_COUNTER, Site


def on_a_terminal(site: Site, *arguments: str, watch: Callable[[str], object] = lambda seen: None) -> str:
    """What a person would see of a command, control sequences included. watch: is told all of it, as it comes."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=site.path,
        env=site.environment({"TERM": "xterm"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the other end is closed: the command has ended
            break
        if not chunk:
            break
        seen += chunk
        watch(seen.decode(errors="replace"))
    os.close(ours)
    assert process.wait(timeout=30) == 0, seen.decode()
    return seen.decode()


def test_a_terminal_shows_what_runs_now_above_the_lines_that_stay(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    redrawn = site.path / "redrawn"

    def watch(seen: str) -> None:
        if seen.count("applying shop.0002_sleep") > 4:
            redrawn.touch()

    site.migration(
        "0002_sleep",
        "migrations.RunPython(until_redrawn)",
        imports=f"""
        import pathlib, time

        def until_redrawn(apps, schema_editor):
            for _ in range(1200):
                if pathlib.Path({str(redrawn)!r}).exists():
                    return
                time.sleep(0.05)
            raise TimeoutError("the line was not redrawn")
        """,
    )
    seen = on_a_terminal(site, "migrate", watch=watch)  # ends only if the line is redrawn while it takes time
    assert seen.count("applied shop.0002_sleep") == 1
    assert "\x1b[2K" in seen, "the live line is drawn over"


def test_a_log_has_no_control_sequences_and_rich_is_not_imported(site: Site) -> None:
    site.fresh = True
    (site.path / "manage.py").write_text(
        (site.path / "manage.py").read_text() + "\nassert 'rich' not in sys.modules\nprint('end')\n"
    )
    site.migration("0001_initial", CREATE_COUNTER)
    result = site.migrate()
    assert result.code == 0, result.text
    assert result.out.endswith("end\n")
    assert "\x1b" not in result.text


def test_a_terminal_shows_djangos_colours_and_obeys_nothing_else(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_\x1b]0;owned\x07\x1b[8m", "migrations.RunSQL('SELECT 1', '')")
    seen = on_a_terminal(site, "showmigrations") + on_a_terminal(site, "migrate", "--plan")
    assert "\x1b[1mshop" in seen
    assert seen.count("0002_\\x1b]0;owned\\x07\\x1b[8m") > 1
    assert not {"\x07", "\x1b[8m", "\x1b]"} & {*seen, *re.findall(r"\x1b\[8m|\x1b\]", seen)}


def test_colours_that_are_asked_for_are_written_into_a_log(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    assert "\x1b[1mshop" in site.run("showmigrations", "--force-color").out
