"""docker/gunicorn.conf.py with the real gunicorn and a tiny application: what it binds, and how it stops."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import relays, servers
from tests.support.processes import until
from tests.support.sites import ROOT

CONFIG = Path(__file__).parents[2] / "docker" / "gunicorn.conf.py"
THREADS = 8  # of two workers, by default
PATIENCE = 60.0  # seconds for an end that takes one; requests in flight may have half of them
APPLICATION = """
import time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open("in_flight", "w").close()
        time.sleep(2)
    failed = environ["QUERY_STRING"] == "fail"
    start_response("503 Service Unavailable" if failed else "200 OK", [("Content-Type", "text/plain")])
    return [b"served"]
"""


def block_signals() -> None:
    """What entrypoint.sh does as PID 1, with `env --block-signal`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


@pytest.fixture
def port() -> int:
    return servers.free_port()


class Gunicorn:
    def __init__(
        self, directory: Path, port: int, settings: str = "project.settings.migrate", **environment: str
    ) -> None:
        (directory / "tiny.py").write_text(APPLICATION)
        self.url = f"http://127.0.0.1:{port}"
        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--config", CONFIG, "tiny"],
                preexec_fn=block_signals,  # noqa: PLW1509  there are no other threads yet
                cwd=directory,
                env={
                    **os.environ,
                    "PORT": str(port),
                    "WEB_CONCURRENCY": "2",
                    "DJANGO_SETTINGS_MODULE": settings,
                    **environment,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_it_serves(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(self.url, timeout=5) as response:
                    assert response.read() == b"served"
                    return
            except OSError:
                assert time.monotonic() < deadline, "gunicorn does not serve"
                time.sleep(0.05)

    def written(self) -> str:
        """All that it wrote, once it has ended."""
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)
        return self.log.read_text()


@pytest.fixture
def gunicorn(tmp_path: Path, port: int) -> Iterator[Gunicorn]:
    gunicorn = Gunicorn(tmp_path, port)
    yield gunicorn
    gunicorn.process.kill()
    gunicorn.process.wait()


def test_a_stop_while_it_starts_is_obeyed_before_anything_is_served(gunicorn: Gunicorn) -> None:
    gunicorn.process.send_signal(signal.SIGTERM)
    assert gunicorn.process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    assert "Booting worker" not in gunicorn.written()


def test_a_stop_lets_requests_in_flight_finish(gunicorn: Gunicorn) -> None:
    gunicorn.wait_until_it_serves()
    with socket.create_connection(("127.0.0.1", int(gunicorn.url.rsplit(":", 1)[1])), PATIENCE) as connection:
        connection.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
        until((gunicorn.log.parent / "in_flight").exists, "the request is in flight")
        gunicorn.process.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.endswith(b"served")
    assert gunicorn.process.wait(timeout=PATIENCE) == 0


class Black:
    """A service whose database accepts connections and never says a word."""

    def __init__(self, port: int, hole: relays.Relay, log: Path) -> None:
        self.port = port
        self.hole = hole
        environment = {
            "PATH": os.environ["PATH"],
            "PORT": str(port),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'apps'}",
            "DJANGO_SETTINGS_MODULE": "project.settings.serve",
            "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{hole.port}/none",
            "SECRET_KEY": "s" * 50,
            "ALLOWED_HOSTS": "localhost",
            "INGEST_TOKEN": "t" * 24,
        }
        command = [sys.executable, "-m", "gunicorn", "--config", CONFIG, "project.wsgi"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)

    def get(self, path: str, timeout: float) -> tuple[int, bytes]:
        """Raises OSError where the answer takes longer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {'t' * 24}"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def lives(self) -> bool:
        with contextlib.suppress(OSError):
            return self.get("/livez", 20) == (200, b'{"live": true}')
        return False

    def ask(self) -> None:
        with contextlib.suppress(OSError):
            self.get("/api/playbacks", PATIENCE)


@pytest.fixture
def black(tmp_path: Path, port: int) -> Iterator[Black]:
    with relays.relay(relays.silent) as hole:
        service = Black(port, hole, tmp_path / "log")
        try:
            until(service.lives, "it serves")
            yield service
        finally:
            service.process.kill()
            service.process.wait()


def test_liveness_does_not_queue_behind_requests_that_wait_for_a_database(black: Black) -> None:
    """Of 40 requests, THREADS have one, for the 5 s of an attempt to connect; a probe has 3 s of patience."""
    for _ in range(40):
        threading.Thread(target=black.ask, daemon=True).start()
    until(lambda: black.hole.connections >= THREADS, "every thread waits for the database")  # and others will for 20 s
    for _ in range(20):
        assert black.get("/livez", 3) == (200, b'{"live": true}')
    with pytest.raises(OSError, match="timed out"):
        black.get("/readyz", 3)


@pytest.fixture
def busy(tmp_path: Path, port: int) -> Iterator[Gunicorn]:
    """One worker with one thread, which has something to do for two seconds."""
    new_gunicorn = Gunicorn(tmp_path, port, WEB_CONCURRENCY="1", WEB_THREADS="1")
    new_gunicorn.wait_until_it_serves()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
        until((tmp_path / "in_flight").exists, "the request is in flight")
        yield new_gunicorn
    new_gunicorn.process.kill()
    new_gunicorn.process.wait()


@pytest.mark.parametrize(
    ("request_", "by_django"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: 10.0.0.7:8000\r\nUser-Agent: kube-probe/1.30\r\n\r\n", False),
        (b"GET /livez HTTP/1.0\r\n\r\n", False),
        (b"HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", False),
        (b"GET /livez/more HTTP/1.0\r\n\r\n", True),
        (b"GET /livez?more HTTP/1.0\r\n\r\n", True),
        (b"GET /readyz HTTP/1.0\r\n\r\n", True),
        (b"POST /livez HTTP/1.0\r\n\r\n", True),
        (b"GET /livez HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody", True),
    ],
)
def test_a_request_for_liveness_alone_is_answered_before_its_turn(
    busy: Gunicorn, port: int, request_: bytes, by_django: bool
) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(request_)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") or by_django
    assert (b"served" in answer or b"text/plain" in answer) == by_django
    assert answer.endswith(b'\r\n\r\n{"live": true}') == (not by_django and request_.startswith(b"GET"))


def test_a_request_in_pieces_is_answered_in_its_turn(gunicorn: Gunicorn, port: int) -> None:
    gunicorn.wait_until_it_serves()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        for piece in (b"GET /liv", b"ez HTTP/1.0\r\n", b"\r\n"):
            client.sendall(piece)
            time.sleep(0.1)
        assert b"".join(iter(lambda: client.recv(4096), b"")).endswith(b"served")


def test_who_connects_and_says_nothing_keeps_nobody_from_being_served(gunicorn: Gunicorn, port: int) -> None:
    gunicorn.wait_until_it_serves()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
        with urllib.request.urlopen(f"{gunicorn.url}/livez", timeout=PATIENCE) as response:
            assert response.read() == b'{"live": true}'


def test_everything_it_writes_is_json_on_its_output(gunicorn: Gunicorn) -> None:
    gunicorn.wait_until_it_serves()
    lines = [json.loads(line) for line in gunicorn.written().splitlines()]
    assert {line["logger"] for line in lines} == {"gunicorn.error", "gunicorn.access"}
    assert any('"GET / HTTP/1.1" 200 6 bytes' in line["event"] for line in lines)


def test_of_the_probes_it_writes_those_that_failed(gunicorn: Gunicorn) -> None:
    gunicorn.wait_until_it_serves()
    for path in ("/livez", "/readyz", "/readyz?fail"):
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(gunicorn.url + path, timeout=5).close()
    written = gunicorn.written()
    assert [path for path in ("/livez", "/readyz ", "/readyz?fail") if path in written] == ["/readyz?fail"]


def test_a_wrong_configuration_is_said_once_and_nothing_is_started(tmp_path: Path, port: int) -> None:
    gunicorn = Gunicorn(tmp_path, port, settings="project.settings.serve")
    assert gunicorn.process.wait(timeout=PATIENCE) == 1
    written = gunicorn.log.read_text()
    assert written.count("SECRET_KEY") == 1
    assert "Traceback" not in written
    assert "Booting worker" not in written
