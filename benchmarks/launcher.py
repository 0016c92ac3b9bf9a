"""Starts commands and measures them, in a process that is small itself.

Linux counts what a process held before its ``exec`` as its own peak, so what a benchmark starts seems at least as large
as the benchmark is. This process holds some 10 MiB, which is less than anything that it starts.

``python -S -I launcher.py`` reads a demand a line on stdin and answers with a line on stdout, both JSON.
"""

import json
import os
import sys
import time


def run(arguments, folder, environment, err, copies=1):
    """Start so many copies at once; what each came to, once all have ended.

    err: a file for what they write to stderr. Returns lists: exit codes, seconds from the first start to each end,
    seconds of CPU, MiB at the peak of the largest process of each and of what it started and waited for.
    """
    started = time.perf_counter()
    running = {_spawn(arguments, folder, environment, err) for _ in range(copies)}
    found = {"codes": [], "seconds": [], "cpu": [], "memory": []}
    while running:
        pid, status, usage = os.wait4(-1, 0)
        running.discard(pid)
        found["seconds"].append(time.perf_counter() - started)
        found["codes"].append(os.waitstatus_to_exitcode(status))
        found["cpu"].append(usage.ru_utime + usage.ru_stime)
        found["memory"].append(usage.ru_maxrss / 1024)
    return found


def _spawn(arguments, folder, environment, err):
    pid = os.fork()
    if pid:
        return pid
    try:
        os.chdir(folder)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.execvpe(arguments[0], arguments, environment)
    finally:
        os._exit(127)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
