"""Every number of a run: its home, its unit and its reason. ``configuration`` reads what a project says otherwise.

Settings are one dict, ``LOCKGATE``; the environment overrides the durations an operator may need to change without
a new image. Inside the code durations are ``timedelta``; ``_SECONDS`` and ``--…-seconds`` stand at the edges.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

OnAhead = Literal["allow", "allow-when-current", "refuse"]
OnEdited = Literal["warn", "refuse"]
OnHazard = Literal["report", "refuse"]
Pooler = Literal["prove", "session"]


@dataclass(frozen=True)
class Policy:
    """What a run may wait for, and what it refuses."""

    # Longer than a PostgreSQL crash recovery usually takes, shorter than an operator's patience with a typo.
    wait_for_server: timedelta = timedelta(seconds=60)
    # One attempt to connect. A server that accepts and never answers costs one of these, not the whole deadline.
    connect_timeout: timedelta = timedelta(seconds=5)
    # The longest migrations of a sane release; a runner waits this long for another to finish.
    wait_for_lock: timedelta = timedelta(seconds=600)
    # A waiting runner names the lock's holder this often: log lines a person can follow, not a flood.
    report_lock_wait: timedelta = timedelta(seconds=10)
    # ``lockgate wait``: as long as a runner may wait for the lock and then work.
    wait_for_migrations: timedelta = timedelta(seconds=1200)
    # Extensions the gate creates where they are missing.
    extensions: tuple[str, ...] = ()
    # How long a failure that repeats by nature is not repeated by the next start of the same release. Three times the
    # longest pause of Kubernetes' CrashLoopBackOff (300 s): each replica comes by meanwhile, and one tries again
    # unasked soon after somebody has mended the data.
    failure_stands: timedelta = timedelta(seconds=900)
    # Applied migrations this release does not have. An old container must be able to restart after a roll-out,
    # but two histories that have diverged must not be mixed unattended.
    on_ahead: OnAhead = "allow-when-current"
    # A migration file changed after it was applied: most are harmless clean-ups, so it is named and goes on.
    on_edited: OnEdited = "warn"
    # Hazards that no migration accepts. A gate that refuses from its first day would be taken out of the entrypoint;
    # whoever has come to terms with what their history has can make it strict.
    on_hazard: OnHazard = "report"
    # From this size on a table is worth the longer online way. Eight megabytes are 1,024 pages: PostgreSQL scans,
    # indexes or rewrites that much in some tens of milliseconds, and a lock held that long goes unnoticed.
    large_table_bytes: int = 8 * 1024 * 1024
    # From this size on, whatever takes longer the larger a table is deserves a decision, also where it blocks nobody:
    # at about 100 MB/s, which a busy server has to spare, ten gigabytes are two minutes.
    size_budget_bytes: int = 10 * 1024 * 1024 * 1024
    # Behind a pooler: whether it keeps a backend for each client must be proven, or is the owner's word.
    pooler: Pooler = "prove"
    # Whether what would block is done online: off, migrations run as Django runs them, under the lock, with retries for
    # table locks, and recorded in the ledger.
    online: bool = True
    # Whether the model classes that migrations see are rendered when they are asked for: off, all of them are, again
    # and again, as Django does.
    lazy_rendering: bool = True
    # How long one attempt waits for a table's lock. Whoever comes after it in the table's queue waits as long, so this
    # is the stall a request may feel; half of what people notice.
    lock_timeout: timedelta = timedelta(milliseconds=50)
    # From the first attempt at a locking step to the last: long reports end within it, and a roll-out still waits.
    lock_attempts: timedelta = timedelta(seconds=300)
    # How long a concurrent build, or the validation of a constraint, waits for one of those whose transactions it must
    # see the end of. Only the release waits for it: reports and dumps end within it, a forgotten session never.
    wait_for_others: timedelta = timedelta(seconds=1800)
    # Variables and files that are read while settings load, and that migrations do not depend on: the project's word.
    manifest_ignores: tuple[str, ...] = ()
    # Variables that are read then and are no secrets, so that a digest of their value may be kept: the project's word.
    manifest_variables: tuple[str, ...] = ()
    # Settings that migrations read and that are no secrets, likewise: a snapshot, and a template's name, have a digest.
    snapshot_settings: tuple[str, ...] = ()
    # Whether messages and the ledger quote values of rows and literals of statements: logs are read by more people.
    show_values: bool = False
    # Up to which migration of an app nothing is linted that was not asked for by name: what a project began with.
    lint_start_after: tuple[str, ...] = ()
    # Functions that are told of every event of a run, by their paths.
    listeners: tuple[str, ...] = ()
    # Modules with rules of the project's own, which migrations are judged by as well.
    rules: tuple[str, ...] = ()
    # The release's name, where the build gives one.
    release: str = ""
    # The snapshot that an empty database is filled from: a path; none is the usual place, "none" is no snapshot at all.
    snapshot: str = ""


# A session is worth naming in a plan once its transaction is this old: younger ones are gone before a person has read.
SESSION_OF_INTEREST = timedelta(seconds=5)

# ``lockgate lint --cache``: what was changed so shortly before a run may have been changed again while it was loaded,
# without a newer time stamp, and its digest would be of another content than was judged.
JUDGED_TOO_SOON = timedelta(seconds=3)
# Judgements in the folder of the cache: of a few branches, each with and without arguments.
JUDGEMENTS_KEPT = 20

# Reading a table's size takes a weak lock, and waits for it no longer than this: what stands in the way must not delay
# a migration that need not wait for it. Then the size is estimated.
FACTS_LOCK_TIMEOUT = timedelta(seconds=1)

# Types, functions and collations of a database that were read so shortly before are not read again for the next
# migration, unless one in between may have made some: a history of small migrations would read little else.
FACTS_OF_DATABASE_STAND = timedelta(seconds=2)

# Where a snapshot is looked for, beside manage.py; and what switches it off.
SNAPSHOT_NAME = "lockgate-snapshot.sql"
NO_SNAPSHOT = "none"
# Bytes of a snapshot, which is read whole before any of it is run: a thousand tables are about 1 MiB, and this much a
# container has to spare.
SNAPSHOT_LARGEST = 64 << 20
# The schema that a snapshot's tables are in. Others go where it says; this one is where names without a schema go.
PUBLIC_SCHEMA = "public"
# Databases that a build of a snapshot left behind, because it was killed, are dropped by another build after this time.
SCRATCH_ABANDONED = timedelta(days=1)
# How long a scratch database's dropping waits for an autovacuum worker in it, whose tables are small: it takes moments.
SCRATCH_DROP = timedelta(seconds=30)
KIBIBYTE = 1024
# Of how many models a run keeps what it has rendered: what the migrations of a few apps change, some 30 KiB each.
MODELS_AT_HAND = 64
# After how many new objects Python looks for garbage during a run: those of some 40 model classes. It costs 3 MiB.
GARBAGE_THRESHOLD = 5000
# Templates of test databases that are kept, of one project: the branches that one goes to and fro between.
TEST_TEMPLATES = 4
# How long a test process waits for another that makes the template: a long history takes minutes.
TEST_TEMPLATE_WAIT = timedelta(seconds=1200)
# Characters of a release's name that are kept: the ledger's column, which an image's name with its digest may exceed.
RELEASE_LENGTH = 255
# No wait is meant to be longer; more is a slip of the keyboard.
LONGEST = timedelta(days=366)

# Tags of Django's system checks that say something about a schema. Others judge a service that these settings need not
# describe: under minimal ones the admin's would fail for want of templates and middleware.
SCHEMA_CHECKS = ("models", "database", "lockgate")

# ``lockgate wait``: how long a refusal of the server may last that waiting does not change by itself. Whoever
# migrates may be about to grant what a new table lacks; a person who looks at the log is not kept waiting.
REFUSAL_GRACE = timedelta(seconds=10)

# Pauses between polls, jittered so that containers started together do not ask together.
POLL_FIRST = timedelta(milliseconds=100)
# The most a waiting runner adds to the moment the lock is free, or the server is up.
POLL_LONGEST = timedelta(seconds=1)
POLL_GROWTH = 1.5
# Retries of locks. After so many attempts that got no lock, the next ones wait twice as long for it, up to a bound:
# where
# every query takes longer than the first timeout none would ever succeed, and whoever sends such notices no more.
LOCK_RETRY_ATTEMPTS_PER_TIMEOUT = 5
LOCK_RETRY_LONGEST_TIMEOUT = timedelta(milliseconds=800)
# Pauses between attempts: long enough for the queue behind the last one to drain, short of a bored operator.
LOCK_RETRY_FIRST_PAUSE = timedelta(milliseconds=200)
LOCK_RETRY_LONGEST_PAUSE = timedelta(seconds=5)
LOCK_RETRY_PAUSE_GROWTH = 1.6
# How often the sessions in the way are looked at while they are waited for.
BLOCKERS_POLL = timedelta(milliseconds=25)
# Attempts of one run at a step that is not a matter of locks alone: what failed three times will fail again.
STEP_ATTEMPTS = 3
# An index that nobody builds any more, by the server's progress view, may become valid within this: by one commit.
BUILD_ENDS_WITHIN = timedelta(milliseconds=500)
# Characters of one text in a message that others wrote: more than any error of PostgreSQL's that a person reads.
FOREIGN_TEXT_SHOWN = 4000
# Characters of one part of a message as it leaves: such a text, another that quotes it, and our own words behind them.
PART_SHOWN = 10_000
# Characters of a statement in a message: enough to find it in its file.
STATEMENT_SHOWN = 200
# Of a long one, what is looked at to find those: past a licence at its head, short of a dump.
STATEMENT_READ = 20_000
# How often the text of an operation is hashed before the journal keeps it: 30 ms, which nobody notices beside the
# operation, and which a million guesses at a secret in it take as many times.
OPERATION_HASH_ROUNDS = 100_000
# How long the drop of what a failed build has left waits for whoever is in its way: the next run can do it as well.
UNDO_LOCK_TIMEOUT = timedelta(seconds=30)
# A step that takes longer than this says how far it is, and whom it waits for; it looks, and it says so, this often.
STEP_REPORT_AFTER = timedelta(seconds=2)
STEP_LOOK_EVERY = timedelta(seconds=2)
STEP_REPORT_EVERY = timedelta(seconds=10)
# The search for rows that break a new constraint serves a message: it must not hold a failed run up for long.
OFFENDERS_TIMEOUT = timedelta(seconds=30)
OFFENDERS_SHOWN = 3
# Of what somebody has changed by hand under a migration that is half done: enough to see what was done.
THINGS_SHOWN = 5
# The server looks this often whether its client is still there, and ends an orphaned statement (PostgreSQL 14+).
CLIENT_CHECK_INTERVAL = timedelta(milliseconds=500)
# A dead network is noticed after about 60 s, by both sides: also where one of them sends into it, which keepalives do
# not see (then it is the kernel's quarter of an hour), and where the server waits for a client (then two hours).
# libpq's names and units: seconds, and milliseconds.
KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
# The longest wait for a lock of a statement that is not about somebody's table, but about the ledger, the journal or
# django_migrations: nobody keeps those from others for long, unless a person forgot a session. At least a second, and
# otherwise no longer than all attempts at a lock.
OWN_TABLES_LOCK_TIMEOUT = timedelta(seconds=30)
# From a signal to the end of the process: an orchestrator's patience starts at 10 s, the promise is 2 s.
STOP_DEADLINE = timedelta(seconds=1.7)
# After a lost session another one is asked what became of the work, and waited for so long: a server that ended one
# backend, or has crashed with little to recover, answers within it; a dead network is not worth a late message.
LOST_SESSION_LOOKUP = timedelta(seconds=5)
# How long a run that is over waits for listeners that have not heard all of it: a request over a network takes less,
# and one that gets no answer must not hold up a start.
LISTENERS_FINISH = timedelta(seconds=5)
# Migrations that are ready before their turn: so many that the server need not wait for one that is long to render.
MIGRATIONS_WAITING = 16
# For the server to take in that a statement is to be cancelled; the process may end without.
CANCEL_TIMEOUT = timedelta(seconds=0.5)
# A server ignores the request while it still reads what is to be cancelled.
CANCEL_AGAIN_AFTER = timedelta(seconds=0.1)
# Clients that come for a backend, at most: one pooler in transaction mode gives them ours first, another one last.
POOLER_PROBES = 10
# Of those, so many must be given a new one while ours is idle: one may be new by chance (min_pool_size).
POOLER_EVIDENCE = 2
# How long a probe may take behind a pooler: one whose pool is exhausted by session clients makes it wait.
POOLER_PROBE_TIMEOUT = timedelta(seconds=3)


def within(limits: Policy, seconds: float) -> Policy:
    """The same policy, waiting no longer for the server than this."""
    return replace(limits, wait_for_server=timedelta(seconds=max(seconds, 0)))
