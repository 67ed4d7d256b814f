# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent in a real VM that mounts nothing by itself: the share, and what the host is told."""

import contextlib
import json
import os
import pathlib
import signal
import tempfile

import pytest
from hylab.hylicsd import running
from moving import children, wait_for

from hylab import channel, wall
from hylab.vm import Share, Spec, Vm

MB = 1 << 20
NAME = "web1"
PATIENCE_S = 60
AGENT = channel.program("hylics-agent")
STATUS = f"{channel.program('hylics-guest')} status"
KILLALL = "/run/busybox killall"
OPTIONS = "nosuid,nodev"


@pytest.fixture(name="host", scope="module")
def _host():
    wall.require()
    with running(NAME, "--share", "64M") as host:
        yield host


class Guest:
    """A VM with the share's device and nothing mounted."""

    def __init__(self, vm):
        self.vm = vm

    def run(self, command):
        """A command that has to succeed; its output."""
        result = self.vm.run(command, timeout_s=PATIENCE_S)
        assert result.code == 0, result.stderr
        return result.stdout

    @contextlib.contextmanager
    def agent(self, *options):
        """An agent, ended with the block; the number of its job."""
        job = self.vm.spawn([AGENT, "--log-level=debug", *options])
        try:
            yield job
        finally:
            self.run(f"{KILLALL} hylics-agent 2>/dev/null; true")
            self.vm.wait(job, PATIENCE_S)

    def log(self, job):
        """What an agent has said."""
        return self.vm.output(job, "stderr")

    def wait_log(self, job, text, times=1):
        """Until it says it."""
        wait_for(lambda: self.log(job).count(text) >= times, f"the agent says '{text}'",
                 PATIENCE_S)

    def status(self, *options):
        """What hylics-guest tells."""
        return json.loads(self.run(" ".join([STATUS, "--json", *options])))

    def mounts(self, where="/hylics"):
        """Lines of the mount table for a place."""
        return [line for line in self.run("cat /proc/mounts").splitlines()
                if line.split()[1] == where]


@pytest.fixture(name="guest", scope="module")
def _guest(host):
    vm = host.vm(NAME)
    with tempfile.TemporaryDirectory(dir=wall.RUN) as directory:
        shares = (Share("hylics", "", "", type="virtiofs", socket=vm["virtiofs"]),
                  Share("elsewhere", directory, ""))
        spec = Spec(name=NAME, memory="512M", shares=shares, channel=f"serial:{vm['channel']}")
        with Vm(spec) as booted:
            yield Guest(booted)


@pytest.fixture(name="unmounted")
def _unmounted(guest):
    """Nothing is mounted, nothing lies in the way."""
    guest.run("umount /hylics 2>/dev/null; rm -rf /hylics")
    return guest


def shown(host):
    """What the API tells of the agent."""
    return host.vm(NAME)["agent"]


def test_the_share_is_mounted_at_the_start_and_outlives_agent_and_holder(host, unmounted):
    guest = unmounted
    with guest.agent() as job:
        guest.wait_log(job, "is mounted at '/hylics'")
        assert len(guest.mounts()) == 1
        assert OPTIONS in guest.mounts()[0] and " virtiofs " in guest.mounts()[0]
        guest.run("echo up > /hylics/file")
        assert (pathlib.Path(host.vm(NAME)["share"]) / "file").read_text() == "up\n"
        guest.run(f"{KILLALL} -9 hylics-agent")
    assert guest.run("cat /hylics/file") == "up\n"
    with guest.agent() as job:
        guest.wait_log(job, "channel up")
        status = guest.status()
        assert status["share"] == {"state": "virtiofs", "path": "/hylics", "bytes": 64 * MB,
                                   "free": status["share"]["free"]}
        assert 63 * MB < status["share"]["free"] <= 64 * MB and status["offload"] == "on"
        text = guest.run(STATUS)
        assert "virtiofs at /hylics, 64.0 MB, " in text and "offload      on" in text
        assert "is mounted" not in guest.log(job) and len(guest.mounts()) == 1
    guest.run("rm /hylics/file")


def test_a_share_that_goes_comes_again_and_the_host_is_told(host, unmounted):
    guest = unmounted
    with guest.agent() as job:
        guest.wait_log(job, "is mounted at")
        guest.wait_log(job, "channel up")
        wait_for(lambda: (shown(host) or {}).get("share") == "virtiofs", "the host is told")
        guest.run("umount -l /hylics")
        guest.wait_log(job, "is mounted at", 2)
        assert len(guest.mounts()) == 1
        guest.run("echo again > /hylics/file && rm /hylics/file")
        # the device goes for good, and comes again: nothing but its event tells of that
        place = "/sys/bus/virtio/drivers/virtiofs"
        device = guest.run(f"cd {place}; echo virtio*").strip()
        guest.run(f"umount -l /hylics; echo {device} > {place}/unbind; umount -l /hylics; true")
        wait_for(lambda: shown(host)["share"] != "virtiofs", "the host is told that it is gone",
                 PATIENCE_S)
        guest.run(f"echo {device} > {place}/bind")
        guest.wait_log(job, "is mounted at", 3)
        wait_for(lambda: shown(host)["share"] == "virtiofs", "and that it is back", PATIENCE_S)


