"""Ask this container's own server how it is; exit 0 if it answers 200, else print why and exit 1.

``health_probe.py [PATH]``, by default ``/readyz``. The container engine runs it every few seconds for as long
as the container lives, so it costs what a bare interpreter costs: no Django, no ``http.client``, no ``json``.

What it prints ends in the engine's health log: the server's own answer, which holds no secrets by contract,
and nothing of the environment.
"""

from __future__ import annotations

import os
import socket
import sys

TIMEOUT_SECONDS = 2.0  # per wait on the socket; below HEALTHCHECK's own timeout, so that the reason is still told
LONGEST_ANSWER = 4096  # bytes; the engine keeps this much of what a probe prints


def ask(port: int, path: str) -> tuple[int, str]:
    """The status and the body of a GET on 127.0.0.1. Raises OSError, or ValueError for what is not HTTP."""
    request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: lockgate-health-probe\r\n\r\n"
    answer = b""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(request.encode())
        while len(answer) < LONGEST_ANSWER and (chunk := connection.recv(LONGEST_ANSWER)):
            answer += chunk
    head, _, body = answer[:LONGEST_ANSWER].partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("the answer is not HTTP")
    return int(words[1]), body.decode(errors="replace").strip()


def main() -> int:
    path = sys.argv[1] if len(sys.argv) > 1 else "/readyz"
    try:
        # Read directly: the validated configuration belongs to Django, which is not loaded here.
        status, body = ask(int(os.environ.get("PORT", "8000")), path)
    except (OSError, ValueError) as error:
        sys.stdout.write(f"{path}: {error}\n")
        return 1
    if status == 200:
        return 0
    sys.stdout.write(f"{path}: {status} {body}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
