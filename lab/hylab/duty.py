# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that computes and delivers at once, or computes while the host delivers for it.

    with Materials() as materials, Scene(SETTINGS["vm"], materials) as scene:
        with scene.delivery("module", LOADS["transcode"]) as (address, port, prefix):
            job = scene.start_job("guest", LOADS["transcode"], threads=1)
            done = job.wait()

A guest is a namespace whose programs are in a cgroup of their own, or a VM whose QEMU is in one:
its programs' time, or its vCPU's, is what that cgroup has used. Keeper, worker, modules and servers
of the host are in another. Where a setting is pinned, the guest's cgroup has the first CPUs to
itself, and all else of the lab has the others.
"""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

from hylab import LabError, cgroup, ready, wall
from hylab.net import Net
from hylab.offload import Offload
from hylab.offload_vm import Machine, OffloadVm
from hylab.servers import Site
from hylab.wait import wait_for

UID = 4242                  # modules run as somebody
SHARE_BYTES = 1 << 30
SERVER_PORT, MODULE_PORT = 8080, 8081
JOB_WITHIN_S = 600
LOOK_S = 0.01
TEXT_WORDS, TEXT_BLOCK = 4000, 1 << 20
FFMPEG = ("ffmpeg", "-v", "error", "-nostdin", "-y")
WAYS = {
    "guest": "the guest's own lighttpd delivers",
    "module": "a module delivers: lighttpd on the host, at the guest's address",
    "socket": "the guest's lighttpd under hylics-guest run: the host sends on moved connections",
    "host": "lighttpd on the host delivers, and the job runs there too, with the guest's CPUs",
}
ALL_CPUS = tuple(sorted(os.sched_getaffinity(0)))


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a guest is, and which CPUs it has."""
    about: str
    vm: bool = False
    vcpus: int = 1
    cap: float = None           # CPUs by quota
    pinned: bool = True         # it has CPUs of its own, and the host has the others
    weighed: bool = False       # beside a neighbour that computes without end, of the same weight
    line_mbps: int = 0          # towards the clients; 0: as fast as it goes


SETTINGS = {
    "q25": Setting("a namespace with a quarter of CPU 0", cap=0.25),
    "q50": Setting("a namespace with half of CPU 0", cap=0.5),
    "q100": Setting("a namespace with CPU 0"),
    "shared": Setting("a namespace; guest, host and clients share all CPUs", pinned=False),
    "weighed": Setting("the same beside a neighbour of the same weight that computes without end",
                       pinned=False, weighed=True),
    "q25-1g": Setting("the same with a quarter of CPU 0, and a line of 1 Gbit/s", cap=0.25,
                      line_mbps=1000),
    "vm": Setting("a VM with CPU 0", vm=True),
    "vm-1g": Setting("a VM with CPU 0, and a line of 1 Gbit/s", vm=True, line_mbps=1000),
    "vm-shared": Setting("a VM; it, host and clients share all CPUs", vm=True, pinned=False),
    "vm-2": Setting("a VM with two vCPUs; it, host and clients share all CPUs", vm=True, vcpus=2,
                    pinned=False),
}


@dataclasses.dataclass(frozen=True)
class Load:
    """A job, and what is delivered meanwhile."""
    about: str
    module: str         # that delivers it
    program: str        # that must be installed


LOADS = {
    "transcode": Load("ffmpeg makes HLS segments of a video, whose own are streamed", "hls",
                      "ffmpeg"),
    "compress": Load("pigz packs a file, which is delivered", "lighttpd", "pigz"),
}


def missing(load):
    """Why this machine cannot run a load, or None."""
    for name in (LOADS[load].program, "ffmpeg", "lighttpd", "taskset"):
        if not shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            return f"no {name} here"
    return None


