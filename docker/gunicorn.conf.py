"""How gunicorn serves, in a container and on a developer's machine alike.

Only what differs from gunicorn's defaults is here, each with its reason. Anything else, for one deployment:
``GUNICORN_CMD_ARGS="--max-requests 10000 --max-requests-jitter 1000"``, which overrides this file.
Source: https://docs.gunicorn.org/en/stable/settings.html
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from logging import getLevelNamesMapping
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "apps"))
sys.path.insert(0, str(ROOT))

from django.conf import settings  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402

from project.logging import configuration  # noqa: E402

# Read directly: how to serve is no part of the service's own, validated configuration.
bind = f"{os.environ.get('BIND', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"

# Two workers, so that one that restarts does not stop the service. Not from the number of CPUs: a container
# sees the host's, not its own share. Each thread of each worker may hold a database connection: 2 x 4 for a
# container, of the 100 that PostgreSQL has by default.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))

# Each worker imports the application and opens its own connections. A preloaded application would share what
# it opened across the fork, and a PostgreSQL connection cannot be shared.
preload_app = False

# max_requests stays 0: recycling workers hides a leak, and there is none known.

# A worker proves that it lives through a file; on a disk that stalls it would be killed for it. /dev/shm is
# memory, and stays writable on a read-only root file system.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108

# Seconds. `timeout` is for a worker's main loop, not for a request, which a thread serves to its end.
# `graceful_timeout` is what requests in flight get after SIGTERM: below compose's stop_grace_period and
# Kubernetes' terminationGracePeriodSeconds. `keepalive` is above the idle time-out of common load balancers
# (60), so that they are the ones who close: the other way round, a request meets a closing connection.
timeout = 30
graceful_timeout = 30
keepalive = 75

# Everything to stdout, as one JSON object a line like the service's own; no files, and no control socket, which
# would be one.
_level = os.environ.get("LOG_LEVEL", "").strip().upper()
logconfig_dict = configuration(_level if _level in getLevelNamesMapping() else "INFO")
access_log_format = '%(h)s "%(r)s" %(s)s %(B)s bytes %(M)s ms, for %({x-forwarded-for}i)s'
control_socket_disable = True


class QuietProbes(Logger):
    """Requests to stdout, but for probes that passed: they come every few seconds, and say nothing."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        if environ.get("PATH_INFO") in ("/livez", "/readyz") and str(resp.status).startswith("200"):
            return
        super().access(resp, req, environ, request_time)


logger_class = QuietProbes


def on_starting(server: Any) -> None:
    """Say once what is wrong with the configuration; each worker would say it, in a traceback, and be replaced."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.serve")
    try:
        settings.INSTALLED_APPS  # noqa: B018  the first use of a setting loads them
    except ImproperlyConfigured as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


_LIVEZ = (b"GET /livez HTTP/1.", b"HEAD /livez HTTP/1.")
_LONGEST_PROBE = 4096  # bytes of a request: a kubelet's has some 150
_LIVE = b'{"live": true}'
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Cache-Control: max-age=0, no-cache, no-store, must-revalidate, private\r\nConnection: close\r\n\r\n" % len(_LIVE)
)
_DATA_WITHIN = 1  # second: whoever connects and says nothing is passed on after about this


class LiveWorker(ThreadWorker):
    """Answers /livez itself, in the loop that the arbiter watches, and not after the requests that wait for a thread.

    A database that accepts and never answers keeps every thread, for longer than a probe has patience; a restart of
    every container would be the last thing that helps. Where this does not know a request at once (one on a connection
    that is kept, or that comes in pieces), Django answers, in its turn.
    """

    def init_process(self) -> None:
        # Linux: a connection is accepted with its request there already, so that it can be looked at.
        for each in self.sockets if hasattr(socket, "TCP_DEFER_ACCEPT") else ():
            if each.family != socket.AF_UNIX:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DATA_WITHIN)
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        if conn.initialized or not _answered(conn.sock):
            super().enqueue_req(conn)
            return
        self.nr_conns -= 1
        conn.close()


def _answered(client: socket.socket) -> bool:
    """Whether a connection begins with a whole request for /livez; then it has been answered."""
    try:
        request = client.recv(_LONGEST_PROBE, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        if not request.startswith(_LIVEZ) or not request.endswith(b"\r\n\r\n"):
            return False
        client.recv(len(request))  # what is left unread would cut the answer off
        client.send(_ANSWER if request.startswith(b"HEAD") else _ANSWER + _LIVE, socket.MSG_DONTWAIT)
    except OSError:  # nothing was said yet; or it is gone, as its thread will see
        return False
    return True


worker_class = LiveWorker

_STOPS = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}


def when_ready(server: Any) -> None:
    """Do not start the workers if a stop came while this process was still starting.

    As PID 1, entrypoint.sh hands over with these signals blocked. Now that gunicorn's handlers are there, one
    that waits is honoured and later ones are let through.
    """
    if pending := signal.sigpending() & _STOPS:
        server.log.info("Stopped before it served")
        sys.exit(128 + min(pending))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
