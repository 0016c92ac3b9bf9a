"""Waiting for the server: what may come is waited for and named, what will never come fails at once."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support import relays, servers
from tests.support.processes import until
from tests.support.relays import Relay, relay
from tests.support.servers import PASSWORD, WRONG_PASSWORD, Cluster, assert_no_secret, assert_refused
from tests.support.sites import CREATE_COUNTER, Result, Site, finish

pytestmark = pytest.mark.own_server
LONG = "60"  # seconds: the deadline where a test expects that it is not needed
SHORT = "3"  # an attempt to connect may take as long


@pytest.fixture
def shop(site: Site) -> Site:
    """A project with one migration, on an empty database."""
    site.migration("0001_initial", CREATE_COUNTER)
    return site


def through(site: Site, port: int, **options: str) -> str:
    """The URL of the site's database, by way of another port."""
    return site.database.url_as(port=str(port), **options)


def assert_waited_and_succeeded(result: Result, what: str) -> None:
    assert result.code == 0, result.text
    assert f"waiting for the server: {what}" in result.out
    assert "server ready after " in result.out
    assert result.err == ""
    assert_no_secret(result.text)


def assert_gave_up(site: Site, result: Result, what: str, *, why: str = "", next_step: str = "") -> None:
    assert_refused(
        result,
        f"the database server did not become ready in {SHORT} s: {what}",
        why=why,
        state="nothing was changed",
        next_step=next_step,
    )
    assert f"waiting for the server: {what}" in result.out
    assert servers.tables(site.database) == []


def waits_for(process: subprocess.Popen[str], what: str) -> str:
    """Read the process's lines until it says what it waits for; what was read."""
    assert process.stdout is not None
    read: list[str] = []
    while f"waiting for the server: {what}" not in "".join(read[-1:]):
        line = process.stdout.readline()
        assert line, f"it ended:\n{''.join(read)}\n{process.communicate()[1]}"
        read.append(line)
    return "".join(read)


def ended(process: subprocess.Popen[str], read: str) -> Result:
    result = finish(process)
    return Result(result.code, read + result.out, result.err)


# --- nobody answers


def test_a_port_that_opens_later_is_waited_for(cluster: Cluster, shop: Site) -> None:
    with relay(relays.forwarding("127.0.0.1", cluster.port), opened=False) as late:
        process = shop.start("migrate", "--noinput", "--wait-seconds", LONG, DATABASE_URL=through(shop, late.port))
        read = waits_for(process, "nothing answers there yet")
        time.sleep(1)  # so that "after … s" is said
        late.open()
        assert_waited_and_succeeded(ended(process, read), "nothing answers there yet")
    assert re.search(r"nothing answers there yet \(\d\.\d of 60 s\)", read)


def test_a_server_that_starts_later_is_waited_for(shop: Site) -> None:
    with servers.running() as own:
        database = own.database()
        own.stop()
        process = shop.start("migrate", "--noinput", "--wait-seconds", LONG, DATABASE_URL=database.url)
        read = waits_for(process, "nothing answers there yet")
        time.sleep(1)
        own.start()
        assert_waited_and_succeeded(ended(process, read), "nothing answers there yet")


def test_a_closed_port_to_the_deadline(shop: Site) -> None:
    with relay(relays.silent, opened=False) as closed:
        started = time.monotonic()
        result = shop.migrate("--wait-seconds", "2", DATABASE_URL=through(shop, closed.port))
        took = time.monotonic() - started
    assert_refused(
        result,
        "did not become ready in 2 s: nothing answers there yet",
        why=f"port {closed_port(result)} failed: Connection refused",
        next_step="check host and port in DATABASE_URL",
    )
    assert 2 <= took < 20
    assert 1 <= result.out.count("waiting for the server") <= 3, "a line now and then, not a flood"


def closed_port(result: Result) -> str:
    return result.err.partition("port ")[2].partition(" ")[0]


