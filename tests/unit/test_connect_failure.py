"""Why a connection failed: by SQLSTATE; and what is asked of whoever answers without TLS."""

from __future__ import annotations

import pytest
from psycopg import conninfo, pq

from lockgate.database import connect_failure, wait
from lockgate.database.connect_failure import Cause


@pytest.mark.parametrize(
    ("sqlstate", "cause"),
    [
        (None, Cause.NO_ANSWER),
        ("57P03", Cause.NOT_READY),  # starting up, shutting down, in recovery
        ("57P01", Cause.NOT_READY),  # ended by an administrator
        ("57P02", Cause.NOT_READY),  # crashed
        ("08006", Cause.NOT_READY),
        ("08P01", Cause.UNKNOWN),
        ("53300", Cause.BUSY),  # too many connections
        ("53200", Cause.BUSY),
        ("28000", Cause.PASSWORD),
        ("28P01", Cause.PASSWORD),
        ("3D000", Cause.NO_DATABASE),
        ("42501", Cause.NO_PRIVILEGE),
        ("22023", Cause.UNKNOWN),
        ("XX000", Cause.UNKNOWN),
    ],
)
def test_a_sqlstate_names_its_cause(sqlstate: str | None, cause: Cause) -> None:
    assert connect_failure.classify(sqlstate) is cause


def test_only_what_may_pass_by_itself_is_waited_for() -> None:
    assert {cause for cause in Cause if cause.transient} == {Cause.NO_ANSWER, Cause.NOT_READY, Cause.BUSY}


def test_every_cause_has_something_to_do_next() -> None:
    assert set(wait._NEXT) == set(Cause)


def test_parameters_that_only_psycopg_knows_are_left_out() -> None:
    given = {"host": "db", "port": None, "prepare_threshold": 5, "context": object(), "sslmode": "require"}
    assert connect_failure.libpq_parameters(given) == {"host": "db", "sslmode": "require"}


@pytest.mark.parametrize("sslmode", ["require", "disable"])
def test_whoever_is_asked_without_proof_is_told_nothing(sslmode: str) -> None:
    """It may be someone in between, who only had to decline TLS."""
    secrets = {"password": "quagga", "passfile": "/home/me/.pgpass", "sslpassword": "zorilla", "sslkey": "/key"}
    given = {"host": "db", "user": "me", "sslmode": "verify-full", "sslrootcert": "system", **secrets}
    plain = connect_failure._anonymous(given, sslmode)
    assert plain["password"] == ""  # given, so that PGPASSWORD is not taken
    assert (plain["host"], plain["user"], plain["sslmode"]) == ("db", "me", sslmode)
    assert not set(secrets.values()) & set(plain.values())
    parsed = pq.Conninfo.parse(conninfo.make_conninfo(**plain).encode())
    assert {option.keyword: option.val for option in parsed}[b"password"] == b""


@pytest.mark.parametrize(
    ("wanted", "can_be"),
    [
        ({"hostaddr": "10.0.0.1,::1,fe80::1%eth0", "port": "5432,"}, True),
        ({}, True),
        ({"hostaddr": "10.0.0.300"}, False),
        ({"hostaddr": "10.0.0.1", "port": "0"}, False),
        ({"port": "65536"}, False),
        ({"port": "one"}, False),
    ],
)
def test_what_can_be_no_address_or_port_is_known(wanted: dict[str, str], can_be: bool) -> None:
    assert connect_failure._is_well_formed(wanted) is can_be
