"""What is said of the database after a session was lost is what another one sees there, or that none could be had."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support import servers
from tests.support.processes import running, says, until
from tests.support.relays import CHUNK, Relay, relay
from tests.support.servers import Cluster
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site, finish

pytestmark = pytest.mark.own_server
INSERT = 'migrations.RunSQL("INSERT INTO shop_counter (value) VALUES (1)", migrations.RunSQL.noop)'
SLOWLY = (
    "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';"
    "CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON shop_counter DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION slowly()"
)
STEP_SLOWLY = SLOWLY.replace("INSERT ON shop_counter", "UPDATE ON lockgate_journalentry").replace(
    " EXECUTE", " WHEN (NEW.state = 'done') EXECUTE"
)
SLEEP = "migrations.RunSQL('SELECT pg_sleep(60)', migrations.RunSQL.noop)"
BUILD = "CREATE INDEX CONCURRENTLY one_value ON shop_counter (value)"


class Network:
    """Between a run and its server. From ``losing`` on, the run's connection is gone for the run, and the server hears
    nothing of that: at once, or with the next answer. later: whether other connections are to be had then."""

    def __init__(self, port: int) -> None:
        self.port, self.later, self.losing = port, True, False
        self.first: tuple[socket.socket, socket.socket] | None = None
        self.servers: list[socket.socket] = []

    def serve(self, client: socket.socket) -> None:
        if self.losing and not self.later:
            client.shutdown(socket.SHUT_RDWR)
            return
        server = socket.create_connection(("127.0.0.1", self.port))
        self.servers.append(server)
        self.first = self.first or (client, server)
        threading.Thread(target=_passed_on, args=(client, server), daemon=True).start()
        while said := server.recv(CHUNK):
            if self.losing and self.first[0] is client:
                break
            client.sendall(said)
        client.shutdown(socket.SHUT_RDWR)

    def lose(self, *, later: bool = True) -> None:
        assert self.first is not None
        self.later, self.losing = later, True
        self.first[0].shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for server in self.servers:
            server.close()


def _passed_on(client: socket.socket, server: socket.socket) -> None:
    """To the server, which is not told when there is no more."""
    with contextlib.suppress(OSError):
        while said := client.recv(CHUNK):
            server.sendall(said)


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    return site


@pytest.fixture
def network(cluster: Cluster) -> Iterator[tuple[Network, Relay]]:
    new_network = Network(cluster.port)
    with contextlib.closing(new_network), relay(new_network.serve) as opened:
        yield new_network, opened


def through(site: Site, opened: Relay) -> dict[str, str]:
    return {"DATABASE_URL": site.database.url_as(port=str(opened.port))}


def state(text: str) -> str:
    match = re.search(r"^  state +(.*)$", text, re.MULTILINE)
    assert match, text
    return match.group(1)


def test_a_commit_whose_answer_was_lost_is_told_as_done(shop: Site, network: tuple[Network, Relay]) -> None:
    shop.database.execute(SLOWLY)
    shop.migration("0002_insert", INSERT)
    process = shop.start("migrate", "--noinput", **through(shop, network[1]))
    until(lambda: running(shop.database, "COMMIT"), "its COMMIT runs")
    network[0].losing = True
    result = finish(process)
    assert result.code == 1
    assert "the run failed after shop.0002_insert was committed" in result.err
    assert state(result.err) == "done before it in this run: shop.0002_insert"
    assert ("shop", "0002_insert") in shop.database.applied()


def test_what_was_not_committed_is_told_as_rolled_back(shop: Site) -> None:
    shop.database.execute(SLOWLY)
    shop.migration("0002_insert", INSERT)
    process = shop.start("migrate", "--noinput")
    servers.terminate(shop.database, until(lambda: running(shop.database, "COMMIT"), "its COMMIT runs"))
    result = finish(process)
    assert state(result.err) == "shop.0002_insert was rolled back; done before it in this run: nothing"
    assert ("shop", "0002_insert") not in shop.database.applied()


def test_a_statement_that_goes_on_in_the_server_is_told_with_its_pid(
    shop: Site, network: tuple[Network, Relay]
) -> None:
    shop.migration("0002_index", f"migrations.RunSQL('{BUILD}')", atomic="False")
    with shop.database.connect() as reader, reader.transaction():
        reader.execute("UPDATE shop_counter SET value = 2")
        process = shop.start("migrate", "--noinput", **through(shop, network[1]))
        pid = until(lambda: running(shop.database, BUILD), "it builds")
        network[0].lose()
        result = finish(process)
        servers.terminate(shop.database, pid)
    assert f"the lost session is still at work in the server, as pid {pid}" in state(result.err)
    assert "how far it came is unknown: " in state(result.err)
    assert f"to end it:  SELECT pg_terminate_backend({pid});" in result.err


def test_where_no_other_session_is_to_be_had_it_is_called_unknown(shop: Site, network: tuple[Network, Relay]) -> None:
    shop.database.execute(SLOWLY)
    shop.migration("0002_insert", INSERT)
    process = shop.start("migrate", "--noinput", **through(shop, network[1]))
    until(lambda: running(shop.database, "COMMIT"), "its COMMIT runs")
    network[0].lose(later=False)
    said = state(finish(process).err)
    assert said.startswith("shop.0002_insert: rolled back by the server, or committed whole if it got that far; ")
    assert "no other session could be had in 5 s to look" in said


def test_an_operation_of_its_own_transaction_is_told_by_the_journal(shop: Site, network: tuple[Network, Relay]) -> None:
    """In a migration that is not atomic."""
    shop.database.execute(STEP_SLOWLY)
    shop.migration("0002_column", ADD_COLUMN.format("one"), SLEEP, atomic="False")
    process = shop.start("migrate", "--noinput", **through(shop, network[1]))
    until(lambda: running(shop.database, "COMMIT"), "its COMMIT runs")
    network[0].losing = True
    said = state(finish(process).err)
    assert "it is not recorded, and the next run carries on after them; done: Add field one to Counter; " in said


def test_an_operation_that_was_rolled_back_is_told_as_that(shop: Site) -> None:
    shop.database.execute(STEP_SLOWLY)
    shop.migration("0002_column", ADD_COLUMN.format("one"), SLEEP, atomic="False")
    process = shop.start("migrate", "--noinput")
    servers.terminate(shop.database, until(lambda: running(shop.database, "COMMIT"), "its COMMIT runs"))
    said = state(finish(process).err)
    assert "carries on after them; rolled back: Add field one to Counter; " in said


def test_what_code_did_outside_a_transaction_is_not_told_as_rolled_back(shop: Site) -> None:
    shop.migration("0002_sleep", SLEEP, atomic="False")
    process = shop.start("migrate", "--noinput")
    servers.terminate(shop.database, until(lambda: running(shop.database, "pg_sleep"), "it sleeps"))
    assert "broken off, and what it did outside a transaction stays: " in state(finish(process).err)


def test_what_code_committed_before_it_closed_the_connection_is_not_called_rolled_back(shop: Site) -> None:
    code = "def forwards(apps, editor):\n    editor.connection.connection.execute('COMMIT; BEGIN')\n"
    code += "    editor.connection.close()\n"
    shop.migration("0002_code", ADD_COLUMN.format("one"), "migrations.RunPython(forwards)", imports=code)
    said = state(shop.migrate().err)
    assert said.startswith("shop.0002_code: rolled back by the server, but for what its code had committed before")


def test_what_a_crash_of_the_server_took_back_is_not_told_as_done(site: Site) -> None:
    """An empty database is filled ahead of the disk."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_sleep", SLEEP)
    with servers.running(wal_writer_delay="10s", autovacuum="off") as own:
        process = site.start("migrate", "--noinput", DATABASE_URL=own.database().url)
        says(process, "shop.0002_sleep")
        own.stop(signal.SIGQUIT)
        own.start()
        result = finish(process)
    assert "taken back by a crash of the server: " in state(result.err)
