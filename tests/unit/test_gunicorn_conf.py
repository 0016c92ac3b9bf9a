"""docker/gunicorn.conf.py with the real gunicorn and a tiny application: what it binds, and how it stops."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import servers
from tests.support.processes import until

CONFIG = Path(__file__).parents[2] / "docker" / "gunicorn.conf.py"
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
    def __init__(self, directory: Path, port: int, settings: str = "project.settings.migrate") -> None:
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
