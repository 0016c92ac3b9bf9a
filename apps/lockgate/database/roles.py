"""The SQL that makes two roles: an owner, who migrates, and a service, which reads and writes rows and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from psycopg import sql

from lockgate.database.sql import read


class RoleRequest(NamedTuple):
    """What the two roles are for, by name. read_only: tables that the service reads alone. extends: whether the owner
    creates extensions."""

    owner: str
    service: str
    database: str
    schema: str
    read_only: Iterable[str]
    extends: bool


def statements(request: RoleRequest) -> str:
    """One transaction, that can be run again, by who may create roles and owns database and schema.

    It holds no password.
    """
    template = read("roles").partition("\n")[2]
    filled = sql.SQL(template).format(
        owner=sql.Identifier(request.owner),
        service=sql.Identifier(request.service),
        database=sql.Identifier(request.database),
        schema=sql.Identifier(request.schema),
        create=sql.SQL(", CREATE" if request.extends else ""),
        owner_name=sql.Literal(request.owner),
        service_name=sql.Literal(request.service),
        schema_name=sql.Literal(request.schema),
        read_only=sql.Literal(",".join(sorted(request.read_only))),
    )
    return filled.as_string(None)
