"""A signal that code of a migration swallows is not forgotten."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from lockgate.errors import Interrupted
from lockgate.execution import shutdown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_was_swallowed_is_raised_again_and_not_in_the_next_run(number: signal.Signals) -> None:
    with shutdown.guarded(to_the_end=False):
        shutdown.raise_if_requested()
        with contextlib.suppress(Interrupted):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # a second one does not disturb what follows the first
        with pytest.raises(Interrupted) as raised:
            shutdown.raise_if_requested()
        assert raised.value.signal_name == number.name
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0  # the kernel's word, should all else be swallowed too
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    with shutdown.guarded(to_the_end=False):
        shutdown.raise_if_requested()
