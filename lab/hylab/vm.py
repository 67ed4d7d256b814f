# SPDX-License-Identifier: GPL-2.0-or-later
"""A real VM for tests and experiments: boots the machine's own root read-only, runs commands.

    with Vm(Spec(command="uname -r")) as vm:
        result = vm.run()

QEMU's command line is made by `hylics vm qemu-args`. Everything the VM needs is gone when the
`with` block ends, also after an exception.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import time

from hylab import LabError, cgroup, hylics_program, initramfs, kernel, wall
from hylab.console import Console
from hylab.exchange import GUEST_DIRECTORY, Exchange
from hylab.qmp import Qmp
from hylab.virtiofs import Virtiofsd

APPEND = ("console=ttyS0 panic=-1 quiet mitigations=off nopti tsc=reliable no_timer_check "
          "init_on_alloc=0")
COMMAND_LINE_BYTES = 2048   # COMMAND_LINE_SIZE of x86: the kernel drops what is longer
NINEP_OPTIONS = "trans=virtio,version=9p2000.L,msize=512000,cache="
GUEST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT_TIMEOUT_S = 180
ERROR_LINES = 8
QUIET_LOOK_S = 1.0          # for what the console should have told
FILE_LOOK_S = 0.05          # for what it does not tell
STAGES = ("kernel", "init", "modules", "root", "network", "ready", "command")


@dataclasses.dataclass(frozen=True)
class Tap:
    """A tap in the node's namespace and what the guest configures on it."""
    interface: str
    mac: str = ""
    addresses: tuple = ()   # (address with prefix length, gateway or ""), IPv4 and IPv6
    # The guest's name of the interface is eth0, eth1, ... in the order of the taps.
    device: str = ""        # of a macvtap, whose queue is opened here; a tap is opened by QEMU


@dataclasses.dataclass(frozen=True)
class Share:
    """A directory of the host that the guest mounts read-write."""
    tag: str
    directory: str
    mount_point: str        # "": it has the device, and mounts nothing
    type: str = "9p"        # or virtiofs
    cache: str = "none"     # 9p: none, loose, mmap; virtiofs: none, auto, always
    socket: str = ""        # of a virtiofsd that somebody else runs; then there is no directory
    options: str = "sandbox=chroot"     # of virtiofsd; the other sandbox cannot share "/"


@dataclasses.dataclass
class Spec:
    """What a VM is to be."""
    name: str = "vm1"
    memory: str = "1G"
    vcpus: int = 1
    accel: str = "auto"
    taps: tuple = ()
    shares: tuple = ()
    disks: tuple = ()
    channel: str = ""           # serial:PATH or vsock:CID, as for `hylics vm qemu-args`
    command: object = "true"    # shell text, or a list of words
    node: object = None         # net.Node whose namespace has the taps
    cpu_cap: float = None       # CPUs for QEMU and virtiofsd together
    cpus: tuple = ()            # numbers of those that they may run on, if not all
    memory_limit: int = None    # bytes of host memory for both
    time_limit_s: float = 900   # of the whole VM, which hangs then
    env: dict = dataclasses.field(default_factory=dict)
    console_file: str = None    # keep what the console printed


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command in the guest did."""
    code: int
    stdout: str
    stderr: str


def escape(text):
    """A value for the kernel command line; init.sh undoes it with printf %b."""
    return re.sub(r"[^\w./=-]", lambda found: "".join(
        f"\\0{byte:03o}" for byte in found[0].encode()), text, flags=re.ASCII)


def guest_script(command, env):
    """The shell script of one job."""
    text = command if isinstance(command, str) else "exec " + shlex.join(map(str, command))
    settings = {"PATH": GUEST_PATH, "HOME": "/root", "TERM": "linux", "LC_ALL": "C.UTF-8", **env}
    exports = [f"export {name}={shlex.quote(str(value))}" for name, value in settings.items()]
    return "\n".join([*exports, text, ""])


def command_line(spec, modules_directory, order=False):
    """The kernel command line for a spec; with an order there are no jobs."""
    shares = spec.shares if order else (Share("hylab", "", GUEST_DIRECTORY), *spec.shares)
    groups = [*_groups(spec), *(["order"] if order else [])]
    words = [APPEND, f"hy.name={escape(spec.name)}", f"hy.load={','.join(groups)}",
             f"hy.modules={escape(str(modules_directory))}"]
    for share in (share for share in shares if share.mount_point):
        options = NINEP_OPTIONS + share.cache if share.type == "9p" else "rw"
        words.append(f"hy.share={escape(share.tag)}:{share.type}:{escape(share.mount_point)}:"
                     f"{options}")
    for number, tap in enumerate(spec.taps):
        for address, gateway in tap.addresses or (("", ""),):
            words.append(f"hy.nic=eth{number},{address},{gateway}")
    line = " ".join(words)
    if len(line) >= COMMAND_LINE_BYTES:
        raise LabError(f"VM '{spec.name}': the kernel command line would be {len(line)} bytes, "
                       f"{COMMAND_LINE_BYTES - 1} at most; use fewer shares or addresses")
    return line


def run_options(spec):
    """For `hylics vm run`, which has the rest from hylicsd: the machine's own root, read-only."""
    guest_kernel = kernel.need()
    return ["--memory", spec.memory, "--vcpus", str(spec.vcpus), "--root-9p", "/",
            "--kernel", str(guest_kernel.image), "--initrd", str(initramfs.build(guest_kernel)),
            "--append", command_line(spec, guest_kernel.modules, order=True)]


