"""Alembic, on SQLAlchemy with psycopg: all that is pending in one transaction, as in the environment that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.peer import HOME, install_pip
from benchmarks.scripts import Script, numbered

VERSION = "1.20.1"
INI = """
[alembic]
script_location = {folder}
sqlalchemy.url = {url}
"""
ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
from alembic import op

revision = {revision!r}
down_revision = {previous!r}
branch_labels = depends_on = None


def upgrade():
    connection = op.get_bind()
    for statement in {statements!r}:
        connection.exec_driver_sql(statement)
"""


class Alembic:
    name = "alembic"
    title = f"Alembic {VERSION}"

    def install(self) -> None:
        install_pip(self.name, [f"alembic=={VERSION}", "sqlalchemy==2.1.9", "psycopg[binary]==3.3.9"])

    def lay_out(self, folder: Path, scripts: Sequence[Script], url: str) -> list[str]:
        (folder / "versions").mkdir(parents=True)
        address = url.replace("postgresql://", "postgresql+psycopg://")
        (folder / "alembic.ini").write_text(INI.format(folder=folder, url=address))
        (folder / "env.py").write_text(ENVIRONMENT)
        (folder / "script.py.mako").touch()
        previous = None
        for name, script in numbered(scripts):
            revision = name[:4]
            text = REVISION.format(revision=revision, previous=previous, statements=script.settled)
            (folder / "versions" / f"{name}.py").write_text(text)
            previous = revision
        return [str(HOME / self.name / "venv" / "bin" / "alembic"), "upgrade", "head"]
