"""The numbers of the Dockerfile, the compose file, gunicorn and the Kubernetes manifests agree with each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockgate import configuration

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "docs" / "kubernetes").glob("*.yaml"))


def text(name: str) -> str:
    return (ROOT / name).read_text()


def number(pattern: str, name: str) -> int:
    """The number that a pattern's one group finds in a file; all its finds must agree."""
    found = {int(value) for value in re.findall(pattern, text(name), re.MULTILINE)}
    assert len(found) == 1, f"{pattern!r} in {name}: {found or 'not found'}"
    return found.pop()


GRACEFUL = number(r"^graceful_timeout = (\d+)$", "docker/gunicorn.conf.py")


def test_compose_gives_a_stop_more_time_than_gunicorn_gives_its_requests() -> None:
    web = text("docker/compose.yaml").partition("\n  web:\n")[2].partition("\n  proxy:\n")[0]
    (seconds,) = re.findall(r"stop_grace_period: (\d+)s", web)
    assert int(seconds) > GRACEFUL


def test_kubernetes_gives_a_stop_more_time_than_the_pause_and_gunicorn_take() -> None:
    name = "docs/kubernetes/deployment.yaml"
    pause = number(r'command: \[sleep, "(\d+)"\]', name)
    assert number(r"terminationGracePeriodSeconds: (\d+)", name) > pause + GRACEFUL


def test_a_roll_out_is_given_more_time_than_the_startup_probe_and_the_lock_allow() -> None:
    name = "docs/kubernetes/deployment.yaml"
    startup = text(name).partition("startupProbe:")[2].partition("readinessProbe:")[0]
    period, failures = (int(re.findall(rf"{key}: (\d+)", startup)[0]) for key in ("periodSeconds", "failureThreshold"))
    lock = number(r'LOCKGATE_LOCK_WAIT_SECONDS, value: "(\d+)"', name)
    assert number(r"progressDeadlineSeconds: (\d+)", name) > period * failures
    assert period * failures >= lock
    hours = period * failures // 3600
    assert re.search(rf"\b{failures} . {period} s = {hours} h\b", text("docs/kubernetes.md"))


def test_the_image_waits_for_a_migration_at_least_as_long_as_the_manifests_do() -> None:
    hours = number(r"^HEALTHCHECK --start-period=(\d+)h", "docker/Dockerfile")
    assert hours * 3600 >= number(r"activeDeadlineSeconds: (\d+)", "docs/kubernetes/job.yaml")


def test_the_probe_gives_up_before_the_engine_gives_up_on_it() -> None:
    own = number(r"^TIMEOUT_SECONDS = (\d+)\.0 ", "docker/health_probe.py")
    assert own < number(r"--timeout=(\d+)s", "docker/Dockerfile")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_names_the_images_user_and_only_variables_that_exist(manifest: Path) -> None:
    written = manifest.read_text()
    user = number(r"^USER (\d+):\d+$", "docker/Dockerfile")
    assert {int(uid) for uid in re.findall(r"runAsUser: (\d+)", written)} <= {user}
    known = {option.variable for option in configuration.OPTIONS} | {"LOCKGATE_SKIP_MIGRATE"}
    assert set(re.findall(r"LOCKGATE_\w+", written)) <= known


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_every_probe_names_a_host_that_is_allowed(manifest: Path) -> None:
    written = manifest.read_text()
    assert written.count("path: /") == written.count("httpHeaders: [{name: Host, value: localhost}]")
    assert set(re.findall(r"path: (/\w+)$", written, re.MULTILINE)) <= {"/livez", "/readyz"}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_every_container_of_a_manifest_runs_with_as_few_rights_as_the_image_needs(manifest: Path) -> None:
    written = manifest.read_text()
    images = written.count("image: ")
    assert written.count("readOnlyRootFilesystem: true") == images
    assert written.count("allowPrivilegeEscalation: false") == images
    assert written.count("capabilities: {drop: [ALL]}") == images


def test_every_variable_of_the_entrypoint_and_of_gunicorn_is_documented() -> None:
    page = text("docs/entrypoint.md")
    read = set(re.findall(r"os\.environ\.get\(['\"](\w+)", text("docker/gunicorn.conf.py")))
    read |= set(re.findall(r"\$\{(\w+):", text("entrypoint.sh")))
    assert {"BIND", "PORT", "LOCKGATE_SKIP_MIGRATE"} < read
    assert not [name for name in read - {"LOG_LEVEL"} if f"`{name}`" not in page]
