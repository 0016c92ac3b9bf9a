"""yoyo-migrations, with psycopg: each migration in a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.peer import HOME, install_pip
from benchmarks.scripts import Script, numbered

VERSION = "9.0.0"


class Yoyo:
    name = "yoyo"
    title = f"yoyo {VERSION}"

    def install(self) -> None:
        install_pip(self.name, [f"yoyo-migrations=={VERSION}", "psycopg[binary]==3.3.9"])

    def lay_out(self, folder: Path, scripts: Sequence[Script], url: str) -> list[str]:
        folder.mkdir()
        previous = ""
        for name, script in numbered(scripts):
            text = "".join(f"{statement};\n" for statement in script.statements)
            (folder / f"{name}.sql").write_text(f"-- depends: {previous}\n{text}")
            previous = name
        program = str(HOME / self.name / "venv" / "bin" / "yoyo")
        address = url.replace("postgresql://", "postgresql+psycopg://")
        return [program, "apply", "--batch", "--no-config-file", "--database", address, str(folder)]