class Materials:
    """Videos and files, made once and kept until the end of `with`.

    What is delivered is the same for all guests; what a job works on is such that it takes some
    seconds: native, or emulated.
    """

    _PIXELS = {False: "1280x720", True: "320x180"}
    _SECONDS = {False: 12, True: 4}
    _TEXT_BYTES = {False: 128 << 20, True: 16 << 20}
    _SEGMENT_S = 2
    _DELIVERED_BYTES = 32 << 20

    def __init__(self):
        self._folder = None

    def __enter__(self):
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="materials-", dir=wall.RUN))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._folder)

    def place(self, load, vm, root, size=None):
        """Put a load's files below root, the job's as "input"; the names of those to deliver.

        size: of the one file that is delivered instead.
        """
        if load == "transcode":
            shutil.copy(self._once(f"video-{vm}", self._video, vm), root / "input")
        else:
            shutil.copy(self._once(f"text-{vm}", write_text, self._TEXT_BYTES[vm]), root / "input")
        if load == "transcode" and not size:
            made = self._once("segments", self._segments)
        else:
            size = size or self._DELIVERED_BYTES
            made = self._once(f"bytes-{size}", self._bytes, size)
        shutil.copytree(made, root, dirs_exist_ok=True)
        return sorted(path.name for path in made.iterdir())

    def _once(self, name, make, *words):
        path = self._folder / name
        if not path.exists():
            make(path, *words)
        return path

    def _video(self, path, vm):
        """A moving test picture with noise, so that its stream is as thick as a camera's."""
        source = f"testsrc2=size={self._PIXELS[vm]}:rate=25,noise=alls=8:allf=t"
        subprocess.run([*FFMPEG, "-f", "lavfi", "-i", source, "-t", str(self._SECONDS[vm]),
                        "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-f", "mpegts",
                        path], check=True)

    def _segments(self, folder):
        folder.mkdir()
        subprocess.run([*FFMPEG, "-i", self._once("video-False", self._video, False), "-c", "copy",
                        "-f", "segment", "-segment_time", str(self._SEGMENT_S),
                        folder / "stream%02d.ts"], check=True)

    def _bytes(self, folder, size):
        folder.mkdir()
        write_text(folder / f"file-{size}", size)


def write_text(path, size):
    """Words by chance, which pack to a third or so."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9)))
             for _ in range(TEXT_WORDS)]
    with open(path, "wb") as file:
        while file.tell() < size:
            file.write(" ".join(chance.choices(words, k=TEXT_BLOCK // 8)).encode())
        file.truncate(size)


def job_words(load, site, out, threads):
    """A load's command: the input of the site, its result in out."""
    if load == "transcode":
        return [*FFMPEG, "-threads", str(threads), "-i",
                f"{site}/input", "-vf", "scale=iw/2:-2", "-c:v", "libx264", "-preset", "veryfast",
                "-threads", str(threads), "-hls_time", "2", "-hls_list_size", "0", "-f", "hls",
                f"{out}/list.m3u8"]
    return ["sh", "-c", 'pigz -c -p "$1" "$2" > "$3"', "pigz", str(threads), f"{site}/input",
            f"{out}/packed"]


class Run:
    """A job under way. Its own clock says when it began and ended, and what it left."""

    # /proc/uptime has hundredths of a second, and reading it starts no process
    SCRIPT = ('read -r began rest < /proc/uptime; mark=$1; shift; "$@"; code=$?; '
              'read -r ended rest < /proc/uptime; echo "$began $ended $code" > "$mark"')

    def __init__(self, process, mark):
        self._process, self._mark = process, mark

    def wait(self, timeout_s=JOB_WITHIN_S):
        """Its seconds; LabError if it failed."""
        wait_for(self._ended, "the job's end", timeout_s, LOOK_S)
        began, ended, code = self._mark.read_text(encoding="ascii").split()
        if code != "0":
            raise LabError(f"the job ended with {code}")
        return float(ended) - float(began)

    def _ended(self):
        if self._mark.exists() and self._mark.read_text(encoding="ascii").endswith("\n"):
            return True
        if not self._process.alive() and not self._mark.exists():
            raise LabError("the job was killed")
        return False


class _Placed:
    """For an Offload: its programs are in the cgroups of a scene."""

    scene = None

    def _start(self, node, argv, fault=None):
        place = self.scene.place(node or self.guest.node)
        return super()._start(node, [*place, *argv], fault)


class _Space(_Placed, Offload):
    """A guest that is a namespace."""


class _Vm(_Placed, OffloadVm):
    """A guest that is a VM."""


