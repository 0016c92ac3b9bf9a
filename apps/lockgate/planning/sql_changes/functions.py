"""Which functions a statement calls, and what is known of them.

Listed are functions of PostgreSQL that look at their arguments alone, or at the session: none of them reads or changes
a table, or runs a text as SQL. Any other may do anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lockgate.planning.sql_changes.tree import listed, walk, words

# Computed for every row anew; the others give the same for a whole statement.
VOLATILE = listed("""
    clock_timestamp gen_random_uuid nextval random random_normal timeofday uuid_generate_v1 uuid_generate_v1mc
    uuid_generate_v4 uuidv4 uuidv7 setval lastval currval txid_current pg_current_xact_id
""")
_AGGREGATES = listed("""
    count sum avg min max bool_and bool_or every string_agg array_agg json_agg jsonb_agg json_object_agg
    jsonb_object_agg row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value
    nth_value stddev variance percentile_cont percentile_disc mode bit_and bit_or
""")
_NUMBERS = listed("""
    abs ceil ceiling floor round trunc mod power sqrt exp ln log sign greatest least width_bucket gcd lcm div
""")
_TEXT = listed("""
    lower upper initcap length char_length character_length octet_length bit_length substr substring left right
    btrim ltrim rtrim trim replace translate reverse repeat lpad rpad concat concat_ws format split_part strpos
    position overlay ascii chr md5 sha224 sha256 sha384 sha512 encode decode quote_ident quote_literal
    quote_nullable regexp_replace regexp_match regexp_matches regexp_split_to_array regexp_split_to_table
    regexp_count regexp_like regexp_substr starts_with string_to_array array_to_string unaccent similarity to_char
    to_number to_date to_timestamp to_hex like_escape similar_to_escape normalize convert_from convert_to
""")
_TIMES = listed("""
    now current_date current_time current_timestamp localtime localtimestamp transaction_timestamp
    statement_timestamp age date_part date_trunc date_bin extract make_date make_time make_timestamp
    make_timestamptz make_interval justify_days justify_hours justify_interval timezone isfinite
""")
_STRUCTURES = listed("""
    array_append array_cat array_length array_lower array_upper array_ndims array_dims array_position
    array_positions array_prepend array_remove array_replace cardinality unnest generate_series generate_subscripts
    array_fill coalesce nullif json_build_object jsonb_build_object json_build_array jsonb_build_array json_each
    jsonb_each json_each_text jsonb_each_text json_array_elements jsonb_array_elements json_array_elements_text
    jsonb_array_elements_text json_array_length jsonb_array_length jsonb_set jsonb_set_lax jsonb_insert
    jsonb_strip_nulls json_strip_nulls jsonb_typeof json_typeof json_object_keys jsonb_object_keys json_extract_path
    json_extract_path_text jsonb_extract_path jsonb_extract_path_text jsonb_path_query jsonb_path_exists
    jsonb_path_query_array jsonb_path_query_first jsonb_pretty to_json to_jsonb row_to_json array_to_json
    json_object jsonb_object hstore akeys avals lower_inc upper_inc isempty range_merge int4range int8range numrange
    tsrange tstzrange daterange to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery
    setweight ts_rank ts_rank_cd tsvector_concat strip host inet_server_addr masklen network set_masklen family
    hashtext
""")
_SESSION = listed("""
    current_user session_user current_role current_schema current_schemas current_database current_setting
    set_config version pg_backend_pid pg_typeof obj_description col_description format_type to_regclass to_regtype
    to_regproc to_regnamespace to_regrole pg_get_constraintdef pg_get_indexdef pg_get_viewdef pg_get_serial_sequence
    has_table_privilege has_schema_privilege pg_table_is_visible txid_current_if_assigned
    pg_advisory_xact_lock pg_try_advisory_xact_lock grouping xmlelement num_nulls num_nonnulls
""")
# A value of its own for each row, and never NULL.
OF_EACH_ROW = listed("gen_random_uuid nextval random random_normal uuid_generate_v1 uuid_generate_v4 uuidv4 uuidv7")
# The same for the same arguments, whenever it is asked, in one session.
OF_ITS_ARGUMENTS = _NUMBERS | _TEXT | _STRUCTURES | listed("date_part date_trunc date_bin extract timezone isfinite")
_PLAIN = _AGGREGATES | _NUMBERS | _TEXT | _TIMES | _STRUCTURES | _SESSION


def called(node: Any) -> Iterator[str]:
    """The functions called anywhere below, each without the schema ``pg_catalog``."""
    for kind, body in walk(node):
        if kind == "FuncCall":
            yield name_of(body)


def name_of(call: Any) -> str:
    parts = words(call.get("funcname"))
    return ".".join(parts[1:] if parts[:1] == ["pg_catalog"] else parts)


def unknown(node: Any) -> list[str]:
    """The functions called below of which nobody can say what they do."""
    return sorted({name for name in called(node) if name not in _PLAIN and name not in VOLATILE})


def is_volatile(expression: Any) -> bool:
    """Whether a default is computed for every row anew, or may be: a function that is not known may."""
    return any(name not in _PLAIN for name in called(expression))
