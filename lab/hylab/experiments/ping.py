# SPDX-License-Identifier: GPL-2.0-or-later
"""ping - how long a message takes from host to guest and back over the channel, by transport."""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time

from hylab import LabError, kernel, wall
from hylab.channel import program
from hylab.experiment import Arm, Experiment, Metric
from hylab.net import Net
from hylab.vm import Spec, Vm

VHOST_VSOCK = pathlib.Path("/dev/vhost-vsock")
PINGS, QUICK_PINGS = 10000, 3000
PING_BYTES = 64
SOAK_BYTES = 4 << 20
FIRST_PING_LIMIT_S = 150    # an emulated VM boots in 2 to 6 s, on a busy machine much later
LISTENS_WITHIN_S = 20
LOOK_S = 0.002
ERROR_LINES = 6


@dataclasses.dataclass
class Guest:
    """A guest that runs the agent."""
    channel: str                # as the worker names it
    stderr_of_agent: object     # () -> text
    accelerator: str = "namespaces"
    boot_to_first_ping_s: float = None


def worker(channel, pings, limit_s, soak_bytes=0):
    """The worker's command line for a measurement."""
    words = [program("hylics-worker"), "--channel", channel, "--ping", str(pings),
             "--ping-bytes", str(PING_BYTES), "--timeout", f"{max(1, int(limit_s))}s", "--json",
             "--log-level", "warning"]
    return words + (["--soak", str(soak_bytes)] if soak_bytes else [])


def tail(text):
    """The last lines of what a program said, to go into an error."""
    return "; ".join(text.strip().splitlines()[-ERROR_LINES:]) or "nothing"


def finish(process, guest, limit_s):
    """Wait for a worker; what it measured. LabError with both sides' last words if it failed."""
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise LabError(f"worker on {guest.channel} did not end within {limit_s:.0f} s; the agent "
                       f"said: {tail(guest.stderr_of_agent())}") from None
    if process.returncode:
        raise LabError(f"worker on {guest.channel} ended with {process.returncode}: {tail(stderr)}"
                       f"; the agent said: {tail(guest.stderr_of_agent())}")
    return json.loads(stdout)


@contextlib.contextmanager
def started(words, **options):
    """A program that is certainly gone at the end."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def samples(measured):
    """The worker's JSON as metrics."""
    found = {"rtt_us": measured["rtt_us"], "hello_ms": [measured["hello_ms"]]}
    soak = measured.get("soak")
    if soak and soak["seconds"] > 0:
        found["soak_mbps"] = [round(soak["bytes"] * 8 / soak["seconds"] / 1e6, 3)]
    return found


def await_socket(path, process):
    """Wait until the worker listens."""
    deadline = time.monotonic() + LISTENS_WITHIN_S
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"worker does not listen on {path}: exit code {process.returncode}")
        time.sleep(LOOK_S)


def ping_namespace(ctx, pings):
    """One measurement with the agent in a namespace: the worker listens, then the agent starts."""
    limit_s = ctx.time_left_s()
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net.routed_tap(spaces=1))
        folder = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="ping-", dir=wall.RUN)))
        path, log = folder / "channel.sock", folder / "agent.log"
        guest = Guest(f"unix:{path}", log.read_text)
        process = stack.enter_context(started(worker(guest.channel, pings, limit_s)))
        await_socket(path, process)
        with open(log, "wb") as errors:
            net.guests[0].node.popen([program("hylics-agent"), "--channel", f"unix:{path}",
                                      "--run-dir", folder, "--log-level", "warning"],
                                     stdout=errors, stderr=errors)
        return finish(process, guest, limit_s)


@contextlib.contextmanager
def vm_guest(ctx, channel, agent_channel):
    """A VM whose agent has answered its first ping."""
    limit_s = min(ctx.time_left_s(), FIRST_PING_LIMIT_S)
    spec = Spec(name="ping", memory="512M", channel=channel, time_limit_s=ctx.time_left_s())
    with contextlib.closing(Vm(spec)) as vm:
        vm.start()
        with started(worker(channel, 1, limit_s)) as process:
            vm.wait_ready(timeout_s=limit_s)
            job = vm.spawn([program("hylics-agent"), "--channel", agent_channel,
                            "--log-level", "warning"])
            guest = Guest(channel, lambda: vm.output(job, "stderr"), vm.accelerator)
            finish(process, guest, limit_s)
            guest.boot_to_first_ping_s = round(time.monotonic() - qemu_started(vm), 3)
        ctx.note(f"guest kernel {kernel.need().version}")
        yield guest


