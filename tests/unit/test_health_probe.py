"""The health probe against servers that answer well, badly, or not at all."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROBE = Path(__file__).parents[2] / "docker" / "health_probe.py"
READY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"ready": true}'
NOT_READY = b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"ready": false, "why": "the database does not answer"}'


@pytest.fixture
def answer() -> Iterator[Callable[[bytes | None], tuple[int, list[bytes]]]]:
    """Serve one connection with these bytes, None for no answer at all; gives the port and what was asked."""
    listeners: list[socket.socket] = []
    done = threading.Event()

    def serve(response: bytes | None) -> tuple[int, list[bytes]]:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        asked: list[bytes] = []

        def one() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                if response is None:
                    done.wait(30)
                else:
                    connection.sendall(response)

        threading.Thread(target=one, daemon=True).start()
        return listener.getsockname()[1], asked

    yield serve
    done.set()
    for listener in listeners:
        listener.close()


def probe(port: int | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as the image does: isolated, and with the standard library only."""
    environment = {
        "PORT": str(port),
        "DATABASE_URL": "postgresql://user:hunter2@db/x",
        "SECRET_KEY": "hunter2",
    }
    return subprocess.run(
        [sys.executable, "-I", "-S", PROBE, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_ready_is_0_and_says_nothing(answer: Callable[..., tuple[int, list[bytes]]]) -> None:
    port, asked = answer(READY)
    result = probe(port)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert asked[0].startswith(b"GET /readyz HTTP/1.0\r\n")


def test_another_path_can_be_asked(answer: Callable[..., tuple[int, list[bytes]]]) -> None:
    port, asked = answer(READY)
    assert probe(port, "/livez").returncode == 0
    assert asked[0].startswith(b"GET /livez ")


def test_not_ready_is_1_and_repeats_the_reason(answer: Callable[..., tuple[int, list[bytes]]]) -> None:
    result = probe(answer(NOT_READY)[0])
    assert result.returncode == 1
    assert result.stdout == '/readyz: 503 {"ready": false, "why": "the database does not answer"}\n'


def test_a_redirect_is_not_ready(answer: Callable[..., tuple[int, list[bytes]]]) -> None:
    assert probe(answer(b"HTTP/1.1 301 Moved\r\nLocation: https://x/\r\n\r\n")[0]).returncode == 1


@pytest.mark.parametrize(
    "response", [b"", b"\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 OK 200\r\n\r\n"]
)
def test_what_is_not_http_is_1(answer: Callable[..., tuple[int, list[bytes]]], response: bytes) -> None:
    result = probe(answer(response)[0])
    assert (result.returncode, result.stdout) == (1, "/readyz: the answer is not HTTP\n")
    assert result.stderr == ""


def test_nobody_listening_is_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = probe(port)
    assert result.returncode == 1
    assert "refused" in result.stdout
    assert result.stderr == ""


def test_no_answer_is_1_soon(answer: Callable[..., tuple[int, list[bytes]]]) -> None:
    port, _ = answer(None)
    begun = time.monotonic()
    result = probe(port)
    assert time.monotonic() - begun < 25  # what listens waits for 30
    assert (result.returncode, result.stdout) == (1, "/readyz: timed out\n")


def test_a_port_that_is_no_number_is_1() -> None:
    result = probe("http")
    assert result.returncode == 1
    assert result.stderr == ""


@pytest.mark.parametrize("response", [READY, NOT_READY, b"", b"HTTP/1.1 500 no\r\n\r\nboom"])
def test_nothing_of_the_environment_is_printed(answer: Callable[..., tuple[int, list[bytes]]], response: bytes) -> None:
    result = probe(answer(response)[0])
    assert "hunter2" not in result.stdout + result.stderr


def test_a_long_answer_is_cut(answer: Callable[..., tuple[int, list[bytes]]]) -> None:
    result = probe(answer(b"HTTP/1.1 500 no\r\n\r\n" + b"x" * 100_000)[0])
    assert result.returncode == 1
    assert len(result.stdout) < 5000
