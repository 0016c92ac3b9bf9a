"""Where a command spends its time: its stack is looked at every few milliseconds while it runs.

``python sampler.py FILE ARGUMENT …`` runs ``manage.py ARGUMENT …`` in the current folder and writes, as JSON, how many
seconds each kind of work took. A profiler would count every call, and so make what consists of many small calls
(rendering) look larger than it is.
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

INTERVAL = 0.005  # seconds
_STATE = "django/db/migrations/state.py"
_RENDERS = {"render", "render_multiple", "reload_model", "reload_models", "_reload", "unregister_model"}
# The first that a stack has a frame of: kind, part of the file's path, names of functions (all where there are none).
KINDS: tuple[tuple[str, str, set[str]], ...] = (
    (
        "signals before and after",
        "django/core/management/sql.py",
        {"emit_pre_migrate_signal", "emit_post_migrate_signal"},
    ),
    ("rendering models", _STATE, _RENDERS),
    ("rendering models", "lockgate/project_state/", set()),
    ("SQL: sending it and waiting", "/psycopg/", set()),
    ("states of the project", _STATE, set()),
    ("importing modules", "<frozen importlib._bootstrap", set()),
)
REST = "the rest"


def kind(frame: FrameType | None) -> str:
    """What a stack is at, by any of its frames."""
    frames = []
    while frame is not None:
        frames.append((frame.f_code.co_filename, frame.f_code.co_name))
        frame = frame.f_back
    for name, part, functions in KINDS:
        if any(part in path and (not functions or function in functions) for path, function in frames):
            return name
    return REST


def main(out: Path, arguments: list[str]) -> None:
    found: dict[str, float] = defaultdict(float)
    ended, watched = threading.Event(), threading.get_ident()

    def watch() -> None:
        last = time.perf_counter()
        while not ended.wait(INTERVAL):
            met = kind(sys._current_frames().get(watched))
            # By time, not by number: while Python runs, this thread waits for its turn, and so comes less often.
            last, since = time.perf_counter(), last
            found[met] += last - since

    sys.setswitchinterval(INTERVAL / 10)

    sys.argv = ["manage.py", *arguments]
    sys.path[0] = str(Path.cwd())
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        runpy.run_path("manage.py", run_name="__main__")
    finally:
        ended.set()
        watcher.join()
        out.write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
