"""What listeners cannot do to a run, where the run itself is no more than an event."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from lockgate import events, policy
from lockgate.errors import Interrupted, MigrationFailed
from lockgate.execution import shutdown
from lockgate.gate import listeners

HEARD: list[events.Event] = []
ENDED = events.Ended(1, 0, 1.0)
hung = threading.Event()


def hear(event: events.Event) -> None:
    HEARD.append(event)


def hang(event: events.Event) -> None:
    hung.wait()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    HEARD.clear()
    hung.clear()
    yield
    hung.set()


def told_to(*names: str) -> policy.Policy:
    return policy.Policy(listeners=tuple(f"{__name__}.{name}" for name in names))


def test_a_signal_ends_the_wait_for_a_listener_and_says_that_the_run_was_over() -> None:
    def run() -> None:
        with listeners.told(told_to("hang"), lambda event: None) as listen:
            listen(ENDED)
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()

    with shutdown.guarded(to_the_end=False), pytest.raises(Interrupted) as raised:
        run()
    assert raised.value.state.startswith("the run was over, and all of it is done")


def test_a_failure_is_told_after_the_events_and_leaves_as_it_is() -> None:
    error = MigrationFailed("shop.0002 failed", why="it said no")

    def run() -> None:
        with listeners.told(told_to("hear"), HEARD.append) as listen:
            listen(ENDED)
            raise error

    with pytest.raises(MigrationFailed) as raised:
        run()
    assert raised.value is error
    console, event, failed = HEARD
    assert console is event is ENDED
    assert isinstance(failed, events.Failed)
    assert (failed.what, failed.why, failed.error) == ("shop.0002 failed", "it said no", "MigrationFailed")


def test_where_no_thread_is_to_be_had_the_run_goes_on_without_listeners(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with listeners.told(told_to("hear"), HEARD.append) as listen:
        listen(ENDED)
    assert HEARD == [ENDED]
    assert "no listener is told of this run: can't start new thread" in caplog.text


def test_a_line_of_the_log_has_the_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="lockgate")
    accepted = events.HazardsFound(0, 0, 2)
    with listeners.told(told_to(), lambda event: None) as listen:
        listen(ENDED)
        listen(accepted)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", ENDED.message),
        ("DEBUG", "hazards"),
    ]
    assert [vars(record)["lockgate"] for record in caplog.records] == [ENDED, accepted]