def test_the_environment_sets_the_deadline_and_the_flag_beats_it(shop: Site) -> None:
    with relay(relays.silent, opened=False) as closed:
        url = through(shop, closed.port)
        by_variable = shop.migrate(DATABASE_URL=url, LOCKGATE_WAIT_SECONDS=SHORT)
        by_flag = shop.migrate("--wait-seconds", SHORT, DATABASE_URL=url, LOCKGATE_WAIT_SECONDS="40")
    for result in (by_variable, by_flag):
        assert_gave_up(shop, result, "nothing answers there yet", why="Connection refused", next_step="check host")


def test_a_host_that_no_name_server_knows(shop: Site) -> None:
    result = shop.migrate("--wait-seconds", SHORT, DATABASE_URL=shop.database.url_as(host="db.invalid"))
    assert_gave_up(shop, result, "nothing answers there yet", why="db.invalid", next_step="check host and port")


def test_a_socket_that_is_not_there(shop: Site) -> None:
    url = f"postgresql://owner:{servers.quote(PASSWORD, safe='')}@/{shop.database.name}?host={shop.path}"
    result = shop.migrate("--wait-seconds", SHORT, DATABASE_URL=url)
    assert_gave_up(shop, result, "nothing answers there yet", why="No such file", next_step="check host and port")


def test_a_server_that_accepts_and_never_answers(shop: Site) -> None:
    with relay(relays.silent) as mute:
        started = time.monotonic()
        result = shop.migrate("--wait-seconds", SHORT, DATABASE_URL=through(shop, mute.port))
        took = time.monotonic() - started
        assert mute.connections >= 1
    assert_gave_up(shop, result, "nothing answers there yet", why="timeout", next_step="check host and port")
    assert took < 20, "an attempt to connect is no longer than the deadline allows"


def test_a_mute_server_that_is_replaced_costs_one_attempt(cluster: Cluster, shop: Site) -> None:
    mute, answers = threading.Event(), threading.Event()

    def silent(client: socket.socket) -> None:
        mute.set()
        relays.silent(client)

    forward = relays.forwarding("127.0.0.1", cluster.port)
    with relay(relays.either(silent, forward, answers)) as changing:
        process = shop.start(
            *("migrate", "--noinput", "--wait-seconds", LONG),
            DATABASE_URL=through(shop, changing.port),
            LOCKGATE_CONNECT_TIMEOUT_SECONDS="2",
        )
        until(mute.is_set, "it came, and nothing answers")
        answers.set()
        assert_waited_and_succeeded(finish(process), "nothing answers there yet")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait(shop: Site, number: signal.Signals) -> None:
    with relay(relays.silent) as mute:
        process = shop.start("migrate", "--noinput", "--wait-seconds", LONG, DATABASE_URL=through(shop, mute.port))
        until(lambda: mute.connections, "it came")
        time.sleep(0.2)
        sent = time.monotonic()
        process.send_signal(number)
        result = finish(process)
    assert time.monotonic() - sent < 15
    assert_refused(result, f"interrupted by {number.name}", state="nothing was changed", next_step="run again")


# --- not yet


def test_a_server_that_says_it_is_starting_up_is_waited_for(cluster: Cluster, shop: Site) -> None:
    ready = threading.Event()
    starting = relays.answering("57P03", "the database system is starting up")
    forward = relays.forwarding("127.0.0.1", cluster.port)
    with relay(relays.either(starting, forward, ready)) as changing:
        process = shop.start("migrate", "--noinput", "--wait-seconds", LONG, DATABASE_URL=through(shop, changing.port))
        read = waits_for(process, "the server is starting up, shutting down or in recovery")
        time.sleep(1)
        ready.set()
        assert_waited_and_succeeded(ended(process, read), "the server is starting up, shutting down or in recovery")


