# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules of a real VM: started over virtio-serial from inside, served by the host. One boot."""

import hashlib
import os
import signal

import pytest
from moving import children, wait_for
from test_modules import (BYTES, UID, WHOLE, ask, downloads, start, status, whole, with_lighttpd)

from hylab import wall
from hylab.offload_vm import Machine, OffloadVm


@pytest.fixture(name="machine", scope="module")
def _machine():
    wall.require()
    with Machine() as machine:
        yield machine


@pytest.fixture(name="offload")
def _offload(machine):
    with OffloadVm(machine, keeper=("--uid", str(UID))) as offload:
        (offload.share / "file").write_bytes(BYTES)
        offload.share.chmod(0o755)
        offload.module_list.parent.mkdir()
        with_lighttpd(offload)
        yield offload


def test_the_host_serves_at_the_vms_address(offload):
    start(offload)
    for address in (offload.guest.v4, offload.guest.v6):
        assert whole(offload, address)
    assert status(offload)["state"] == "running"
    ask(offload, "stop", "lighttpd")
    assert not whole(offload, offload.guest.v4)


def test_a_port_the_guest_has_is_refused(offload):
    server = offload.serve(8080, offload.file("body", 1 << 20))
    done = ask(offload, "start", "lighttpd", "--port", "8080", check=False)
    assert done.returncode and "8080" in done.stderr and "in the guest" in done.stderr, done
    server.kill()
    server.wait_end()
    start(offload, "--port", "8080")
    assert whole(offload, offload.guest.v4, 8080)


def test_the_channel_is_lost_in_the_middle_of_many_downloads(offload):
    start(offload)
    worker = children(offload.keeper.pid)[0]
    with downloads(offload) as under_way:
        os.kill(worker, signal.SIGKILL)
        offload.agent.kill_children()
        wait_for(lambda: ask(offload, "status", check=False).returncode == 0, "no session", 60)
    assert all(hashlib.sha256(one.body).digest() == WHOLE for one in under_way)
    assert status(offload)["starts"] == 1
    assert whole(offload, offload.guest.v4)
