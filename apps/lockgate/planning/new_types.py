"""What a new column's type makes PostgreSQL do to the rows that are there."""

from __future__ import annotations

import re

from lockgate.planning.steps import Work

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


def work(wanted: str) -> Work:
    """What a new column's type alone asks for, its default aside.

    A serial's numbers are written into each row; a domain with a check is proven for each, and whether a name that is
    not known is such a domain, or an enumeration, only the catalog knows.
    """
    name = _TIME_ZONE.sub("", re.sub(r"\(.*?\)|\[.*?\]", "", wanted.lower()).strip())
    if name in SERIALS:
        return Work.REWRITE
    return Work.MOMENT if name in _NO_DOMAINS else Work.UNKNOWN
