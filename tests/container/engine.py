"""A small vocabulary over the ``docker`` command: every call bounded, everything made labelled and removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BASE_IMAGES = ("python:3.13-slim", "pgvector/pgvector:pg17", "nginx:stable")
# Where no registry is reachable, a script beside the checkout may make stand-ins for the public base images.
STAND_INS = Path(os.environ.get("LOCKGATE_STAND_INS", ROOT.parent / "shared" / "docker" / "stand-ins.sh"))

PASSWORD = "hunter2-p@ss/word"  # reads wrong unless it is percent-encoded, and is easy to find where it must not be
ENCODED_PASSWORD = "hunter2-p%40ss%2Fword"
SERVICE = {
    "SECRET_KEY": "hunter2-secret-key-" * 4,
    "INGEST_TOKEN": "hunter2-ingest-token-for-tests",
    "ALLOWED_HOSTS": "localhost",
}


def docker(*arguments: str, timeout: float = 60, stdin: str = "") -> str:
    """Run ``docker …``; returns its stdout. Raises AssertionError with its stderr if it fails."""
    result = attempt("docker", *arguments, timeout=timeout, stdin=stdin)
    assert result.returncode == 0, f"docker {' '.join(arguments)}: exit {result.returncode}\n{result.stdout[-4000:]}"
    return result.stdout.strip()


def attempt(
    *command: str, timeout: float = 60, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that may fail; stdout and stderr come together."""
    return subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
        env={**os.environ, "DOCKER_CLI_HINTS": "false", **environment},
    )


def why_no_engine() -> str:
    """Why no container can be run here; empty if one can."""
    if not shutil.which("docker"):
        return "there is no docker command"
    try:
        found = attempt("docker", "info", "--format", "{{.ServerVersion}}", timeout=20)
    except subprocess.TimeoutExpired:
        return "docker info does not answer"
    return "" if found.returncode == 0 else f"no Docker Engine answers: {found.stdout.strip()[-200:]}"


def compose_command() -> list[str]:
    """``docker compose``, or the older ``docker-compose``; empty if there is neither."""
    if attempt("docker", "compose", "version").returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def why_no_base_images() -> str:
    """Make sure of the base images: here already, pulled, or stood in for. Why not; empty if they are all here."""
    missing = [name for name in BASE_IMAGES if not has_image(name)]
    if missing and not any(pull(name) for name in missing[:1]) and STAND_INS.is_file():
        attempt(str(STAND_INS), timeout=900)
    for name in missing:
        if not has_image(name) and not pull(name):
            return f"{name} cannot be pulled"
    return ""


def has_image(name: str) -> bool:
    return attempt("docker", "image", "inspect", name).returncode == 0


def pull(name: str) -> bool:
    return attempt("docker", "pull", "--quiet", name, timeout=300).returncode == 0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60, every: float = 0.1) -> Any:
    """The first true value of a condition. Raises AssertionError when the time is over."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every)
    return value


class Container:
    """One running, or ended, container."""

    def __init__(self, identifier: str) -> None:
        self.id = identifier

    def inspect(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(docker("inspect", self.id))[0]
        return found

    @property
    def health(self) -> str:
        return str(self.inspect()["State"].get("Health", {}).get("Status", "none"))

    def health_log(self) -> str:
        return "\n".join(entry["Output"] for entry in self.inspect()["State"]["Health"]["Log"])

    @property
    def running(self) -> bool:
        return bool(self.inspect()["State"]["Running"])

    @property
    def exit_code(self) -> int:
        return int(self.inspect()["State"]["ExitCode"])

    def wait(self, seconds: float) -> int:
        """Wait for its end; returns its exit code."""
        return int(docker("wait", self.id, timeout=seconds))

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.id)

    def kill(self, signal: str = "TERM") -> None:
        docker("kill", "--signal", signal, self.id)

    def logs(self) -> str:
        """All that it wrote, on stdout and stderr."""
        return attempt("docker", "logs", self.id).stdout

    def execute(self, *command: str, timeout: float = 60) -> str:
        return docker("exec", self.id, *command, timeout=timeout)

    def wait_for_log(self, text: str, seconds: float = 60) -> None:
        def written() -> bool:
            logs = self.logs()
            assert text in logs or self.running, f"ended before it said {text!r}:\n{logs[-4000:]}"
            return text in logs

        wait_until(written, f"log line {text!r}", seconds)

    def wait_for_health(self, wanted: str, seconds: float = 60) -> None:
        def reached() -> bool:
            return self.health == wanted

        try:
            wait_until(reached, f"health {wanted!r}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; is {self.health!r}\n{self.health_log()}\n{self.logs()[-4000:]}") from None

    def port(self, inside: int = 8000) -> int:
        """The port of this machine that was published for one of the container's."""
        return int(docker("port", self.id, f"{inside}/tcp").splitlines()[0].rsplit(":", 1)[1])


