# SPDX-License-Identifier: GPL-2.0-or-later
"""What processes cost: CPU time, context switches, run and wait time, per task and in sum.

Read from /proc/PID/task/TID. A figure the kernel does not give is None, never 0. CPU time has the
kernel's tick as its unit (10 ms); run_s is exact where schedstat exists.
"""

import contextlib
import dataclasses
import os
import pathlib
import threading
import time

PROC = pathlib.Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
NS_PER_S = 1e9


@dataclasses.dataclass(frozen=True)
class Counts:
    """Counters of one task, or the sum over several."""
    user_s: float = 0.0
    system_s: float = 0.0
    voluntary: int = 0          # gave the CPU up to wait
    involuntary: int = 0        # was preempted
    run_s: float = None         # on a CPU
    wait_s: float = None        # ready, waiting for a CPU

    @property
    def cpu_s(self):
        """User and system time."""
        return self.user_s + self.system_s

    @property
    def switches(self):
        """All context switches."""
        return self.voluntary + self.involuntary

    def __add__(self, other):
        return self._combine(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self._combine(other, lambda a, b: a - b)

    def _combine(self, other, operation):
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other))
        return Counts(*(None if None in pair else operation(*pair) for pair in pairs))


NOTHING = Counts(run_s=0.0, wait_s=0.0)


@dataclasses.dataclass(frozen=True)
class Task:
    """Counters of one task; a thread id that is used again shows in another start time."""
    pid: int
    tid: int
    name: str
    started_ticks: int
    counts: Counts

    @property
    def key(self):
        """What tells this task from every other one."""
        return self.pid, self.tid, self.started_ticks


def tasks_of(pids):
    """[Task] of all threads of the processes; those that end meanwhile are left out."""
    found = []
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for directory in sorted((PROC / str(pid) / "task").iterdir()):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found.append(_task(pid, directory))
    return found


def _task(pid, directory):
    stat = (directory / "stat").read_text()
    name = stat[stat.index("(") + 1:stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2:].split()  # from field 3 of proc(5) on
    user, system, started = int(fields[11]), int(fields[12]), int(fields[19])
    voluntary, involuntary = _switches((directory / "status").read_text())
    run_s, wait_s = _schedstat(directory / "schedstat")
    return Task(pid, int(directory.name), name, started,
                Counts(user / TICKS_PER_S, system / TICKS_PER_S, voluntary, involuntary,
                       run_s, wait_s))


def _switches(status):
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(fields["voluntary_ctxt_switches"]), int(fields["nonvoluntary_ctxt_switches"])


def _schedstat(path):
    try:
        run_ns, wait_ns, _ = path.read_text().split()
    except (FileNotFoundError, ValueError):
        return None, None
    return int(run_ns) / NS_PER_S, int(wait_ns) / NS_PER_S


@dataclasses.dataclass(frozen=True)
class Sample:
    """What happened between start and stop."""
    seconds: float
    tasks: tuple        # Task, counts being the difference
    total: Counts       # over the tasks
    ended: int          # tasks that ended meanwhile: counted up to when they were last seen
    series: tuple       # (seconds since start, total Counts so far), with an interval only

    @property
    def switches_per_s(self):
        """Context switches per second over all tasks."""
        return self.total.switches / self.seconds

    def as_dict(self):
        """For result files."""
        return {"seconds": self.seconds, "total": dataclasses.asdict(self.total),
                "switches_per_s": self.switches_per_s, "ended": self.ended,
                "tasks": [{"pid": task.pid, "tid": task.tid, "name": task.name,
                           **dataclasses.asdict(task.counts)} for task in self.tasks],
                "series": [{"seconds": at, **dataclasses.asdict(counts)}
                           for at, counts in self.series]}


class Sampler:
    """Differences over a stretch of time: start(), stop(), or `with`; then `sample`.

    With interval_s a thread looks in between: it gives the series, and catches tasks that live
    shorter than the stretch. pids may be a function that tells those of the moment.
    """

    def __init__(self, pids, interval_s=None):
        self._pids = pids if callable(pids) else lambda fixed=tuple(pids): fixed
        self.interval_s = interval_s
        self.sample = None
        self._first, self._last, self._series = {}, {}, []
        self._stopping = threading.Event()
        self._thread = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Take the counters from which differences are made."""
        self._started = time.monotonic()
        self._first = {task.key: task for task in tasks_of(self._pids())}
        self._last = dict(self._first)
        if self.interval_s:
            self._thread = threading.Thread(target=self._repeat, daemon=True)
            self._thread.start()

    def stop(self):
        """Look a last time; the Sample."""
        if self._thread:
            self._stopping.set()
            self._thread.join()
        alive = self._look()
        seconds = time.monotonic() - self._started
        tasks = tuple(self._difference(task) for task in self._last.values())
        ended = len(self._last.keys() - alive)
        self.sample = Sample(seconds, tasks, self._total(), ended, tuple(self._series))
        return self.sample

    def _repeat(self):
        while not self._stopping.wait(self.interval_s):
            self._look()
            self._series.append((time.monotonic() - self._started, self._total()))

    def _look(self):
        """Take the counters of what lives now; the keys of that."""
        alive = {task.key: task for task in tasks_of(self._pids())}
        self._last.update(alive)
        return alive.keys()

    def _difference(self, task):
        """A task that was not there at the start began with nothing."""
        first = self._first.get(task.key)
        before = first.counts if first else NOTHING
        return dataclasses.replace(task, counts=task.counts - before)

    def _total(self):
        return sum((self._difference(task).counts for task in self._last.values()), NOTHING)
