# SPDX-License-Identifier: GPL-2.0-or-later
"""`hylics lab demo`: boot a VM, start the agent in it, exchange pings, print times."""

import time

from hylab import channel, kernel, progress, stats, wall
from hylab.vm import Spec, Vm

PINGS = 1000
SOAK = "4M"


def main():
    """Run the demo; the exit code."""
    wall.require()
    path = channel.socket_path()
    spec = Spec(name="demo", memory="512M", channel=f"serial:{path}",
                command=[channel.program("hylics-agent"), "--channel", "serial"])
    machine = Vm(spec)
    try:
        started = time.monotonic()
        with progress.step("booting a VM with this machine's root file system, read-only"):
            machine.start()
            machine.wait_ready()
            machine.spawn()
        with progress.step("waiting for the first ping of the agent in it"):
            channel.measure(f"serial:{path}", 1)
        first_ping_s = time.monotonic() - started
        with progress.step(f"{PINGS} round trips over virtio-serial"):
            idle = channel.measure(f"serial:{path}", PINGS)
        with progress.step(f"{PINGS} more while {SOAK} messages flow beside them"):
            busy = channel.measure(f"serial:{path}", PINGS, "--soak", SOAK)
        _print(machine, first_ping_s, idle, busy)
    finally:
        machine.close()
    return 0


def _row(label, rtt_us):
    cells = (min(rtt_us), stats.median(rtt_us), stats.quantile(rtt_us, 0.99), max(rtt_us))
    return f"  {label:<28}" + "".join(f"{cell:>9.0f}" for cell in cells)


def _print(machine, first_ping_s, idle, busy):
    soak = busy["soak"]
    print()
    print(f"A VM (Linux {kernel.need().version}, accelerator {machine.accelerator}) and its host "
          "talk over the channel.")
    print()
    print("  seconds from QEMU's start to")
    for stage, seconds in machine.boot_times().items():
        print(f"    {stage:<26}{seconds:9.1f}")
    print(f"    {'first pong of the agent':<26}{first_ping_s:9.1f}")
    print()
    print("  round trip, microseconds         min   median      p99      max")
    print(_row("channel idle", idle["rtt_us"]))
    print(_row(f"beside {SOAK} messages", busy["rtt_us"]))
    print(f"  those messages ran at {soak['bytes'] / soak['seconds'] / 1e6:.0f} MB/s")
    print()
    print("The channel carries control, not files: what counts is that a ping never waits behind")
    print("more than one chunk (16 KB) of a large message.")
    if machine.accelerator == "tcg":
        print("This machine has no usable KVM: the VM is emulated, and every figure is slower")
        print("than a user of KVM would see.")
