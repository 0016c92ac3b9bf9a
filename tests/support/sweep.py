"""Disturb a runner at every statement it sends, let one more run go to its end, and compare that with stock Django's.

Nothing here knows how a run does its work: the statements are those that an undisturbed run sends.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from tests.support import servers, sweep_bench, sweep_states
from tests.support.sites import Result
from tests.support.sweep_bench import HUNG, Bench
from tests.support.sweep_cases import CASES, Case
from tests.support.sweep_ends import End
from tests.support.sweep_states import Point
from tests.support.sweep_wire import Moment, Watch

# A cluster of some databases takes 80 MB, and its log as much as it may: enough for several workers' of both.
ROOM = 1024**3
MAX_WAL_SIZE = "128MB"


class Action(enum.StrEnum):
    """What is done to a run."""

    KILL = "kill"  # SIGKILL to the runner
    TWICE = "twice"  # and to the run that recovers from it
    TERMINATE = "terminate"  # pg_terminate_backend of its session
    RESTART = "restart"  # the server is stopped as by a crash, and started


# After a statement and before the next one the server is the same; what differs is what the runner knows. A restart
# is slow, so it comes only where it knows least.
MOMENTS = {
    Action.KILL: tuple(Moment),
    Action.TWICE: tuple(Moment),
    Action.TERMINATE: (Moment.BEFORE, Moment.AFTER),
    Action.RESTART: (Moment.AFTER,),
}


@dataclass(frozen=True)
class Finding:
    """What came of one disturbance, or of two in turn. statements: that were under way, none where none was reached.

    problem: empty where one more run ended as stock Django does, undisturbed.
    """

    action: Action
    case: str
    points: tuple[Point, ...]
    statements: tuple[str, ...]
    problem: str

    def __str__(self) -> str:
        at = ", then ".join(f"{point} ({text})" for point, text in zip(self.points, self.statements, strict=False))
        return f"{self.case}: {self.action} {at or 'never reached'}: {self.problem or 'good'}"


@dataclass(frozen=True)
class Undisturbed:
    """contracted: it differs from stock Django's end until contract steps have run. The others: see ``Watch``."""

    statements: tuple[str, ...]
    adjoining: tuple[bool, ...]
    seen: tuple[tuple[str, ...], ...]
    end: End
    contracted: bool

    @functools.cached_property
    def shapes(self) -> list[tuple[str, str]]:
        return sweep_states.shapes(self.statements)

    def repeats(self, point: Point) -> bool:
        """Whether a kill there is the next statement's kill before it: nothing happens in between that outlives it."""
        then = point.at + 1
        return point.moment is Moment.AFTER and then < len(self.adjoining) and self.adjoining[then]


