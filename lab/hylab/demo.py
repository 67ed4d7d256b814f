# SPDX-License-Identifier: GPL-2.0-or-later
"""`hylics lab demo`: a VM that transcodes while it streams, and packs while it delivers.

Each job alone, then beside the VM's own lighttpd, then with Hylics: streams by a module, downloads
by connections that are moved to the host. hylicsd, keeper, worker, agent, modules and job marks are
used as an operator and a guest's root would use them; the clients are on a line of 1 Gbit/s.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import random
import shlex
import tempfile
import time

from hylab import BUILD, LabError, channel, demo_page, kernel, progress, ready, wall
from hylab.audience import Audience
from hylab.demo_page import EVERY_S, TAIL_S
from hylab.hylicsd import Hylicsd
from hylab.net import Net
from hylab.offload_vm import Job
from hylab.sample import Sampler
from hylab.servers import Site
from hylab.vm import Share, Spec, Vm
from hylab.wait import wait_for

NAME = "web1"
SHARE, MOUNT = "256M", pathlib.Path("/hylics")
LINE_MBPS = 1000
CLIENTS = 4
ROUNDS = 2
JOB_WITHIN_S, PATIENCE_S, LOOK_S = 300, 120, 0.02
MODULE, MODULE_PORT = "hls", 8000
PORTS = {"plain": 8080, "hylics": 8081}
VIDEO = ("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=size=480x270:rate=25,noise=alls=8:allf=t"
         " -t 6 -c:v libx264 -preset ultrafast -g 25 -f segment -segment_time 2 stream%02d.ts")
ARCHIVE = "find /usr/bin -type f -size +100k | head -n 60 | xargs cat | head -c 12M > archive"
LABELS = dict(demo_page.COLUMNS)
ARMS = tuple(LABELS)


@dataclasses.dataclass(frozen=True)
class Duty:
    """A job, and what is delivered meanwhile."""
    name: str
    title: str
    job: str            # in the site's folder
    files: str          # what clients ask for
    hylics: str         # how Hylics delivers it


DUTIES = (
    Duty("transcode", "transcode and stream",
         "ffmpeg -v error -nostdin -y -i stream00.ts -vf scale=iw/2:-2 -c:v libx264"
         " -preset veryfast -f hls -hls_time 1 ../list.m3u8", "stream*.ts",
         "module hls: a lighttpd on the host, at the VM's address"),
    Duty("pack", "pack and deliver", "sh -c 'pigz -c archive > ../packed'", "archive",
         "hylics-guest run lighttpd: connections moved to the host"),
)


@dataclasses.dataclass
class Found:
    """What one run of a duty came to."""
    job_s: float
    rates_mbps: tuple = ()      # each half second of the job
    mean_mbps: float = None
    vm_cpu_s_per_gb: float = None       # behind the job's end
    vm_switches_per_gb: float = None    # likewise


def main(argv):
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="hylics lab demo")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=pathlib.Path, default=BUILD / "lab/demo")
    options = parser.parse_args(argv)
    wall.require()
    with contextlib.ExitStack() as closing:
        demo = _Demo(closing)
        found = demo.run(options.rounds)
        facts = demo.facts(options.rounds)
    print(demo_page.text(DUTIES, found, facts))
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"With pictures: {demo_page.write(options.out, DUTIES, found, facts)}")
    return 0


class _Demo:
    """The machines of the demo, and how they are asked."""

    environment = {}        # of servers: what servers.Site asks of an offload

    def __init__(self, closing):
        self._closing = closing
        self.net = closing.enter_context(Net.bridge_uplink(vms=1))
        self.guest = self.net.guests[0]
        self.net.limit_line(LINE_MBPS)
        self._daemon = self._start_daemon()
        self._machine = self._site = None
        self.share = self.directory = None

    def run(self, rounds):
        """All steps: {(duty's name, arm): [Found, one for each round]}."""
        self._add()
        self._boot()
        self._make_files()
        self._start_servers()
        found, count = {}, itertools.count(1)
        for number in range(rounds):
            for duty in DUTIES:
                order = list(ARMS)
                random.Random(f"{duty.name} {number}").shuffle(order)
                for arm in order:
                    what = (f"{next(count)} of {rounds * len(DUTIES) * len(ARMS)}, {duty.title}: "
                            + LABELS[arm])
                    found.setdefault((duty.name, arm), []).append(self._one(what, duty, arm))
        return found

    def facts(self, rounds):
        """What stands beside the figures."""
        return {"accelerator": self._machine.accelerator, "kernel": kernel.need().version,
                "line_mbps": LINE_MBPS, "clients": CLIENTS, "rounds": rounds,
                "cpus": len(os.sched_getaffinity(0)),
                "moved": self._daemon.worker_counts(NAME).get("moved", 0)}

    # -- the machines --

    def _start_daemon(self):
        errors = self._closing.enter_context(tempfile.TemporaryFile())
        daemon = Hylicsd(node=self.net.host, where=wall.RUN)
        self._closing.callback(daemon.close)
        daemon.errors = errors
        (daemon.modules / f"{MODULE}.conf").write_text(ready.description(MODULE), encoding="utf-8")
        return daemon.start()

    def _add(self):
        tap = self.guest.tap
        with progress.step(f"hylics vm add {NAME} --share {SHARE}, and module {MODULE}"):
            self._daemon.ask("vm", "add", NAME, "--share", SHARE, "--tap",
                             f"{tap.interface},{tap.mac}")
            self._daemon.ask("vm", "set", NAME, f"module={MODULE}")
        self.share = pathlib.Path(self._daemon.vm(NAME)["share"])
        self.directory = self._daemon.top

    def _boot(self):
        record = self._daemon.vm(NAME)
        # the agent mounts it
        share = Share("hylics", "", "", "virtiofs", socket=record["virtiofs"])
        self._machine = Vm(Spec(
            name=NAME, memory="512M", node=self.net.host, taps=(self.guest.tap,),
            channel=f"serial:{record['channel']}", shares=(share,), time_limit_s=3600))
        self._closing.callback(self._machine.close)
        with progress.step("booting a VM with this machine's root file system, read-only"):
            self._machine.start()
            self._machine.wait_ready()
        with progress.step("waiting for the agent in it, and its channel"):
            self.start_program([channel.program("hylics-agent"), "--channel", "serial", "--share",
                                str(MOUNT)])
            wait_for(lambda: self._status() == "up", "the channel is up", PATIENCE_S, LOOK_S)

    def _status(self):
        done = self._machine.run([channel.program("hylics-guest"), "status", "--json"], PATIENCE_S)
        return json.loads(done.stdout)["channel"] if done.code == 0 else ""

    # -- what a Site asks --

    def in_guest(self, path):
        """Where the guest sees a path of the share."""
        return MOUNT / pathlib.Path(path).relative_to(self.share)

    def start_program(self, argv, _node=None):
        """A program in the VM."""
        return self._closing.enter_context(Job(self._machine, argv))

    def run_in_guest(self, argv):
        """A command in the VM, which must be done well."""
        done = self._machine.run(argv, JOB_WITHIN_S)
        if done.code:
            raise LabError(f"in the VM '{argv}' failed: {done.stderr.strip()}")
        return done

    # -- files and servers --

    def _make_files(self):
        self._site = Site(self)
        place = shlex.quote(str(self.in_guest(self._site.root)))
        with progress.step("ffmpeg makes a video in the VM"):
            self.run_in_guest(f"cd {place} && {VIDEO}")
        with progress.step("an archive of programs is put together there"):
            self.run_in_guest(f"cd {place} && {ARCHIVE}")

    def _start_servers(self):
        with progress.step("lighttpd starts in the VM, plain and under hylics-guest run"):
            for mode, port in PORTS.items():
                self._site.start("lighttpd", port, mode, within_s=PATIENCE_S)
        with progress.step(f"hylics-guest module start {MODULE}: one starts on the host"):
            self.run_in_guest([channel.program("hylics-guest"), "module", "start", MODULE, "--port",
                               str(MODULE_PORT)])

    # -- one run --

    def _one(self, what, duty, arm):
        with contextlib.ExitStack() as stack:
            audience = None
            if arm != "alone":
                audience = stack.enter_context(self._clients(duty, arm))
            with progress.step(what, _rate_of(audience)):
                began, ended = self._job(duty)
                found = Found(job_s=round(ended - began, 3))
                tail = self._tail() if audience else None
            heard = audience.end() if audience else None
        return _with_rates(found, heard, began, ended, tail) if heard else found

    def _clients(self, duty, arm):
        module = arm == "hylics" and duty.name == "transcode"
        port = MODULE_PORT if module else PORTS[arm]
        files = {path.name: path for path in sorted(self._site.root.glob(duty.files))}
        return Audience(self.net.client, self.guest.v4, port, files, CLIENTS,
                        f"{self._site.root.name}/" if module else "")

    def _job(self, duty):
        """Run it, marked: when it began and ended, by what the host was told."""
        before = self._jobs()["finished"]
        place = shlex.quote(str(self.in_guest(self._site.root)))
        self.run_in_guest(f"cd {place} && {channel.program('hylics-guest')} job --name {duty.name}"
                          f" -- {duty.job}")
        wait_for(lambda: self._jobs()["finished"] > before, "the host has heard of the job",
                 PATIENCE_S, LOOK_S)
        last = next(job for job in reversed(self._jobs()["last"]) if job["name"] == duty.name)
        if last["state"] != "exited" or last["code"]:
            raise LabError(f"job {duty.name}: {last}")
        # the host's clock tells the time of day, the clients' the time since it was started
        offset = time.time() - time.monotonic()
        return last["begun_ms"] / 1e3 - offset, last["ended_ms"] / 1e3 - offset

    def _jobs(self):
        agent = self._daemon.vm(NAME).get("agent", {})
        return agent.get("jobs") or {"finished": 0, "last": []}

    def _tail(self):
        """The clients go on for a while: (began, ended, what the VM used)."""
        began = time.monotonic()
        with Sampler([self._machine.pids()["qemu"]]) as sampler:
            time.sleep(TAIL_S)
        return began, time.monotonic(), sampler.sample.total


def _rate_of(audience):
    """For progress: how fast it goes just now."""
    if not audience:
        return None
    last = [time.monotonic(), audience.bytes()]

    def tell():
        now, got = time.monotonic(), audience.bytes()
        rate = (got - last[1]) * 8 / max(now - last[0], 1e-3) / 1e6
        last[:] = [now, got]
        return f"{rate:.0f} Mbit/s"
    return tell


def _with_rates(found, heard, began, ended, tail):
    tail_began, tail_ended, used = tail
    gigabytes = heard.gigabytes(tail_began, tail_ended)
    return dataclasses.replace(
        found, rates_mbps=tuple(heard.rates_mbps(began, ended, EVERY_S)),
        mean_mbps=heard.rate_mbps(began, ended), vm_cpu_s_per_gb=used.cpu_s / gigabytes,
        vm_switches_per_gb=used.switches / gigabytes)
