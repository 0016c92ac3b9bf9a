"""dbmate: a program in Go; each migration in a transaction of its own. Its npm package brings the program."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.peer import HOME, install_npm
from benchmarks.scripts import Script, numbered

VERSION = "2.36.0"


class Dbmate:
    name = "dbmate"
    title = f"dbmate {VERSION}"

    def install(self) -> None:
        install_npm(self.name, [f"dbmate@{VERSION}"])

    def lay_out(self, folder: Path, scripts: Sequence[Script], url: str) -> list[str]:
        folder.mkdir()
        for name, script in numbered(scripts):
            text = "".join(f"{statement};\n" for statement in script.statements)
            (folder / f"{name}.sql").write_text(f"-- migrate:up\n{text}-- migrate:down\n")
        options = ["--url", f"{url}?sslmode=disable", "--migrations-dir", str(folder), "--no-dump-schema"]
        return [str(_program()), *options, "migrate"]


def _program() -> Path:
    """The program itself: the package's own command starts Node first, which takes longer than the rest."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return HOME / "dbmate" / "node_modules" / "@dbmate" / f"{platform.system().lower()}-{machine}" / "bin" / "dbmate"
