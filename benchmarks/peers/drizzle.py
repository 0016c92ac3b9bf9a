"""drizzle-orm's migrator, on Node with node-postgres: all that is pending in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.peer import HOME, install_npm
from benchmarks.scripts import Script, numbered

VERSION = "0.45.4"
BREAKPOINT = "\n--> statement-breakpoint\n"
MIGRATOR = """
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";

const client = new pg.Client({ connectionString: process.argv[2] });
await client.connect();
await migrate(drizzle(client), { migrationsFolder: process.argv[3] });
await client.end();
"""


class Drizzle:
    name = "drizzle"
    title = f"drizzle-orm {VERSION}"

    def install(self) -> None:
        home = install_npm(self.name, [f"drizzle-orm@{VERSION}", "pg@8.23.1"])
        (home / "migrate.mjs").write_text(MIGRATOR)  # beside node_modules, where Node looks for packages

    def lay_out(self, folder: Path, scripts: Sequence[Script], url: str) -> list[str]:
        (folder / "meta").mkdir(parents=True)
        entries = []
        for number, (name, script) in enumerate(numbered(scripts)):
            (folder / f"{name}.sql").write_text(BREAKPOINT.join(script.settled))
            # It compares moments of creation: what is newer than the newest applied one is pending.
            entries.append({"idx": number, "version": "7", "when": number + 1, "tag": name, "breakpoints": True})
        journal = {"version": "7", "dialect": "postgresql", "entries": entries}
        (folder / "meta" / "_journal.json").write_text(json.dumps(journal))
        return ["node", str(HOME / self.name / "migrate.mjs"), url, str(folder)]
