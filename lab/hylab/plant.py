# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM of hylicsd's whose jobs read files of its share, as far as those are in memory.

    with Plant("pigz") as plant:
        plant.set_memory(64)
        seconds = plant.run_job()

The guest is processes with a part of a CPU; its channel is a port without a VM. All else is an
operator's: a hylicsd with a swap file, whose VM has a keeper, a worker and a limit. What comes back
from the swap file does so at the rate of a disk that was chosen for it, whoever reads: the jobs, or
hylicsd. Files are asked for by rank, few of them often.
"""

import contextlib
import dataclasses
import itertools
import pathlib
import queue
import random
import shutil
import subprocess
import threading
import time

from hylab import BUILD, LabError, MissingRight, cgroup, channel, swap_folder, wall
from hylab.duty import FFMPEG, write_text
from hylab.hylicsd import Hylicsd
from hylab.port import Port
from hylab.wait import wait_for

NAME = "guest"
MB = 1 << 20
SWAP_BYTES = 2 << 30        # for eight of 128 MB; others of the machine may use it, too
JOB_WITHIN_S = 120
BUSY = 5                    # exit code: not in force yet, and tried again
SETTLING_JOBS = 5           # before they count, where memory has changed
AT_ONCE_MAX = 40            # jobs; further ones are turned away, and counted


@dataclasses.dataclass(frozen=True)
class Size:
    """How large all of it is."""
    files: int
    file_mb: int
    share_mb: int
    memories: tuple             # MB, from the least to the most
    read_mb_per_s: int          # of the disk behind
    favour: float = 0.8         # rank r is asked for in proportion to r to the minus of it
    cpus: float = 0.5

    @property
    def least(self):
        """MB."""
        return self.memories[0]

    @property
    def most(self):
        """MB."""
        return self.memories[-1]


SIZE = Size(files=24, file_mb=8, share_mb=256, memories=(16, 32, 48, 64, 96, 128, 160, 192),
            read_mb_per_s=8)
JOBS = {
    "pigz": "pigz -1 packs one file",
    "pigz-6": "pigz -6 packs one file: it computes more",
    "remux": "ffmpeg repacks one file's streams, -c copy",
}


def missing(job):
    """Why this machine cannot run a job, or None."""
    program = "ffmpeg" if job == "remux" else "pigz"
    if not shutil.which(program):
        return f"no {program} here"
    blkio = cgroup.hierarchies().get("blkio")
    if not blkio:
        return "no cgroup controller for I/O: nothing makes the disk behind as slow as it is to be"
    if blkio.version != 1:
        return "cgroup version 2: nothing can be in the group of a VM and in that of its disk"
    try:
        cgroup.disk_of(BUILD)
    except LabError as error:
        return str(error)
    return None


def readahead():
    """How swap is read here, in words."""
    order = int(pathlib.Path("/proc/sys/vm/page-cluster").read_text())
    return f"swap is read {1 << order} pages at a time (vm.page-cluster {order})"


def words_of(job, path):
    """A job's command; what it makes goes nowhere."""
    if job == "remux":
        return [*FFMPEG, "-i", path, "-c", "copy", "-f", "mpegts", "/dev/null"]
    level = "-6" if job == "pigz-6" else "-1"
    return ["sh", "-c", f'exec pigz {level} -c -p 1 "$1" >/dev/null', "pigz", path]


