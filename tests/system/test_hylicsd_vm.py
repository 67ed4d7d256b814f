# SPDX-License-Identifier: GPL-2.0-or-later
"""A share of hylicsd's in a real VM: files both ways, sizes, deaths on the host. Two boots."""

import os
import pathlib
import re
import signal

import pytest
from moving import wait_for

from hylab import channel, wall
from hylab.hylicsd import running
from hylab.vm import Share, Spec, Vm

MB = 1 << 20
NAME = "web1"


@pytest.fixture(name="host", scope="module")
def _host():
    wall.require()
    with running(NAME, "--share", "64M") as host:
        yield host


def boot(host):
    """A VM with what hylicsd has for it."""
    vm = host.vm(NAME)
    share = Share("hylics", "", "/hylics", type="virtiofs", socket=vm["virtiofs"])
    return Vm(Spec(name=NAME, memory="512M", shares=(share,), channel=f"serial:{vm['channel']}"))


@pytest.fixture(name="guest", scope="module")
def _guest(host):
    with boot(host) as vm:
        yield vm


def run(guest, command):
    """A command in the guest that has to succeed; its output."""
    result = guest.run(command, timeout_s=120)
    assert result.code == 0, result.stderr
    return result.stdout


def share_of(host):
    """The share's folder here."""
    return pathlib.Path(host.vm(NAME)["share"])


def test_files_go_both_ways(host, guest):
    assert host.vm(NAME)["guest"]
    run(guest, "echo from the guest > /hylics/up && mkdir /hylics/d && chmod 700 /hylics/d")
    assert (share_of(host) / "up").read_text() == "from the guest\n"
    assert (share_of(host) / "d").stat().st_mode & 0o777 == 0o700
    (share_of(host) / "down").write_text("from the host\n")
    assert run(guest, "cat /hylics/down") == "from the host\n"
    run(guest, "rm -r /hylics/up /hylics/d /hylics/down")
    assert not any(share_of(host).iterdir())


def rights(pid):
    """{set or NoNewPrivs: value} of a process."""
    found = re.findall(r"^(Cap(?:Prm|Eff|Bnd)|NoNewPrivs):\s*(\w+)",
                       pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return {name: int(value, 16) for name, value in found}


def test_its_virtiofsd_may_do_no_more_than_hylicsd(host, guest):
    """It drops capabilities of its own accord; what hylicsd has not, it never had."""
    assert guest
    most = rights(host.process.pid)
    pid = int((host.run / "vm" / NAME / "virtiofsd.owner").read_text().split("-")[0])
    serving, = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for now in (rights(pid), rights(serving)):
        assert now["NoNewPrivs"] == 1
        for name in ("CapPrm", "CapEff", "CapBnd"):
            assert now[name] & ~most[name] == 0, now
    assert rights(serving)["CapEff"], "it can do nothing"


def test_df_in_the_guest_shows_the_size(host, guest):
    for size in (128, 32, 64):
        host.ask("vm", "set", NAME, f"size={size}M")
        assert int(run(guest, "df -Pk /hylics").splitlines()[1].split()[1]) == size * 1024


def test_a_full_share_is_the_guests_alone(host, guest):
    result = guest.run("dd if=/dev/zero of=/hylics/big bs=1M count=100", timeout_s=120)
    assert result.code and "No space left" in result.stderr
    assert host.vm(NAME)["used"] == 64 * MB and host.vm(NAME)["state"] == "ready"
    run(guest, "rm /hylics/big")


def test_what_the_guest_writes_is_charged_to_its_vm(host, guest):
    # what was removed is there until virtiofsd has let go of it
    wait_for(lambda: host.vm(NAME)["used"] < MB, "the share is empty")
    before = host.vm(NAME)["resident"]
    run(guest, "dd if=/dev/zero of=/hylics/big bs=1M count=32")
    assert host.vm(NAME)["resident"] - before > 30 * MB
    run(guest, "rm /hylics/big")


def test_a_mounted_share_is_not_removed(host, guest):
    done = host.ask("vm", "remove", NAME, check=False)
    assert done.returncode == 5 and "mounted" in done.stderr, done
    assert run(guest, "ls /hylics") == ""


def test_the_channel_is_up(host, guest):
    job = guest.spawn([channel.program("hylics-agent"), "--share", "/hylics"])
    status = f"{channel.program('hylics-guest')} status --json"
    wait_for(lambda: '"channel":"up"' in guest.run(status, timeout_s=60).stdout, "the channel",
             60)
    run(guest, "/run/busybox killall hylics-agent; true")
    guest.wait(job, 60)
    assert host.vm(NAME)["state"] == "ready"


def test_a_killed_hylicsd_is_not_noticed(host, guest):
    run(guest, "echo before > /hylics/file")
    host.kill()
    run(guest, "echo between >> /hylics/file")
    host.start()
    host.wait_for_state(NAME, "ready")
    assert host.vm(NAME)["guest"]
    run(guest, "echo after >> /hylics/file")
    assert (share_of(host) / "file").read_text() == "before\nbetween\nafter\n"
    assert host.end(signal.SIGTERM) == 0       # a mounted share is left to the next one
    run(guest, "echo still >> /hylics/file")
    host.start()
    host.wait_for_state(NAME, "ready")
    assert run(guest, "tail -n 1 /hylics/file") == "still\n"


def test_the_next_boot_finds_the_share_as_it_was(host, guest):
    run(guest, "echo kept > /hylics/kept")
    guest.close()
    wait_for(lambda: not host.vm(NAME)["guest"], "the virtiofsd ends with its guest")
    assert (share_of(host) / "kept").read_text() == "kept\n"
    with boot(host) as again:
        assert run(again, "cat /hylics/kept") == "kept\n"
        virtiofsd = int((host.run / "vm" / NAME / "virtiofsd.owner").read_text().split("-")[0])
        os.kill(virtiofsd, signal.SIGKILL)
        host.wait_for_state(NAME, "degraded")
        assert "signal 9" in host.vm(NAME)["why"]
        assert run(again, "echo the VM runs on") == "the VM runs on\n"
    host.wait_for_state(NAME, "ready")
    host.ask("vm", "remove", NAME)
    wait_for(host.nothing_left, "nothing is left")
