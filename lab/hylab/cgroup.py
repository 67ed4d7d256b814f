# SPDX-License-Identifier: GPL-2.0-or-later
"""Control groups of the lab, version 1 or 2: CPU cap, memory limit, what was used.

All directories are below the one named in $HYLICS_LAB_CGROUP in each hierarchy: `hylics lab` chose
the name and sweeps what a killed run leaves.
"""

import contextlib
import dataclasses
import errno
import itertools
import os
import pathlib
import signal
import time

from hylab import LabError, MissingRight, wall

USUAL = ("cpu", "cpuacct", "memory")
CONTROLLERS = (*USUAL, "blkio")
V2_NAMES = {"io": "blkio"}
PERIOD_US = 100000
WEIGHT_USUAL, SHARES_USUAL = 100, 1024      # what a group has from the start, by version
EMPTY_TIMEOUT_S = 10
_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Hierarchy:
    """Where a controller is mounted, and in which version."""
    version: int
    root: pathlib.Path


def hierarchies():
    """{controller: Hierarchy} for those of CONTROLLERS that this machine has."""
    found = {}
    for kind, options, place in _mounts(pathlib.Path("/proc/self/mountinfo").read_text()):
        if not (place / "cgroup.procs").exists():
            continue    # the wall's own /sys covers this one
        version = 1 if kind == "cgroup" else 2
        for controller in options if version == 1 else _unified_controllers(place):
            if controller in CONTROLLERS:
                found.setdefault(controller, Hierarchy(version, place))
    return found


def _mounts(mountinfo):
    """(file system type, [super options], mount point) of every cgroup mount."""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            yield kind, options.split(","), pathlib.Path(left.split()[4])


def _unified_controllers(place):
    """Controllers of version 2; cpuacct is part of each group there, without a name."""
    names = (place / "cgroup.controllers").read_text().split()
    return [*(V2_NAMES.get(name, name) for name in names), "cpuacct"]


def disk_of(folder):
    """(major, minor) of the whole disk below a folder; LabError where there is none."""
    device = os.stat(folder).st_dev
    place = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not place.exists():
        raise LabError(f"{folder}: is on no disk of its own whose reading could be limited")
    place = place.resolve()
    if (place / "partition").exists():
        place = place.parent
    major, minor = (place / "dev").read_text().split(":")
    return int(major), int(minor)


def on_cpus(numbers):
    """Words to put before a command so that it runs on these CPUs; none if there are no numbers."""
    return ["taskset", "--cpu-list", ",".join(map(str, numbers))] if numbers else []


