# SPDX-License-Identifier: GPL-2.0-or-later
"""A worker that was taken over, in the room hylics-keeper makes for it: what it cannot do.

tests/room/player.c takes the worker's place. It has no list of system calls: what it is refused
here, the room refuses alone.
"""

import contextlib
import os
import pathlib
import re
import socket
import subprocess

import pytest
from moving import wait_for

from hylab import BUILD, wall
from hylab.channel import program
from hylab.hylicsd import running
from hylab.net import Net
from hylab.offload import guest_mac

PLAYER = BUILD / "tests/room/room-player"
UID = 4242
GUEST_UID = 12345
END_S = 20
READ_ONLY = "EROFS"
OWN_NAMESPACES = ("net", "mnt", "pid", "ipc", "user")

# Everything the player tries, and what it gets.
EXPECTED = {
    "read_private": "ok",           # files of any user of the guest: that is what it is for
    "write_file": READ_ONLY, "create_file": READ_ONLY, "create_in_root": READ_ONLY,
    "make_folder": READ_ONLY, "remove_file": READ_ONLY, "rename_file": READ_ONLY,
    "link_file": READ_ONLY, "cut_file": READ_ONLY, "change_mode": READ_ONLY,
    "change_owner": READ_ONLY, "change_times": READ_ONLY, "set_attribute": READ_ONLY,
    "make_node": READ_ONLY, "map_for_writing": "EACCES", "run_file": "EACCES",
    "follow_link": "ENOENT", "climb_out": "ENOENT", "list_root": "EACCES",
    "open_by_handle": "EPERM", "find_open_directory": "ENOENT",
    "mount_tmpfs": "EPERM", "mount_new_way": "EPERM", "copy_mount": "EPERM",
    "make_share_writable": "EPERM", "unmount_share": "EPERM", "change_root": "EPERM",
    "pivot_root": "EPERM", "new_user_namespace": "ENOSPC", "new_mount_namespace": "EPERM",
    "new_network": "EPERM", "new_clone": "ENOSPC", "become_root": "EPERM", "join_group": "EPERM",
    "raise_capability": "EPERM", "load_bpf": "EPERM", "next_bpf_program": "EPERM",
    "set_host_name": "EPERM", "restart_machine": "EPERM", "read_kernel_log": "EPERM",
    "signal_everybody": "ESRCH", "signal_somebody": "ESRCH", "trace_somebody": "ESRCH",
    "read_memory": "ESRCH", "signal_keeper": "EINVAL", "take_keepers_file": "EPERM",
    "join_keepers_namespaces": "EPERM", "attach_shared_memory": "EINVAL",
    "connect_loopback": "EINPROGRESS",      # nobody answers
    "connect_abstract": "ECONNREFUSED",
    "packet_socket": "EPERM", "raw_socket": "EPERM", "network_of_the_link": "EPERM",
    "count_interfaces_by_the_link": "ok",   # of the host's: the list of system calls stops that
    "change_interface_by_the_link": "EPERM",
}


@pytest.fixture(name="stack")
def _stack():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield stack


def share_with(stack, folder):
    """A share with files of the guest's, one of a user that the host does not have."""
    share = folder / "share"
    share.mkdir()
    wall.mount_tmpfs(share, 1 << 20, stack)
    private = share / "private"
    private.mkdir()
    (private / "file").write_text("guest's")
    (private / "file").chmod(0o600)
    private.chmod(0o700)
    for path in (private / "file", private):
        os.chown(path, GUEST_UID, GUEST_UID)
    (share / "open").write_text("anybody's")
    (share / "open").chmod(0o666)
    (share / "program").write_text("#!/bin/sh\n")
    (share / "program").chmod(0o777)
    (share / "etc").symlink_to("/etc")
    share.chmod(0o777)
    return share


def listen(stack, family, address):
    """Somebody of the host who would answer."""
    listener = stack.enter_context(socket.socket(family))
    listener.bind(address)
    listener.listen()
    return listener


def shared_memory(stack):
    """System V memory of the host's; its number."""
    done = subprocess.run(["ipcmk", "-M", "4096"], capture_output=True, text=True, check=True)
    number = re.search(r"\d+", done.stdout).group()
    stack.callback(subprocess.run, ["ipcrm", "-m", number], check=True)
    return number


def play(stack, net, share, *paths):
    """The player's lines, as {first words: last word}."""
    port = listen(stack, socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
    listen(stack, socket.AF_UNIX, "\0room-test")
    guest = net.guests[0]
    nic = f"{guest.interface},{guest_mac(guest)},{guest.v4}"
    # in a group that the worker must not keep
    done = net.host.run(["setpriv", "--groups", "7", program("hylics-keeper"), "--vm", "room",
                         "--uid", str(UID), "--nic", nic, "--", PLAYER, share, str(port),
                         "room-test", shared_memory(stack), *map(str, paths)], timeout_s=END_S)
    assert done.stdout, done.stderr
    return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())


