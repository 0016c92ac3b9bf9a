"""A network that delivers nothing any more: the run ends, and the server lets go of its lock, wherever it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.support.sites import ROOT

TIMEOUT = 250  # seconds
# Instead of those of policy.py, which take a minute.
BOUNDS = ("keepalives_idle=1", "keepalives_interval=1", "keepalives_count=3", "tcp_user_timeout=4000")
PHASES = ["lock_wait", "statement", "commit", "build", "retry_pause", "computing", "sending", "connecting"]


def permitted() -> bool:
    """Whether a network namespace of our own can be had, and packets be dropped in it."""
    if shutil.which("unshare") is None or shutil.which("nft") is None or shutil.which("ip") is None:
        return False
    tried = ["unshare", "--net", "nft", "add table inet tried"]
    return os.geteuid() == 0 and subprocess.run(tried, capture_output=True, check=False).returncode == 0


def test_both_sides_let_go_in_every_phase() -> None:
    if not permitted():
        pytest.skip("NOT TESTED: a network that delivers nothing, because no namespace can be made here")
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "tests.support.black_hole", *BOUNDS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'apps'}"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert sorted(document) == sorted(PHASES)
    for phase, ends in document.items():
        assert ends["server"] is not None, (phase, document)
        if phase != "computing":  # its own code asks nothing of the network
            assert ends["client"] is not None, (phase, document)
            assert ends["code"] == 1, (phase, document)