@contextlib.contextmanager
def serial_guest(ctx):
    """vm_guest() with a virtio-serial port."""
    with tempfile.TemporaryDirectory(prefix="ping-", dir=wall.RUN) as folder:
        with vm_guest(ctx, f"serial:{folder}/channel.sock", "serial") as guest:
            yield guest


def vsock_guest(ctx):
    """vm_guest() with vsock; a CID belongs to the whole machine, so it is drawn from many."""
    cid = random.SystemRandom().randrange(1 << 16, 1 << 31)
    return vm_guest(ctx, f"vsock:{cid}", "vsock")


def qemu_started(vm):
    """The monotonic time at which QEMU was started."""
    return vm.console.marks["ready"][0] - vm.boot_times()["ready"]


class Ping(Experiment):
    """See the module."""
    name = "ping"
    summary = "round trip of a 64-byte message over the channel, by transport"
    takes = "2 min, quick half a minute"
    arms = (
        Arm("unix", "agent in a namespace of its own, unix socket",
            {"transport": "unix"}),
        Arm("serial", "agent in a VM, virtio-serial port", {"transport": "virtio-serial"},
            group="serial-vm"),
        Arm("serial-soak", "the same VM, while 4 MB messages stream to the guest one after another",
            {"transport": "virtio-serial", "soak_bytes": SOAK_BYTES}, group="serial-vm"),
        Arm("vsock", "agent in a VM, vsock", {"transport": "vsock"}),
    )
    metrics = (
        Metric("rtt_us", "Round trip", better="lower", picture="cdf"),
        Metric("hello_ms", "Worker's start to agreed hello", better="lower", picture="dots"),
        Metric("boot_to_first_ping_s", "QEMU's start to the agent's first answer", better="lower",
               picture="dots", compare=False),
        Metric("soak_mbps", "Bulk data taken by the guest beside the pings", better="higher",
               compare=False),
    )
    baseline = "unix"
    repeats, quick_repeats = 10, 3
    reading = (
        f"One ping of {PING_BYTES} bytes at a time, timed in the worker from before it queues the"
        " ping to after it read the answer: channel, transport and both event loops are in it.",
        "unix starts the agent once the worker listens, so its hello holds the agent's start;"
        " serial and vsock find an agent that has answered before.",
        "Both serial arms of a repeat share one VM; its boot is counted once, with serial."
        " Fetching the kernel and making the initramfs are not in it.",
        "unix runs natively and is a floor for the programs, not a transport any VM can have: its"
        " ratio to the others is mostly that of a process to an emulated machine.",
    )

    def skip(self, arm):
        """vsock needs a host kernel that has the vhost side of it."""
        if arm.name == "vsock" and not os.access(VHOST_VSOCK, os.R_OK | os.W_OK):
            return f"this machine has no {VHOST_VSOCK}"
        return None

    def group(self, ctx, group, _repeat):
        """A VM for the arms that need one."""
        makers = {"serial-vm": serial_guest, "vsock": vsock_guest}
        return makers[group](ctx) if group in makers else contextlib.nullcontext()

    def run_arm(self, ctx, arm, repeat):
        """One worker, all its pings."""
        pings = QUICK_PINGS if ctx.quick else PINGS
        if arm.name == "unix":
            return samples(ping_namespace(ctx, pings))
        guest, limit_s = ctx.shared, ctx.time_left_s()
        ctx.ran_on(arm, guest.accelerator)
        with started(worker(guest.channel, pings, limit_s, arm.params.get("soak_bytes", 0))) as run:
            found = samples(finish(run, guest, limit_s))
        if arm.name != "serial-soak":
            found["boot_to_first_ping_s"] = [guest.boot_to_first_ping_s]
        return found


EXPERIMENT = Ping()