def sanitized():
    """In such a build the root stays the host's, and so do its files."""
    return b"__asan_init" in pathlib.Path(PLAYER).read_bytes()


def test_what_a_worker_that_was_taken_over_cannot_do(stack, tmp_path):
    if sanitized():
        pytest.skip("a sanitizer reads /proc: there is no empty root in such a build")
    net = stack.enter_context(Net.bridge_uplink(spaces=1))
    share = share_with(stack, tmp_path)
    outside = ["/etc/shadow", "/proc", "/sys", "/dev/null", "/usr", "/run", str(share), str(PLAYER)]
    said = play(stack, net, share, *outside)
    for path in outside:
        assert said.pop(f"path {path}") == "ENOENT", path
    interfaces = {what for what in said if what.startswith("interface ")}
    assert interfaces == {"interface lo", "interface nic0", "interface late"}
    for what in interfaces:
        said.pop(what)
    assert said.pop(f"pid 1 uid {UID} gid {UID} groups") == "0"
    if said.get("signal_keeper") == "ENOPROTOOPT":      # before Linux 6.5
        for name in ("signal_keeper", "take_keepers_file", "join_keepers_namespaces"):
            assert said[name] == "ENOPROTOOPT"
            said[name] = EXPECTED[name]
    if int(said.pop("landlock")) < 1:       # the root is empty all the same
        assert said["list_root"] == "ok"
        said["list_root"] = EXPECTED["list_root"]
    assert said == EXPECTED
    assert (share / "open").read_text() == "anybody's"


@pytest.fixture(name="host")
def _host():
    with running() as host:
        yield host


def worker_of(host, name):
    """Process id of a VM's worker, once it serves: it has told what it waits for."""
    def find():
        keeper = host.keeper(name)
        children = pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        return next((int(pid) for pid in children if "Seccomp:\t2" in
                     pathlib.Path(f"/proc/{pid}/status").read_text()), None)
    return wait_for(find, f"the worker of {name}")


def seen_by(pid):
    """{mount point: (device, options)} of a process."""
    fields = [line.split() for line in
              pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return {words[4]: (words[2], set(words[5].split(","))) for words in fields}


def device(path):
    """Of a file, as mountinfo says it."""
    number = os.stat(path).st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def test_workers_of_hylicsd_have_nothing_in_common(host):
    if sanitized():
        pytest.skip("nothing is sealed, and there is no empty root in such a build")
    shares = {name: host.json("vm", "add", name, "--share", "16M")["share"]
              for name in ("web1", "web2")}
    pids = {name: worker_of(host, name) for name in shares}
    users = set()
    for name, pid in pids.items():
        mounts = seen_by(pid)
        assert set(mounts) == {"/", "/share"}
        assert mounts["/share"][0] == device(shares[name])
        for where in mounts:
            assert {"ro", "nosuid", "nodev", "noexec"} <= mounts[where][1]
        status = dict(line.split(":\t", 1) for line in
                      pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        users |= {status["Uid"], status["Gid"]}
        assert len(set(status["Uid"].split())) == 1 and not status["Groups"].split()
        # CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, and no way to another
        assert {int(status[f"Cap{kind}"], 16) for kind in ("Prm", "Eff", "Bnd")} == {0x1404}
        assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Amb")} == {0}
    assert len(users) == 2      # a VM's group has its user's number
    for space in OWN_NAMESPACES:
        inodes = {os.stat(f"/proc/{pid}/ns/{space}").st_ino for pid in (*pids.values(), "self")}
        assert len(inodes) == 3, space


def test_a_worker_holds_no_share(host):
    """Its mount is no reason for the host's to stay, and goes with it."""
    if sanitized():
        pytest.skip("nothing is sealed, and there is no empty root in such a build")
    share = host.json("vm", "add", "web1", "--share", "16M")["share"]
    worker = worker_of(host, "web1")
    before = host.keeper("web1")
    os.kill(worker, 9)
    wait_for(lambda: worker_of(host, "web1") != worker, "the next worker")
    assert host.keeper("web1") == before
    # without MNT_DETACH: it would say that somebody uses it
    umount = subprocess.run(["umount", share], capture_output=True, text=True, check=False)
    assert umount.returncode == 0, umount.stderr
    host.ask("vm", "remove", "web1")
    assert host.nothing_left()