def make_input(job, path, size):
    """A file that the job can work on, of about this size."""
    if job != "remux":
        write_text(path, size)
        return
    # a second of it is a megabyte
    subprocess.run([*FFMPEG, "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25,noise=alls=60",
                    "-t", str(size // MB), "-c:v", "mpeg2video", "-b:v", "8M", "-minrate", "8M",
                    "-maxrate", "8M", "-bufsize", "4M", "-f", "mpegts", path], check=True)


def ranks(count, favour, chance):
    """Ranks without end: 0 the most often."""
    weights = list(itertools.accumulate((rank + 1) ** -favour for rank in range(count)))
    while True:
        yield chance.choices(range(count), cum_weights=weights)[0]


@dataclasses.dataclass(frozen=True)
class Done:
    """A job that has ended."""
    response_s: float       # from its arrival to its end
    ended: float            # by the monotonic clock


class Site:
    """A hylicsd with a swap file on the disk of the build folder; on entering it answers."""

    def __init__(self, errors=None, options=()):
        self.errors, self._options = errors, options
        self._closing = contextlib.ExitStack()
        self.folder = self.disk = self.host = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.callback(self._closing.close)
            self._make()
            stack.pop_all()
        return self

    def __exit__(self, *_):
        self._closing.close()

    def _make(self):
        wall.require()
        self.folder = self._closing.enter_context(swap_folder.made_in(BUILD))
        self.disk = cgroup.Cgroup("disk", ("blkio",))
        self._closing.callback(self.disk.close)
        self.host = Hylicsd(launcher=self.disk.launcher())
        self.host.errors = self.errors
        self._closing.callback(self.host.close)
        self._start()

    def _start(self):
        config = self.host.top / "hylicsd.conf"
        config.write_text(f"[hylicsd]\nswap-file = {self.folder / 'swap'}\n"
                          f"swap-size = {SWAP_BYTES}\n")
        self.host.start(f"--config={config}", *self._options)
        said = wait_for(lambda: {"swap_file", "swap_why"} & set(self.host.json("status")) and
                        self.host.json("status"), "the swap file is there, or not to be had")
        if "swap_file" not in said:
            raise MissingRight(said["swap_why"])


class Plant:
    """See the module; on entering it is ready, and has all memory.

    Beside others, on a site of theirs, it has a disk of its own, and of memory what the words of
    its `vm add` say.
    """

    accelerator = None      # of its VM, if it has one

    def __init__(self, job, size=SIZE, errors=None):
        self.job, self.size, self.errors = job, size, errors
        self.name, self.site, self._words = NAME, None, [f"--memory={size.most}M"]
        self._ranks = None
        self.choose(1)
        self._closing = contextlib.ExitStack()
        self.host = self.vm = self.share = self.place = self.group = self.disk = None
        self.done, self.turned_away, self.failed = queue.SimpleQueue(), 0, 0

    @classmethod
    def beside(cls, site, name, job, size, *words):
        """One of several."""
        found = cls(job, size)
        found.site, found.name, found._words = site, name, words
        return found

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.callback(self._closing.close)
            self._make()
            stack.pop_all()
        return self

    def __exit__(self, *_):
        self._closing.close()

    # -- making it --

    def _make(self):
        if self.site:
            self.disk = self._group("disk", ("blkio",))
        else:
            self.site = self._closing.enter_context(Site(self.errors))
            self.disk = self.site.disk
        self.host = self.site.host
        self.group = self._group("guest")
        self.group.set_cpu_cap(self.size.cpus)
        # what a guest keeps of it by itself would be memory that nobody counts
        self.vm = self.host.json("vm", "add", self.name, f"--share={self.size.share_mb}M",
                                 "--cache=none", *self._words)
        self.share = pathlib.Path(self.vm["share"])
        self._fill()
        self._start_guest()
        if self.disk is not self.site.disk:
            self.put_behind_disk()
        self.disk.set_read_rate(self.site.folder, self.size.read_mb_per_s * MB)
        # what is put away is read once more, and not at a disk's pace
        self._closing.callback(self.disk.set_read_rate, self.site.folder, 0)

    def _group(self, *words):
        group = cgroup.Cgroup(*words)
        self._closing.callback(group.close)
        return group

    def _fill(self):
        """The files, as the VM's own virtiofsd would write them."""
        source = self.site.folder / "input"
        make_input(self.job, source, self.size.file_mb * MB)
        for rank in range(self.size.files):
            self.host.inside(self.name, "cp", source, self.file(rank))
        source.unlink()

    def _start_guest(self):
        self.place = channel.socket_path().parent
        port = self._closing.enter_context(Port(self.place, self.vm["channel"]))
        agent = self._closing.enter_context(channel.agent(port.guest, self.place, "--no-mount",
                                                          "--no-offload"))
        agent.wait_line(channel.UP)

    # -- using it --

    def put_behind_disk(self):
        """What hylicsd has started for this VM reads at its disk's pace, too."""
        for place in self.host.cgroups():
            if place.name == self.name:
                self.disk.take(map(int, (place / "cgroup.procs").read_text().split()))

    def choose(self, seed):
        """Which files jobs ask for from now on."""
        self._ranks = ranks(self.size.files, self.size.favour, random.Random(seed))

    def file(self, rank):
        """One of the share's."""
        return self.share / f"file-{rank:03}"

    def _perform(self, rank):
        """A job for a file, marked as one, to its end; its seconds. LabError if it fails."""
        words = [*self.disk.launcher(), *self.group.launcher(), channel.program("hylics-guest"),
                 "job", "--run-dir", self.place, "--name", self.job, "--",
                 *words_of(self.job, self.file(rank))]
        began = time.monotonic()
        done = subprocess.run(words, check=False, timeout=JOB_WITHIN_S, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"a job ended with {done.returncode}: {done.stderr.strip()}")
        return time.monotonic() - began

    def run_job(self):
        """One job, alone; its seconds."""
        return self._perform(next(self._ranks))

    def set(self, **keys):
        """Change what the VM has: memory="64M", interval_min="3s"."""
        self.host.ask("vm", "set", self.name, *(f"{key.replace('_', '-')}={value}"
                                           for key, value in keys.items()))

    def set_memory(self, megabytes):
        """Limit the VM, and wait until that is so: the kernel may refuse for a while, as long as a
        slow disk has not taken what is on its way there."""
        done = self.host.ask("vm", "set", self.name, f"memory={megabytes}M", check=False)
        if done.returncode not in (0, BUSY):
            raise LabError(f"memory of {megabytes} MB: {done.stderr.strip()}")
        self.host.wait_for_state(self.name, "ready")

    def service_times(self, megabytes, count):
        """Seconds of so many jobs, one at a time, with that much memory."""
        self.set_memory(megabytes)
        self.warm()
        for _ in range(SETTLING_JOBS):
            self.run_job()
        return [round(self.run_job(), 6) for _ in range(count)]

    def warm(self):
        """Read all files, those asked for most often last, and not at the disk's pace."""
        for rank in reversed(range(self.size.files)):
            with open(self.file(rank), "rb", buffering=0) as file:
                while file.read(MB):
                    pass

    @contextlib.contextmanager
    def load(self, gaps):
        """Jobs that come meanwhile, so many seconds one after the other; they go to done."""
        stopped = threading.Event()
        thread = threading.Thread(target=self._come, args=(gaps, stopped))
        thread.start()
        try:
            yield
        except BaseException:
            stopped.set()
            self._give_up_jobs()    # nobody wants their times any more
            raise
        finally:
            stopped.set()
            thread.join()

    def _give_up_jobs(self):
        self.group.kill()

    def _come(self, gaps, stopped):
        under_way, next_at = [], time.monotonic()
        for gap in gaps:
            next_at += gap
            if stopped.wait(max(0.0, next_at - time.monotonic())):
                break
            under_way = [thread for thread in under_way if thread.is_alive()]
            if len(under_way) >= AT_ONCE_MAX:
                self.turned_away += 1
                continue
            under_way.append(threading.Thread(target=self._one,
                                              args=(next(self._ranks), next_at)))
            under_way[-1].start()
        for thread in under_way:
            thread.join()

    def _one(self, rank, arrived):
        waited_s = time.monotonic() - arrived
        try:
            took_s = self._perform(rank)
        except (LabError, subprocess.SubprocessError):
            self.failed += 1
        else:
            self.done.put(Done(waited_s + took_s, time.monotonic()))

    def ended(self):
        """The jobs that have ended since this was last asked."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self.done.get_nowait())
        return found


def exponential(chance, mean_at):
    """Gaps between jobs; mean_at() is the mean so many seconds after the beginning."""
    at = 0.0
    while True:
        gap = chance.expovariate(1 / mean_at(at))
        at += gap
        yield gap