def _groups(spec):
    """The module groups of the initramfs that this VM's devices need."""
    wanted = {"net": spec.taps, "blk": spec.disks, "serial": spec.channel.startswith("serial:"),
              "vsock": spec.channel.startswith("vsock:"),
              "virtiofs": any(share.type == "virtiofs" for share in spec.shares)}
    return [group for group, needed in wanted.items() if needed]


class Vm:
    """One VM; start() and wait_ready() by hand, or by `with`."""

    def __init__(self, spec):
        self.spec = spec
        self.accelerator = None
        self.console = None
        self.cgroup = None
        self.process = None
        self.directory = None       # sockets and logs
        self._exchange = None
        self._virtiofsds = {}
        self._cleanup = contextlib.ExitStack()
        self._started = self._deadline = None
        self._first_job = None

    def __enter__(self):
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        """Start QEMU and what belongs to it; does not wait for the guest."""
        if self.spec.taps and not self.spec.node:
            raise LabError(f"VM '{self.spec.name}' has taps but no node to find them in", 2)
        guest_kernel = kernel.need()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=self.spec.name + "-", dir=wall.RUN))
        self._cleanup.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self._exchange = self._closing(Exchange(self.spec.name))
        self._make_cgroup()
        launcher = self.cgroup.launcher() if self.cgroup else []
        launcher += cgroup.on_cpus(self.spec.cpus)
        self._virtiofsds = self._start_virtiofsds(launcher)
        argv = self._qemu_argv(guest_kernel)
        if self.spec.node:
            launcher = [*self.spec.node.prefix(), *launcher]
        self._started = time.monotonic()
        self._deadline = self._started + self.spec.time_limit_s
        with self._opened_queues(argv) as queues:
            self._start_qemu([*launcher, *argv], queues)

    def _closing(self, thing):
        self._cleanup.callback(thing.close)
        return thing

    def _make_cgroup(self):
        """A group of its own; a machine without cgroups can still boot VMs that need no limit."""
        spec = self.spec
        limited = spec.cpu_cap is not None or spec.memory_limit is not None
        try:
            self.cgroup = self._closing(cgroup.Cgroup(spec.name))
        except LabError:
            if limited:
                raise
            return
        if spec.cpu_cap is not None:
            self.cgroup.set_cpu_cap(spec.cpu_cap)
        if spec.memory_limit is not None:
            self.cgroup.set_memory_limit(spec.memory_limit)

    def _start_virtiofsds(self, launcher):
        return {share.tag: self._closing(Virtiofsd(share, self._socket_of(share),
                                                   self.directory / f"virtiofsd-{share.tag}.log",
                                                   launcher))
                for share in self.spec.shares if share.type == "virtiofs" and not share.socket}

    def _socket_of(self, share):
        return share.socket or self.directory / f"virtiofs-{share.tag}.sock"

    def _qemu_argv(self, guest_kernel):
        spec = self.spec
        initrd = initramfs.build(guest_kernel)
        words = ["vm", "qemu-args", "--json", "--name", spec.name, "--memory", spec.memory,
                 "--vcpus", str(spec.vcpus), "--accel", spec.accel, "--root-9p", "/",
                 "--kernel", str(guest_kernel.image), "--initrd", str(initrd),
                 "--append", command_line(spec, guest_kernel.modules), "--console", "stdio",
                 "--qmp", str(self.directory / "qmp.sock"),
                 "--share-9p", f"hylab={self._exchange.directory}"]
        if spec.channel:
            words += ["--channel", spec.channel]
        for tap in spec.taps:
            words += ["--tap", tap.interface + (f",mac={tap.mac}" if tap.mac else "")]
        for share in spec.shares:
            target = self._socket_of(share) if share.type == "virtiofs" else share.directory
            words += [f"--share-{share.type}", f"{share.tag}={target}"]
        for disk in spec.disks:
            words += ["--disk", str(disk)]
        done = subprocess.run([hylics_program(), *words], capture_output=True, text=True,
                              timeout=30, check=False)
        if done.returncode:
            raise LabError(f"VM '{spec.name}': no QEMU command line: {done.stderr.strip()}")
        answer = json.loads(done.stdout)
        self.accelerator = answer["accelerator"]
        return answer["argv"]

    @contextlib.contextmanager
    def _opened_queues(self, argv):
        """Put the queues of macvtaps into QEMU's command line; their descriptors, open."""
        with contextlib.ExitStack() as stack:
            queues = []
            for number, tap in enumerate(self.spec.taps):
                if not tap.device:
                    continue
                queues.append(os.open(tap.device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
                stack.callback(os.close, queues[-1])
                netdev = f"tap,id=net{number},"
                at = next(i for i, word in enumerate(argv) if word.startswith(netdev))
                argv[at] = f"{netdev}fd={queues[-1]},vhost=off"
            yield queues

    def _start_qemu(self, argv, queues):
        with open(self.directory / "qemu.log", "wb") as errors:
            try:
                self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, bufsize=0,
                                                stdout=subprocess.PIPE, stderr=errors,
                                                pass_fds=queues)
            except FileNotFoundError as error:
                raise LabError(f"'{argv[0]}' is not installed") from error
        self.console = self._closing(Console(self.process.stdout, self.spec.console_file))
        self._cleanup.callback(self._end_qemu)

    def _end_qemu(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def kill(self):
        """End QEMU at once; who waits for something of the VM's is told."""
        self.process.kill()

    def close(self):
        """Kill QEMU, virtiofsd and whatever is left in the group; remove all directories."""
        self._cleanup.close()

    def wait_ready(self, timeout_s=BOOT_TIMEOUT_S):
        """Wait until the guest takes commands."""
        self._wait("the guest to boot", lambda: self._exchange.ready, timeout_s)
        if self.console.failures:
            raise LabError(f"VM '{self.spec.name}': its init could not: "
                           + "; ".join(self.console.failures))

    def spawn(self, command=None, env=None):
        """Start a command in the guest (the spec's by default); its job number."""
        chosen = self.spec.command if command is None else command
        job = self._exchange.new_job(guest_script(chosen, {**self.spec.env, **(env or {})}))
        self._first_job = self._first_job or job
        self._order(f"run {job}")
        return job

    def wait(self, job, timeout_s=None):
        """Wait for a job; its Result."""
        self._wait(f"job {job}", lambda: self._exchange.exit_code(job) is not None, timeout_s)
        return Result(self._exchange.exit_code(job), self._exchange.output(job, "stdout"),
                      self._exchange.output(job, "stderr"))

    def run(self, command=None, timeout_s=None, env=None):
        """spawn() and wait()."""
        return self.wait(self.spawn(command, env), timeout_s)

    @property
    def exchange_directory(self):
        """The host's side of the guest's /run/hylab; job N's files are in its directory N."""
        return self._exchange.directory

    def exit_code(self, job):
        """A job's exit code, None while it runs."""
        return self._exchange.exit_code(job)

    def output(self, job, stream="stdout"):
        """What a job that may still run has written so far."""
        return self._exchange.output(job, stream)

    def wait_event(self, text=None, file=None, timeout_s=None):
        """Wait for a text on the console, or a file the guest makes in its /run/hylab."""
        if text is not None:
            self._wait(f"'{text}' on the console", lambda: text in self.console.text, timeout_s)
        if file is not None:
            path = self._exchange.directory / file
            self._wait(f"file '{file}'", path.exists, timeout_s, FILE_LOOK_S)

    def shutdown(self, timeout_s=30):
        """Let the guest write its disks back and power off; then QEMU has ended."""
        self._order("off")
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise self._error(f"did not power off within {timeout_s} s") from None

    def boot_times(self):
        """Seconds from QEMU's start to each stage that was reached, in order."""
        marks = {name: seen - self._started for name, (seen, _) in self.console.marks.items()}
        if "init" in marks:
            marks["kernel"] = marks["init"] - self.console.marks["init"][1]
        if f"job-{self._first_job}" in marks:
            marks["command"] = marks[f"job-{self._first_job}"]
        return {stage: round(marks[stage], 3) for stage in STAGES if stage in marks}

    def pids(self):
        """{"qemu": pid, "virtiofsd-TAG": pid, ...} for sampling; the C virtiofsd forks no child."""
        daemons = {f"virtiofsd-{tag}": daemon.pid for tag, daemon in self._virtiofsds.items()}
        return {"qemu": self.process.pid, **daemons}

    def qmp(self):
        """A monitor connection, as a context manager."""
        return contextlib.closing(Qmp(self.directory / "qmp.sock"))

    def status(self):
        """QEMU's word for the VM's state: running, paused, ..."""
        with self.qmp() as qmp:
            return qmp.execute("query-status")["status"]

    def pause(self):
        """Stop the vCPUs."""
        with self.qmp() as qmp:
            qmp.execute("stop")

    def resume(self):
        """Let the vCPUs go on."""
        with self.qmp() as qmp:
            qmp.execute("cont")

    def vcpu_threads(self):
        """Thread ids of the vCPUs, in order."""
        with self.qmp() as qmp:
            return [cpu["thread-id"] for cpu in qmp.execute("query-cpus-fast")]

    def _order(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise self._error("QEMU has ended") from None

    def _wait(self, what, happened, timeout_s, look_every_s=QUIET_LOOK_S):
        now = time.monotonic()
        deadline = min(self._deadline, now + timeout_s if timeout_s else self._deadline)
        if self.console.wait(happened, deadline, look_every_s) or happened():
            return
        if time.monotonic() < deadline:
            raise self._error(f"QEMU ended while waiting for {what}")
        why = " (the VM's time limit)" if deadline == self._deadline else ""
        raise self._error(f"waited {deadline - now:.1f} s for {what}{why}")

    def _error(self, message):
        texts = {log.stem: log.read_text(errors="replace")
                 for log in sorted(self.directory.glob("*.log"))}
        texts["console"] = self.console.text
        detail = "".join(f"\n  {origin}: {line}" for origin, text in texts.items()
                         for line in text.strip().splitlines()[-ERROR_LINES:])
        return LabError(f"VM '{self.spec.name}': {message}{detail}")


@contextlib.contextmanager
def together(specs):
    """Boot several VMs at once; the list of them, all ready."""
    with contextlib.ExitStack() as stack:
        vms = []
        for spec in specs:
            vms.append(Vm(spec))
            stack.callback(vms[-1].close)
            vms[-1].start()
        for vm in vms:
            vm.wait_ready()
        yield vms