class Cgroup:
    """One group over the hierarchies of some controllers, as far as there are any; its processes
    are killed and it is removed at close."""

    def __init__(self, name, controllers=USUAL):
        top = os.environ.get(wall.CGROUP_VARIABLE)
        if not top:
            raise LabError(f"${wall.CGROUP_VARIABLE} is not set")
        self._where = {controller: hierarchy for controller, hierarchy in hierarchies().items()
                       if controller in controllers}
        own = f"{name}-{os.getpid()}-{next(_numbers)}"
        self._paths = {controller: hierarchy.root / top.lstrip("/") / own
                       for controller, hierarchy in self._where.items()}
        try:
            for controller, path in self._paths.items():
                self._make(controller, path)
        except OSError as error:
            self._remove_directories()
            if isinstance(error, PermissionError):
                raise MissingRight(f"cgroup '{top}/{own}': {error}") from error
            raise LabError(f"cgroup '{top}/{own}': {error}") from error

    def _make(self, controller, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._where[controller].version == 2 and controller != "cpuacct":
            name = next((v2 for v2, v1 in V2_NAMES.items() if v1 == controller), controller)
            for above in (path.parent.parent, path.parent):
                (above / "cgroup.subtree_control").write_text(f"+{name}")
        path.mkdir(exist_ok=True)

    def launcher(self):
        """Words to put before a command so that it runs in the group from its first instruction."""
        script = 'for d in "$@"; do shift; [ "$d" = -- ] && break; echo 0 > "$d/cgroup.procs"; done'
        places = sorted({str(path) for path in self._paths.values()})
        return ["/bin/sh", "-ec", script + '; exec "$@"', "sh", *places, "--"]

    def take(self, pids):
        """Have these processes, as far as they are still there."""
        for pid in pids:
            for path in {*self._paths.values()}:
                with contextlib.suppress(ProcessLookupError):
                    (path / "cgroup.procs").write_text(str(pid))

    def set_cpu_cap(self, cpus):
        """Limit to this many CPUs (0.5, 2); None takes the limit away."""
        path = self._path("cpu")
        quota = -1 if cpus is None else int(cpus * PERIOD_US)
        if self._where["cpu"].version == 1:
            (path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (path / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            limit = "max" if cpus is None else str(quota)
            (path / "cpu.max").write_text(f"{limit} {PERIOD_US}")

    def set_cpu_weight(self, weight):
        """Its share where CPUs are short, beside its neighbours'; 100 is usual."""
        path = self._path("cpu")
        if self._where["cpu"].version == 1:
            (path / "cpu.shares").write_text(str(weight * SHARES_USUAL // WEIGHT_USUAL))
        else:
            (path / "cpu.weight").write_text(str(weight))

    def set_memory_limit(self, limit_bytes):
        """Limit memory; what the kernel cannot reclaim ends in its out-of-memory killer."""
        name = "memory.limit_in_bytes" if self._where_version("memory") == 1 else "memory.max"
        (self._path("memory") / name).write_text(str(limit_bytes))

    def set_read_rate(self, folder, bytes_per_s):
        """Limit what is read from the disk below a folder, swapping in included; 0: no limit."""
        major, minor = disk_of(folder)
        if self._where_version("blkio") == 1:
            name, words = "blkio.throttle.read_bps_device", str(bytes_per_s)
        else:
            name, words = "io.max", f"rbps={bytes_per_s or 'max'}"
        (self._path("blkio") / name).write_text(f"{major}:{minor} {words}")

    def cpu_s(self):
        """CPU seconds used so far, also by threads that have ended."""
        path = self._path("cpuacct")
        if self._where["cpuacct"].version == 1:
            return int((path / "cpuacct.usage").read_text()) / 1e9
        fields = dict(line.split() for line in (path / "cpu.stat").read_text().splitlines())
        return int(fields["usage_usec"]) / 1e6

    def memory_bytes(self):
        """Memory charged now."""
        name = "usage_in_bytes" if self._where_version("memory") == 1 else "current"
        return int((self._path("memory") / f"memory.{name}").read_text())

    def processes(self):
        """Ids of the processes in the group."""
        pids = set()
        for path in {*self._paths.values()}:
            with contextlib.suppress(FileNotFoundError):
                pids.update(int(pid) for pid in (path / "cgroup.procs").read_text().split())
        return sorted(pids)

    def kill(self):
        """Kill what runs in the group now."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self):
        """Kill what still runs in the group and remove its directories."""
        deadline = time.monotonic() + EMPTY_TIMEOUT_S
        while self._remove_directories() and time.monotonic() < deadline:
            self.kill()
            time.sleep(0.01)  # a killed process leaves its group when it has ended, unannounced

    def _remove_directories(self):
        """Remove what is empty; True if something is still busy."""
        busy = False
        for path in {*self._paths.values()}:
            try:
                path.rmdir()
            except FileNotFoundError:
                pass
            except OSError as error:
                busy = busy or error.errno == errno.EBUSY
        return busy

    def _where_version(self, controller):
        self._path(controller)
        return self._where[controller].version

    def _path(self, controller):
        if controller not in self._paths:
            raise LabError(f"this machine has no '{controller}' cgroup controller; "
                           "limits and accounting of the lab need it")
        return self._paths[controller]
