# SPDX-License-Identifier: GPL-2.0-or-later
"""The channel into a real VM: virtio-serial from the host, vsock inside the guest. One boot."""

import contextlib
import json
import signal
import socket

import pytest

from hylab import channel, wall
from hylab.vm import Spec, Vm

GUEST_RUN = "/run/hylics"
BUSYBOX = "/run/busybox"    # the lab's init leaves it there: a minimal host has no killall
# The worker speaks first and often, so that an agent told to die in a frame gets to write one.
EAGER = ("--keepalive", "50ms", "--dead", "20s")


class Guest:
    """The VM of this module and the address of its channel."""

    def __init__(self, vm, path):
        self.vm = vm
        self.path = str(path)
        self.address = f"serial:{path}"

    @contextlib.contextmanager
    def agent(self, fault=None):
        """An agent in the guest, ended when the block ends; the number of its job."""
        job = self.vm.spawn([channel.program("hylics-agent"), "--run-dir", GUEST_RUN],
                            env={"HYLICS_FAULT": fault} if fault else None)
        try:
            yield job
        finally:
            # it may have ended by itself; a socket of a killed one is replaced by the next
            self.run(f"{BUSYBOX} killall hylics-agent 2>/dev/null; true")
            self.vm.wait(job, 60)

    def run(self, command):
        """Run a command in the guest that has to succeed; its output."""
        result = self.vm.run(command, timeout_s=120)
        assert result.code == 0, result.stderr
        return result.stdout

    def status(self):
        """What the agent in the guest says of itself."""
        return json.loads(self.run(f"{channel.program('hylics-guest')} status --json "
                                   f"--run-dir {GUEST_RUN}"))


@pytest.fixture(name="guest", scope="module")
def _guest():
    wall.require()
    path = channel.socket_path()
    with Vm(Spec(name="chan", memory="512M", channel=f"serial:{path}")) as vm:
        yield Guest(vm, path)


def test_pings_over_virtio_serial(guest):
    with guest.agent():
        report = channel.measure(guest.address, 200)
        again = channel.measure(guest.address, 200, "--soak", "4M")
        said = guest.status()
    assert report["transport"] == "serial"
    assert report["lost"] == again["lost"] == 0
    assert len(again["rtt_us"]) == 200
    assert said["faults"] == 0
    assert said["sessions"] == 2


def test_worker_killed_in_half_a_frame_leaves_nothing_the_agent_minds(guest):
    with guest.agent():
        with channel.worker(guest.address, *EAGER, fault="chan.half-frame:kill:3") as worker:
            assert worker.wait_end() == -signal.SIGKILL
        assert channel.measure(guest.address, 50)["lost"] == 0
        assert guest.status()["faults"] == 0


def test_agent_killed_in_half_a_frame_is_replaced_while_the_worker_stays(guest):
    with channel.worker(guest.address, *EAGER) as worker:
        with guest.agent(fault="chan.half-frame:kill:4"):
            worker.wait_line(channel.UP)
            worker.wait_line("the peer started anew")    # its holder has started the successor
            worker.wait_line(channel.UP)


def test_malformed_frame_from_the_host_is_counted_and_the_agent_comes_back(guest):
    with guest.agent():
        with socket.socket(socket.AF_UNIX) as hostile:
            hostile.connect(guest.path)
            hostile.sendall(b"\xf1hylics-resync\n\xf2" + bytes(range(256)))
            # the agent greets, and says goodbye when it has read this
            while b"malformed frame" not in hostile.recv(65536):
                pass
        assert channel.measure(guest.address, 50)["lost"] == 0
        assert guest.status()["faults"] == 1


def test_malformed_frame_from_the_guest_closes_the_channel_and_the_worker_comes_back(guest):
    with channel.worker(guest.address) as worker:
        with guest.agent():
            worker.wait_line(channel.UP)
        guest.run(r"{ printf '\361hylics-resync\n\362'; head -c 4096 /dev/zero; } "
                  "> /dev/virtio-ports/io.hylics.agent.0")
        assert "fault 1 of this peer" in worker.wait_line("malformed frame")
        with guest.agent():
            worker.wait_line(channel.UP)


@pytest.fixture(name="vsock")
def _vsock(guest):
    """This machine has no vhost-vsock; the guest's kernel has the loopback transport."""
    guest.run("modprobe vsock_loopback")
    return guest


def test_a_program_that_is_not_roots_cannot_pass_for_the_agent_on_vsock(vsock):
    out = vsock.run(f"{channel.program('hylics-worker')} --channel vsock:1 2>/run/worker & "
                    f"setpriv --reuid 65534 --clear-groups {channel.program('hylics-agent')} "
                    "--channel vsock:1 --run-dir /tmp/other 2>/run/agent & "
                    "until grep -q 'Permission denied' /run/agent; do sleep 0.05; done; "
                    f"{BUSYBOX} killall hylics-worker hylics-agent; wait; "
                    "cat /run/agent /run/worker")
    assert "is this root?" in out
    assert channel.UP not in out


def test_vsock_inside_the_guest(vsock):
    guest = vsock
    out = guest.run(f"{channel.program('hylics-agent')} --channel vsock:1 --run-dir /run/vsock & "
                    f"{channel.program('hylics-worker')} --channel vsock:1 --ping 50 --soak 1M "
                    "--timeout 60s; code=$?; kill $!; wait; exit $code")
    report = json.loads(out)
    assert report["transport"] == "vsock"
    assert len(report["rtt_us"]) == 50