@pytest.mark.parametrize(
    ("sqlstate", "what", "next_step"),
    [
        ("57P03", "the server is starting up, shutting down or in recovery", "look at the server's log"),
        ("53300", "the server has no connection to spare", "raise max_connections"),
        ("08006", "the server is starting up, shutting down or in recovery", "look at the server's log"),
    ],
)
def test_what_may_pass_is_waited_for_to_the_deadline_whatever_its_text(
    shop: Site, sqlstate: str, what: str, next_step: str
) -> None:
    with relay(relays.answering(sqlstate, "le serveur ne peut pas")) as stub:
        result = shop.migrate("--wait-seconds", SHORT, DATABASE_URL=through(shop, stub.port))
        assert stub.connections > 2
    assert_gave_up(shop, result, what, why=f"(SQLSTATE {sqlstate})", next_step=next_step)


@pytest.mark.parametrize("sqlstate", ["28P01", "28000", "3D000", "42501", "XX000"])
def test_what_will_not_pass_is_tried_once_whatever_its_text(shop: Site, sqlstate: str) -> None:
    with relay(relays.answering(sqlstate, "the database system is starting up")) as stub:
        result = shop.migrate("--wait-seconds", LONG, DATABASE_URL=through(shop, stub.port))
    assert_refused(result, "cannot connect: ", why=f"(SQLSTATE {sqlstate})", state="nothing was changed")
    assert "waiting for the server" not in result.out


def test_a_server_in_recovery_is_waited_for_until_it_is_promoted(shop: Site) -> None:
    with servers.running() as own:
        database = own.database()
        own.stop()
        (own.data / "standby.signal").touch()
        shutil.chown(own.data / "standby.signal", *owner_of(own.data))
        own.settings["hot_standby"] = "off"
        own.start(wait=False)
        until(lambda: "entering standby mode" in own.log(), "recovery")
        process = shop.start("migrate", "--noinput", "--wait-seconds", LONG, DATABASE_URL=database.url)
        read = waits_for(process, "the server is starting up, shutting down or in recovery")
        time.sleep(1)
        own.promote()
        assert_waited_and_succeeded(ended(process, read), "the server is starting up, shutting down or in recovery")


def test_a_standby_is_refused_while_something_is_pending(shop: Site) -> None:
    with servers.running() as own:
        database = own.database()
        own.stop()
        (own.data / "standby.signal").touch()
        shutil.chown(own.data / "standby.signal", *owner_of(own.data))
        own.start()
        result = shop.migrate(DATABASE_URL=database.url)
    assert_refused(
        result,
        "the database is read-only: it is a standby",
        why="takes none of its own",
        next_step="connect to the primary",
    )


def owner_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


# --- busy


def test_a_server_without_a_connection_to_spare_is_waited_for(shop: Site) -> None:
    with servers.running(max_connections="5", superuser_reserved_connections="1") as own:
        database = own.database()
        with contextlib.ExitStack() as taken:
            held = fill(taken, database.url)
            assert len(held) == 4
            process = shop.start("migrate", "--noinput", "--wait-seconds", LONG, DATABASE_URL=database.url)
            read = waits_for(process, "the server has no connection to spare")
            time.sleep(1)
        assert_waited_and_succeeded(ended(process, read), "the server has no connection to spare")


@pytest.mark.parametrize("limit", ["role", "database"])
def test_a_connection_limit_is_waited_for(cluster: Cluster, shop: Site, limit: str) -> None:
    role = cluster.role("IN ROLE owner")
    shop.database.execute(f'GRANT CREATE ON SCHEMA public TO "{role}"')
    name = {"role": f'ROLE "{role}"', "database": f'DATABASE "{shop.database.name}"'}[limit]
    cluster.execute(f"ALTER {name} CONNECTION LIMIT 1")
    url = shop.database.url_as(user=role)
    with psycopg.connect(url):
        process = shop.start("migrate", "--noinput", "--wait-seconds", LONG, DATABASE_URL=url)
        read = waits_for(process, "the server has no connection to spare")
        time.sleep(1)
    assert_waited_and_succeeded(ended(process, read), "the server has no connection to spare")