@dataclass
class Sweep:
    """The disturbances of one runner on a bench, ``lockgate`` or ``stock``."""

    bench: Bench
    runner: str = "lockgate"
    _contracts: bool | None = None
    _undisturbed: dict[Case, Undisturbed] = field(default_factory=dict)

    def undisturbed(self, case: Case) -> Undisturbed:
        """What a run does that nobody disturbs, which must be a good one."""
        if case not in self._undisturbed:
            with self.start(case) as database:
                result, watch = self.bench.watched(self.runner, database, case)
                assert result.code == 0, f"{case}\n{result.text}"
                end = self.bench.end(database).without_sequences()
                contracted = bool(end.differences(self.bench.expected(case).without_sequences()))
                problem = self.contract(case, database) if contracted else ""
                assert not problem, f"{case}: {problem}"
            told = map(tuple, (watch.statements, watch.adjoining, watch.seen))
            self._undisturbed[case] = Undisturbed(*told, end, contracted)
        return self._undisturbed[case]

    def points(
        self, action: Action, case: Case, seed: object, sample: int = 0, *, states: bool = False
    ) -> list[tuple[Point, ...]]:
        """Every point of a case's run, or so many by chance; for two kills, each statement of the first with one of the
        second. Two names of one kill are one point. states: only those that leave something else.
        """
        chance = random.Random(f"{seed} {action} {case}")
        count = len(self.undisturbed(case).statements)
        every = [Point(at, moment) for at in range(count) for moment in MOMENTS[action]]
        if action is Action.TWICE:
            one_each = [Point(at, chance.choice(MOMENTS[action])) for at in range(count)]
            firsts = self._states(action, case) if states else one_each
            found = [(first, then) for first, then in zip(firsts, chance.sample(every, len(firsts)), strict=True)]
        else:
            chosen = self._states(action, case) if states else every
            repeats = self.undisturbed(case).repeats
            found = [(point,) for point in chosen if action is not Action.KILL or not repeats(point)]
        return chance.sample(found, min(sample, len(found))) if sample else found

    def _states(self, action: Action, case: Case) -> list[Point]:
        """The first and the last of the points that leave the same. A runner that lives on is not the same at each of
        them: then also those where no case before this one has brought it.
        """
        undisturbed = self.undisturbed(case)
        lives = action in (Action.TERMINATE, Action.RESTART)
        pointses = [
            [point for point in points if point.moment in MOMENTS[action] and (lives or not undisturbed.repeats(point))]
            for points in sweep_states.classes(undisturbed.seen)
        ]
        chosen = sweep_states.ends(pointses)
        if lives:
            met = {shape for one_case in CASES[: CASES.index(case)] for shape in self.undisturbed(one_case).shapes}
            new = [at for at, shape in enumerate(undisturbed.shapes) if shape not in met]
            chosen += [Point(at, moment) for at in new for moment in MOMENTS[action]]
        return list(dict.fromkeys(chosen))

    def disturb(self, action: Action, case: Case, points: Sequence[Point]) -> Finding:
        """One run disturbed at each point, and then one that nobody disturbs."""
        statements: list[str] = []
        problem = ""
        self.undisturbed(case)
        with self.start(case) as database:
            for point in points:
                watch = Watch(point.at, point.moment, self._strike(action))
                result = self.bench.run(self.runner, database, case, watch=watch)
                if watch.struck:
                    statements.append(watch.statements[point.at])
                if result.code in (0, HUNG):  # it says that all is done, or nothing at all
                    problem = problem or self._judge(case, database, result, "the disturbed run")
            result = self.bench.run(self.runner, database, case)
            problem = problem or self._judge(case, database, result, "the next run")
            if self.undisturbed(case).contracted:
                problem = problem or self.contract(case, database)
        return Finding(action, str(case), tuple(points), tuple(statements), problem)

    def start(self, case: Case) -> contextlib.AbstractContextManager[str]:
        return self.bench.database(self.bench.template(self.runner, adopted=case.adopted))

    def _strike(self, action: Action) -> Callable[[int], None] | None:
        return {Action.TERMINATE: self.bench.terminate, Action.RESTART: self.bench.restart}.get(action)

    def _judge(self, case: Case, database: str, result: Result, who: str) -> str:
        """What is wrong with a database that a run has left as finished; empty where nothing is."""
        if result.code:
            return f"{who} exits {result.code}: {_last_words(result)}"
        found = self.bench.end(database).without_sequences().differences(self.undisturbed(case).end)
        return f"{who} exits 0 and ends elsewhere: {'; '.join(found[:6])}" if found else ""

    def contract(self, case: Case, database: str) -> str:
        """What is wrong after the contract steps, where the runner has such; empty where nothing is."""
        if self._contracts is None:
            asked = self.bench.run(self.runner, database, case, "migrate", "--help")
            self._contracts = "--contract" in asked.out
        if self._contracts:
            result = self.bench.run(self.runner, database, case, "migrate", "--contract", "--noinput")
            if result.code:
                return f"migrate --contract exits {result.code}: {_last_words(result)}"
        found = self.bench.end(database).without_sequences().differences(self.bench.expected(case).without_sequences())
        return f"it ends elsewhere than stock Django: {'; '.join(found[:6])}" if found else ""


def _last_words(result: Result) -> str:
    lines = [line for line in result.err.splitlines() if line.strip()]
    error = next((place for place, line in enumerate(lines) if line.startswith("error: ")), len(lines) - 1)
    return " | ".join(line.strip() for line in lines[error : error + 3])


def _in_memory() -> Path | None:
    """Where files are kept in memory, if there is room: each run has a copy of 300 files, and a disk is slow at that.

    Nothing that is proven needs a disk. Files outlive a process in memory as they do in the cache of a disk, and no
    sweep claims anything of a machine that loses its power.
    """
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and shutil.disk_usage(shared).free > ROOM else None


@contextlib.contextmanager
def own_bench(version: int | None = None) -> Iterator[Bench]:
    """A bench on a server of its own, which may be restarted. version: of PostgreSQL; None: the tests' own."""
    chosen = {"LOCKGATE_TEST_POSTGRES": str(version)} if version else {}
    with (
        mock.patch.dict(os.environ, chosen),
        servers.running(_in_memory(), max_connections="50", max_wal_size=MAX_WAL_SIZE) as cluster,
        tempfile.TemporaryDirectory() as path,
    ):
        conninfo = f"host={cluster.home} port={cluster.port} user=postgres"
        with sweep_bench.bench(conninfo, Path(path), cluster) as bench:
            yield bench
