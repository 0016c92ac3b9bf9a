"""What a column's type stands on, and what a new one's makes PostgreSQL do to the rows that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from lockgate.facts.types import TypeFacts
from lockgate.planning.steps import Work

Types = Mapping[str, TypeFacts]

SERIALS = ("serial", "serial2", "serial4", "serial8", "smallserial", "bigserial")
# Types of PostgreSQL, and of extensions that Django's fields are made for: none of them is a domain.
_PLAIN = """
    smallint integer bigint int int2 int4 int8 numeric real float float4 float8 money boolean bool text varchar char
    bpchar name bytea date time timetz timestamp timestamptz interval uuid json jsonb xml inet cidr macaddr macaddr8
    bit varbit point line lseg box path polygon circle tsvector tsquery oid regclass regtype int4range int8range
    numrange tsrange tstzrange daterange int4multirange int8multirange nummultirange tsmultirange tstzmultirange
    datemultirange pg_lsn jsonpath citext hstore ltree lquery cube seg isn vector halfvec sparsevec geometry
    geography raster character
"""
_OF_WORDS = {"double precision", "character varying", "bit varying"}
_TIME_ZONE = re.compile(r" with(out)? time zone$")
_NO_DOMAINS = _OF_WORDS.union(_PLAIN.split())


def work(type_name: str, types: Types = MappingProxyType({})) -> Work:
    """What a new column's type alone asks for, its default aside. types: those that are not PostgreSQL's own.

    A serial's numbers are written into each row; a domain with a check is proven for each, and whether a name that is
    not known is such a domain, or an enumeration, nobody can tell.
    """
    name = _name(type_name)
    if name in SERIALS:
        return Work.REWRITE
    if name in _NO_DOMAINS:
        return Work.MOMENT
    if name not in types:
        return Work.UNKNOWN
    chain = list(_chain(name, types)) if not _is_array(type_name) else []
    return Work.REWRITE if any(type_facts.constrained or type_facts.filled for type_facts in chain) else Work.MOMENT


def stored(type_name: str, types: Types) -> str:
    """The type of a column's values: what a domain stands on in the end, whose length PostgreSQL does not look at."""
    base = _base(type_name, types, constrained=True)
    return base if base == type_name or _is_array(base) else _name(base)


def unproven(type_name: str, types: Types) -> str:
    """The same for what a column is to become: a domain with a check stays itself, as each row is proven for it."""
    return _base(type_name, types, constrained=False)


def _base(type_name: str, types: Types, *, constrained: bool) -> str:
    chain = [] if _is_array(type_name) else list(_chain(_name(type_name), types))
    if not chain or not chain[-1].base or (not constrained and any(type_facts.constrained for type_facts in chain)):
        return type_name
    return chain[-1].base


def _chain(name: str, types: Types) -> Iterator[TypeFacts]:
    """A type, and what it stands on, as far as those are not PostgreSQL's own."""
    while name in types:
        yield types[name]
        name = _name(types[name].base)


def _name(type_name: str) -> str:
    """A type's name without its length, as the catalog has it."""
    bare = re.sub(r"\(.*?\)|\[.*?\]", "", type_name if '"' in type_name else type_name.lower()).strip()
    return _TIME_ZONE.sub("", bare)


def _is_array(type_name: str) -> bool:
    return type_name.rstrip().endswith("]")