class Database(Container):
    """A PostgreSQL of our own on our network."""

    def __init__(self, identifier: str, host: str) -> None:
        super().__init__(identifier)
        self.host = host

    def url(self, database: str = "app") -> str:
        return f"postgresql://app:{ENCODED_PASSWORD}@{self.host}:5432/{database}"

    def query(self, sql: str, database: str = "app") -> str:
        return self.execute("psql", "-h", "/run/postgresql", "-U", "app", "-d", database, "-Atqc", sql)

    def wait_until_ready(self) -> None:
        # Over TCP: while it initialises, a server listens on its socket only.
        ready = ["docker", "exec", self.id, "pg_isready", "-q", "-h", "127.0.0.1", "-U", "app", "-d", "app"]
        wait_until(lambda: attempt(*ready).returncode == 0, "PostgreSQL is ready", 60)

    def new_database(self, template: str = "template1") -> str:
        name = f"d{uuid.uuid4().hex[:8]}"
        self.query(f"CREATE DATABASE {name} TEMPLATE {template}", database="postgres")
        return name


class Engine:
    """Makes containers, networks and images under one label, and removes all that bears it."""

    def __init__(self) -> None:
        self.name = f"lockgate-test-{uuid.uuid4().hex[:10]}"
        self.label = f"lockgate.test={self.name}"
        self.images: list[str] = []

    def network(self) -> str:
        name = f"{self.name}-{uuid.uuid4().hex[:6]}"
        docker("network", "create", "--label", self.label, name)
        return name

    def run(self, image: str, *command: str, options: tuple[str, ...] = (), **environment: str) -> Container:
        """Start a container in the background."""
        variables = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        return Container(docker("run", "--detach", "--label", self.label, *options, *variables, image, *command))

    def database(self, network: str) -> Database:
        host = f"db-{uuid.uuid4().hex[:6]}"
        container = self.run(
            "pgvector/pgvector:pg17",
            options=("--network", network, "--network-alias", host),
            POSTGRES_USER="app",
            POSTGRES_PASSWORD=PASSWORD,
            POSTGRES_DB="app",
        )
        database = Database(container.id, host)
        database.wait_until_ready()
        return database

    def build(self, context: str, dockerfile: str, *options: str) -> str:
        """Build an image under a tag of its own; returns the tag."""
        tag = f"{self.name}:{uuid.uuid4().hex[:8]}"
        # The host's network: where packages come through a proxy or a mirror, only the host may reach it.
        docker(
            "build", "--quiet", "--network", "host", "--label", self.label, "--tag", tag, *options,
            "--file", dockerfile, context,
            timeout=900,
        )  # fmt: skip
        self.images.append(tag)
        return tag

    def release(self, image: str, name: str, migration: str) -> str:
        """The next release of an image: the same, with one more migration of watchstats.

        migration: the Python expression of its ``operations``.
        """
        listed = docker("run", "--rm", "--entrypoint", "ls", image, "/app/apps/watchstats/migrations").splitlines()
        leaf = max(file.removesuffix(".py") for file in listed if file[:1].isdigit())
        source = (
            "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
            f"    dependencies = [('watchstats', '{leaf}')]\n    operations = {migration}\n"
        )
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, f"9999_{name}.py").write_text(source)
            Path(directory, "Dockerfile").write_text(
                f"FROM {image}\nENV LOCKGATE_RELEASE={name}\n"
                f"COPY --chown=0:0 9999_{name}.py /app/apps/watchstats/migrations/9999_{name}.py\n"
            )
            Path(directory, f"9999_{name}.py").chmod(0o644)
            return self.build(directory, f"{directory}/Dockerfile")

    def remove_everything(self) -> None:
        for listing, removal in (
            (["ps", "--all", "--quiet"], ["rm", "--force", "--volumes"]),
            (["network", "ls", "--quiet"], ["network", "rm"]),
            (["volume", "ls", "--quiet"], ["volume", "rm", "--force"]),
        ):
            found = attempt("docker", *listing, "--filter", f"label={self.label}").stdout.split()
            if found:
                attempt("docker", *removal, *found, timeout=120)
        for image in self.images:
            attempt("docker", "image", "rm", "--force", image)


class Compose:
    """One project of a compose file in docker/, with an override file where a test needs one."""

    def __init__(self, command: list[str], name: str, files: list[Path], environment: dict[str, str]) -> None:
        self.name = name
        self.environment = environment
        self.command = [*command, "--project-name", name, *(part for file in files for part in ("-f", str(file)))]

    def attempt(self, *arguments: str, timeout: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
        return attempt(*self.command, *arguments, timeout=timeout, **{**self.environment, **environment})

    def __call__(self, *arguments: str, timeout: float = 240, **environment: str) -> str:
        result = self.attempt(*arguments, timeout=timeout, **environment)
        assert result.returncode == 0, f"compose {' '.join(arguments)}:\n{result.stdout[-4000:]}"
        return result.stdout

    def down(self) -> None:
        """Remove its containers, networks and volumes."""
        self.attempt("down", "--volumes", "--remove-orphans", "--timeout", "0", timeout=120)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['HTTP_PORT']}"

    def containers(self, service: str) -> list[Container]:
        """Running and ended ones, oldest first."""
        listed = docker(
            "ps", "--all", "--quiet", "--no-trunc",
            "--filter", f"label=com.docker.compose.project={self.name}",
            "--filter", f"label=com.docker.compose.service={service}",
        )  # fmt: skip
        return [Container(identifier) for identifier in reversed(listed.split())]

    def query(self, sql: str) -> str:
        (database,) = self.containers("db")
        return database.execute("psql", "-h", "/run/postgresql", "-U", "watchstats", "-d", "watchstats", "-Atqc", sql)


def get(url: str, timeout: float = 10, **headers: str) -> tuple[int, str]:
    """Status and body; 0 and the error where there was no HTTP answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