def test_no_connection_to_spare_to_the_deadline(cluster: Cluster, shop: Site) -> None:
    role = cluster.role("CONNECTION LIMIT 0")
    result = shop.migrate("--wait-seconds", SHORT, DATABASE_URL=shop.database.url_as(user=role))
    assert_gave_up(
        shop, result, "the server has no connection to spare", why="SQLSTATE 53300", next_step="end idle sessions"
    )


def fill(taken: contextlib.ExitStack, url: str) -> list[psycopg.Connection[object]]:
    """Take connections until the server has no more."""
    held: list[psycopg.Connection[object]] = []
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            held.append(taken.enter_context(contextlib.closing(psycopg.connect(url, autocommit=True))))
    return held


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1, with its key beside it."""
    openssl = shutil.which("openssl") or pytest.skip("NOT TESTED: certificates, because openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return folder / "certificate.pem"


@pytest.fixture
def behind_tls(cluster: Cluster, certificate: Path) -> Iterator[Relay]:
    """The server, behind TLS with the self-signed certificate; without TLS it hangs up."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with relay(relays.forwarding("127.0.0.1", cluster.port, tls)) as new_relay:
        yield new_relay


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_tls_is_wanted_and_the_server_has_none(shop: Site, sslmode: str, certificate: Path) -> None:
    options = {"sslmode": sslmode} | ({"sslrootcert": str(certificate)} if sslmode != "require" else {})
    result = shop.migrate("--wait-seconds", LONG, DATABASE_URL=shop.database.url_as(**options))
    assert_refused(
        result,
        "cannot connect: TLS could not be agreed on",
        why="SSL",
        state="nothing was changed",
        next_step="check sslmode",
    )
    assert "waiting for the server" not in result.out


def test_tls_that_the_environment_wants_is_no_less_permanent(shop: Site) -> None:
    result = shop.migrate("--wait-seconds", LONG, PGSSLMODE="require")
    next_step = "options in DATABASE_URL, and PGSSLMODE in the environment"
    assert_refused(result, "cannot connect: TLS could not be agreed on", why="SSL", next_step=next_step)
    assert "waiting for the server" not in result.out


@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        ("PGCHANNELBINDING", "require", "demand"),
        ("PGTARGETSESSIONATTRS", "standby", "demand"),
        ("PGCHANNELBINDING", "bogus", "not valid"),
        ("PGTARGETSESSIONATTRS", "bogus", "not valid"),
        ("PGSSLMODE", "bogus", "not valid"),
        ("PGHOSTADDR", "999.1.1.1", "not valid"),
    ],
)
@pytest.mark.parametrize("given", ["environment", "url"])
def test_what_the_server_will_never_be_is_not_waited_for(
    shop: Site, given: str, variable: str, value: str, what: str
) -> None:
    option = {"PGCHANNELBINDING": "channel_binding", "PGTARGETSESSIONATTRS": "target_session_attrs"}.get(
        variable, variable.removeprefix("PG").lower()
    )
    by = {variable: value} if given == "environment" else {"DATABASE_URL": shop.database.url_as(**{option: value})}
    result = shop.migrate("--wait-seconds", LONG, **by)
    next_step = f"{variable} in the environment" if given == "environment" else "options in DATABASE_URL"
    assert_refused(result, what, state="nothing was changed", next_step=next_step)
    assert "waiting for the server" not in result.out


def test_a_standby_that_may_become_the_primary_of_several_is_waited_for(shop: Site, cluster: Cluster) -> None:
    """With several hosts, which of them is the primary changes while they fail over."""
    hosts = f"127.0.0.1:{cluster.port},127.0.0.1:{cluster.port}"
    url = shop.database.url.replace(f"127.0.0.1:{cluster.port}", hosts)
    result = shop.migrate("--wait-seconds", SHORT, DATABASE_URL=f"{url}?target_session_attrs=standby")
    assert_gave_up(shop, result, "nothing answers there yet", why="standby")
    assert shop.migrate(DATABASE_URL=url).code == 0