class Scene:
    """A guest in a setting, with its keeper, worker and agent; on entering."""

    def __init__(self, setting, materials):
        self.setting, self._materials = setting, materials
        self._closing = contextlib.ExitStack()
        self._numbers = itertools.count(1)
        self.offload = self.net = self.host_group = self.guest_group = self.site = None
        self.machine = None

    # -- where things run --

    @property
    def _guest_cpus(self):
        return ALL_CPUS[:self.setting.vcpus] if self.setting.pinned else ()

    @property
    def _host_cpus(self):
        return ALL_CPUS[self.setting.vcpus:] if self.setting.pinned else ALL_CPUS

    @property
    def accelerator(self):
        """As report.ACCELERATORS has it."""
        return self.machine.vm.accelerator if self.machine else "namespaces"

    def place(self, node):
        """Words before a program of a node, which may be None: inside of a VM."""
        if node is self.net.host:
            return self.host_group.launcher()
        return self._guest_place() if node and node is self.offload.guest.node else []

    def _guest_place(self):
        return [*self.guest_group.launcher(), *cgroup.on_cpus(self._guest_cpus)]

    def guest_pids(self):
        """Of the guest's programs, or of its QEMU and virtiofsd."""
        return self.guest_group.processes()

    def host_pids(self):
        """Keeper, worker, modules, servers of the host."""
        return self.host_group.processes()

    # -- making it --

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_):
        self._closing.close()

    def _make(self):
        self._closing.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, self._host_cpus)
        self.host_group = self._group("host")
        options = {"keeper": ("--uid", str(UID)), "show": False}
        if self.setting.vm:
            self.machine = self._closing.enter_context(Machine(
                share_bytes=SHARE_BYTES, memory="1G", vcpus=self.setting.vcpus,
                cpus=self._guest_cpus))
            self.net, self.guest_group = self.machine.net, self.machine.vm.cgroup
            offload = _Vm(self.machine, **options)
        else:
            self.net = self._closing.enter_context(Net.bridge_uplink(spaces=1))
            self.guest_group = self._group("guest")
            offload = _Space(self.net, self.net.guests[0], share_bytes=SHARE_BYTES, **options)
        if self.guest_group is None:
            raise LabError("this needs cgroups for CPU time")
        self.offload, offload.scene = offload, self     # it asks where its programs go
        self._closing.enter_context(offload)
        self._finish()

    def _group(self, name):
        group = cgroup.Cgroup(name)
        self._closing.callback(group.close)
        return group

    def _finish(self):
        self.offload.directory.chmod(0o755)
        self.offload.share.chmod(0o755)
        for name in {load.module for load in LOADS.values()}:
            ready.allow(self.offload, name, ready.description(name))
        self.site = Site(self.offload)
        self.guest_group.set_cpu_cap(self.setting.cap)
        if self.setting.line_mbps:
            self.net.limit_line(self.setting.line_mbps)
        if self.setting.weighed:
            self._start_neighbour()

    def _start_neighbour(self):
        group = self._group("neighbour")
        for each in (group, self.guest_group):
            each.set_cpu_weight(cgroup.WEIGHT_USUAL)
        for _ in ALL_CPUS:
            busy = subprocess.Popen([*group.launcher(), sys.executable, "-c", "while True: pass"])
            self._closing.callback(busy.wait)
            self._closing.callback(busy.kill)

    # -- what runs in it --

    def files(self, load, size=None):
        """Put a load's files into the share; {name: path} of what is delivered."""
        for path in self.site.root.iterdir():
            path.unlink()
        names = self._materials.place(load, self.setting.vm, self.site.root, size)
        for path in self.site.root.iterdir():
            path.chmod(0o644)
        return {name: self.site.root / name for name in names}

    @contextlib.contextmanager
    def delivery(self, way, load):
        """A server that is ready: (address, port, what goes before a name)."""
        if way == "module":
            name = LOADS[load].module
            ready.ask(self.offload, "start", name, "--port", str(MODULE_PORT))
            try:
                yield self.offload.guest.v4, MODULE_PORT, f"{self.site.root.name}/"
            finally:
                ready.ask(self.offload, "stop", name)
            return
        node = self.net.host if way == "host" else None
        mode = "hylics" if way == "socket" else "plain"
        server = self.site.start("lighttpd", SERVER_PORT, mode, node=node)
        try:
            yield (*server.where, "")
        finally:
            server.stop()

    def start_job(self, where, load, threads):
        """Start a load's job in the guest, or on the host with the guest's CPUs."""
        share = self.offload.share
        out = share / f"job-{next(self._numbers)}"
        out.mkdir()
        out.chmod(0o777)
        if where == "host":
            seen, prefix = str, self._guest_place()
        else:
            seen, prefix = self.offload.in_guest, []
        words = job_words(load, seen(self.site.root), seen(out), threads)
        argv = [*prefix, "sh", "-c", Run.SCRIPT, "job", seen(out / "mark"), *words]
        node = self.net.client if where == "host" else None     # any but those that are placed
        return Run(self.offload.start_program(argv, node), out / "mark")

    def clear(self):
        """Remove what jobs have left."""
        for path in self.offload.share.glob("job-*"):
            shutil.rmtree(path)