def test_the_host_shows_what_the_guest_tells(host, unmounted):
    guest = unmounted
    with guest.agent() as job:
        guest.wait_log(job, "channel up")
        wait_for(lambda: (shown(host) or {}).get("share") == "virtiofs", "the host is told")
        agent = shown(host)
        assert agent["kernel"] == guest.run("uname -r").strip()
        assert agent["software"].startswith("hylics-agent ") and agent["cpus"] == 1
        assert 400 * MB < agent["memory_total"] < 512 * MB
        assert 0 < agent["memory_available"] < agent["memory_total"]
        assert agent["cpu_ms"]["system"] > 0
        text = host.ask("vm", "show", NAME).stdout
        assert f"on Linux {agent['kernel']}, share: virtiofs" in text and "1 CPUs" in text
        # a dummy, as everything else that nothing comes through, is no NIC
        guest.run("modprobe -a dummy veth && ip link add hy2 type dummy && "
                  "ip addr add 10.78.0.1/24 dev hy2 && ip link set hy2 up && "
                  "ip link add hy0 type veth peer name hy1 && ip link set hy0 up && "
                  "ip addr add 10.77.0.1/24 dev hy0 && ip addr add 2001:db8::77/64 dev hy0 nodad")
        mac = guest.run("cat /sys/class/net/hy0/address").strip()
        wait_for(lambda: shown(host)["addresses"] == [f"{mac},10.77.0.1", f"{mac},2001:db8::77"],
                 "its addresses")
        guest.run("ip link del hy0")
        wait_for(lambda: shown(host)["addresses"] == [], "none are left")
    wait_for(lambda: shown(host) is None, "no agent is there")
    assert "not connected" in host.ask("vm", "show", NAME).stdout


@pytest.mark.parametrize("make, clear, words", [
    ("mkdir /hylics && touch /hylics/mine", "rm /hylics/mine", "has files in it"),
    ("mkdir /elsewhere && ln -s /elsewhere /hylics", "rm /hylics", "is a symbolic link"),
    ("touch /hylics", "rm /hylics", "is no directory"),
])
def test_what_lies_in_the_way_is_left_alone_and_told_once(host, unmounted, make, clear, words):
    guest = unmounted
    guest.run(make)
    with guest.agent() as job:
        guest.wait_log(job, words)
        guest.wait_log(job, "channel up")
        assert guest.mounts() == [] and guest.status()["share"]["state"] != "virtiofs"
        wait_for(lambda: (shown(host) or {}).get("share", "virtiofs") != "virtiofs",
                 "the host is told that there is no share", PATIENCE_S)
        guest.run(clear)
        guest.wait_log(job, "is mounted at")
        assert guest.log(job).count(words) == 1 and len(guest.mounts()) == 1
    guest.run("rm -rf /elsewhere")


def test_what_is_mounted_there_stays(unmounted):
    guest = unmounted
    guest.run("mkdir /hylics && mount -t tmpfs -o size=3M mine /hylics")
    with guest.agent() as job:
        guest.wait_log(job, "channel up")
        share = guest.status()["share"]
        assert share["state"] == "other" and share["bytes"] == 3 * MB
        assert [line.split()[0] for line in guest.mounts()] == ["mine"]


def test_where_no_virtiofs_has_the_tag_a_9p_device_may(unmounted):
    guest = unmounted
    with guest.agent("--tag=elsewhere") as job:
        guest.wait_log(job, "is mounted at")
        guest.wait_log(job, "channel up")
        assert " 9p " in guest.mounts()[0] and OPTIONS in guest.mounts()[0]
        assert guest.status()["share"]["state"] == "9p"
        # a program's mapping, and what another wrote, are the same bytes
        guest.run("cp /bin/true /hylics/true && /hylics/true && rm /hylics/true")
        # the device has one user at a time: the next mount waits for the agent to let go
        guest.run("umount -l /hylics")
        guest.wait_log(job, "is mounted at", 2)
        assert len(guest.mounts()) == 1


def test_a_host_that_does_not_answer_keeps_nobody_waiting(host, unmounted):
    guest = unmounted
    with guest.agent() as job:
        guest.wait_log(job, "is mounted at")
        guest.wait_log(job, "channel up")
        virtiofsd = int((host.run / "vm" / NAME / "virtiofsd.owner").read_text().split("-")[0])
        both = [virtiofsd, *children(virtiofsd)]        # the one in the sandbox serves
        for pid in both:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert "the host does not answer for it" in guest.run(STATUS)
            assert "bytes" not in guest.status()["share"]
            guest.run("holder=$(pgrep -o -x hylics-agent); "
                      "kill -9 $(cat /proc/$holder/task/$holder/children)")
            guest.wait_log(job, "channel up", 2)
            assert guest.status()["share"]["state"] == "virtiofs"
        finally:
            for pid in both:
                os.kill(pid, signal.SIGCONT)
        assert guest.status()["share"]["bytes"] == 64 * MB
        assert guest.run("ls /hylics") == ""


@pytest.mark.parametrize("option", ["--tag=none-has-it", "--no-mount"])
def test_without_a_share_the_agent_serves(unmounted, option):
    guest = unmounted
    with guest.agent(option) as job:
        guest.wait_log(job, "channel up")
        assert guest.status()["share"] == {"state": "none", "path": "/hylics"}
        assert guest.status()["offload"] == "not-on-share"
        assert "warning" not in guest.log(job) and guest.run("ls -d /hylics; true") == ""