def test_the_setting_that_is_wrong_is_named_as_the_project_has_it(shop: Site) -> None:
    url = shop.database.url_as(password=WRONG_PASSWORD)
    assert_refused(shop.migrate(DATABASE_URL=url), "password", next_step="check user and password in DATABASE_URL")
    text = (shop.path / "site_settings.py").read_text()
    (shop.path / "site_settings.py").write_text(text.replace("from_environment()", 'from_environment("MAIN_URL")'))
    result = shop.migrate(DATABASE_URL=None, MAIN_URL=url)
    assert_refused(result, "password", next_step="check user and password in MAIN_URL")
    shop.write_settings()
    with (shop.path / "site_settings.py").open("a") as file:
        file.write(f'DATABASES["default"]["PASSWORD"] = {WRONG_PASSWORD!r}\n')
    result = shop.migrate()
    assert_refused(
        result, "password", next_step='check DATABASES["default"]["USER"] and DATABASES["default"]["PASSWORD"]'
    )


@pytest.mark.parametrize("roots", ["system", "missing"])
def test_a_certificate_that_nobody_vouches_for(shop: Site, behind_tls: Relay, roots: str) -> None:
    file = {"system": "system", "missing": str(shop.path / "roots.pem")}[roots]
    url = through(shop, behind_tls.port, sslmode="verify-full", sslrootcert=file)
    result = shop.migrate("--wait-seconds", LONG, DATABASE_URL=url)
    assert_refused(result, "cannot connect: TLS could not be agreed on", why="certificate", next_step="sslrootcert")
    assert "waiting for the server" not in result.out
    assert servers.tables(shop.database) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_counts_only_for_the_host_it_names(
    shop: Site, behind_tls: Relay, certificate: Path, host: str
) -> None:
    url = through(shop, behind_tls.port, host=host, sslmode="verify-full", sslrootcert=str(certificate))
    result = shop.migrate("--wait-seconds", LONG, DATABASE_URL=url)
    if host == "127.0.0.1":
        assert result.code == 0, result.text
    else:
        assert_refused(result, "cannot connect: TLS could not be agreed on", why="localhost", next_step="host")


def test_a_port_that_is_closed_is_not_mistaken_for_one_without_tls(shop: Site) -> None:
    with relay(relays.silent, opened=False) as closed:
        url = through(shop, closed.port, sslmode="require")
        result = shop.migrate("--wait-seconds", SHORT, DATABASE_URL=url)
    assert_gave_up(shop, result, "nothing answers there yet", why="Connection refused")


def test_whoever_declines_tls_is_told_no_password(shop: Site) -> None:
    """Someone in between only has to decline TLS, and to ask for the password in the clear."""
    told: list[bytes] = []
    with relay(relays.greedy(told)) as stub:
        result = shop.migrate(
            DATABASE_URL=through(shop, stub.port, sslmode="require"),
            PGPASSWORD=PASSWORD,
            PGPASSFILE=str(password_file(shop.path, stub.port)),
        )
    assert_refused(result, "cannot connect: TLS could not be agreed on")
    assert_no_secret(b"".join(told).decode())


def password_file(folder: Path, port: int) -> Path:
    path = folder / "pgpass"
    path.write_text(f"127.0.0.1:{port}:*:*:{PASSWORD.replace(':', chr(92) + ':')}\n")
    path.chmod(0o600)
    return path


def test_where_tls_is_not_insisted_on_the_password_goes_as_libpq_sends_it(shop: Site) -> None:
    """What makes the test above worth something: the stub does get the password where the URL allows it."""
    told: list[bytes] = []
    with relay(relays.greedy(told)) as stub:
        result = shop.migrate(DATABASE_URL=through(shop, stub.port, sslmode="disable"))
    assert_refused(result, "the server refused the user or the password", why="SQLSTATE 28P01")
    assert PASSWORD.encode() in b"".join(told)
