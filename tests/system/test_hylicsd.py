# SPDX-License-Identifier: GPL-2.0-or-later
"""hylicsd: VMs are added, changed, removed, found again; nothing is half made, nothing is left."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

import pytest
from moving import PATIENCE_S, REPEATS, VM_STEPS, Ends, wait_for

from hylab import wakes
from hylab.hylicsd import SOON_S, running
from hylab.virtiofs import DESCRIPTIONS

MB = 1 << 20
PIECES = 6
SILENCE_S = 2.5     # it was each second
FEW = 2             # the counters are written once more
NIC = "hytest0,52:54:00:00:00:01,10.9.0.2"


@pytest.fixture(name="host")
def _host():
    with running() as host:
        yield host


def test_a_vm_that_does_not_run_wakes_nobody(host):
    """Its keeper sees the channel's socket come; nobody looks for it."""
    host.ask("vm", "add", "web1", "--share", "16M", f"--tap={NIC}")
    host.wait_for_worker()
    pids = host.processes()
    wait_for(lambda: host.worker_counts("web1"), "the worker serves")
    before = wakes.settled(pids)
    time.sleep(SILENCE_S)
    assert wakes.settled(pids) - before <= FEW
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(host.vm("web1")["channel"])
        listener.listen()
        listener.settimeout(PATIENCE_S)
        listener.accept()[0].close()


def test_vm_has_its_share_and_keeper_and_goes_without_a_trace(host):
    vm = host.json("vm", "add", "web1", "--share", "64M", "--memory", "64M", f"--tap={NIC}")
    assert vm["state"] == "ready" and vm["size"] == 64 * MB and vm["nics"] == [NIC]
    share = pathlib.Path(vm["share"])
    assert os.path.ismount(share)
    at = os.statvfs(share)
    assert (at.f_blocks * at.f_frsize, at.f_files) == (64 * MB, 64 * MB // 4096)
    host.wait_for_worker()
    (share / "file").write_bytes(b"x" * MB)
    assert host.vm("web1")["used"] == MB
    listed = host.ask("vm", "list").stdout.splitlines()
    assert listed[1].split()[:4] == ["web1", "ready", "64M", "1M"]
    assert "share" in host.ask("vm", "show", "web1").stdout
    assert host.json("why", "web1") == {}
    host.ask("vm", "remove", "web1")
    assert host.nothing_left() and not any(host.vms.iterdir())
    assert host.ask("vm", "show", "web1", check=False).returncode == 3


def test_who_is_there_already_or_wrong_is_refused_and_nothing_is_made(host):
    host.ask("vm", "add", "web1", "--share", "64M", f"--tap={NIC}")
    host.wait_for_worker()
    before = (host.mounts(), host.cgroups(), sorted(host.processes()), sorted(host.vms.iterdir()))
    for words, code, field in (
            (("web1", "--share=64M"), 5, None),
            (("web/2", "--share=64M"), 2, "name"), (("..", "--share=64M"), 2, "name"),
            (("Web2", "--share=64M"), 2, "name"), (("a" * 10000, "--share=64M"), 2, "name"),
            (("a\x01b", "--share=64M"), 2, "name"), (("-web", "--share=64M"), 2, None),
            (("web2",), 2, "--share"), (("web2", "--share=0"), 2, "--share"),
            (("web2", "--share=-1"), 2, "--share"), (("web2", "--share=1k"), 2, "--share"),
            (("web2", f"--share={1 << 64}"), 2, "--share"),
            (("web2", "--share=many"), 2, "--share"),
            (("web2", "--share=64M", "--memory=128M"), 2, "memory"),
            (("web2", "--share=8T"), 5, None),
            (("web2", "--share=4T", "--memory=64M"), 5, "memory"),
            (("web2", "--share=64M", "--keep=relative"), 2, "keep"),
            (("web2", "--share=64M", f"--keep={host.run}/x"), 2, "keep"),
            (("web2", "--share=64M", "--tap=nonsense"), 2, "nics"),
            (("web2", "--share=64M", f"--tap={NIC}"), 5, "nic")):
        done = host.ask("vm", "add", *words, "--json", check=False)
        assert done.returncode == code, (words[0][:20], words[1:], done)
        error = json.loads(done.stdout)["error"]
        assert field is None or error["field"] in (field, "nic"), (words, error)
    assert before == (host.mounts(), host.cgroups(), sorted(host.processes()),
                      sorted(host.vms.iterdir()))


def test_change_while_in_use(host):
    share = pathlib.Path(host.json("vm", "add", "web1", "--share", "64M")["share"])
    (share / "file").write_bytes(b"x" * 8 * MB)
    keeper = host.keeper("web1")
    for size in (128, 16, 64):
        vm = host.json("vm", "set", "web1", f"size={size}M")
        at = os.statvfs(share)
        assert at.f_blocks * at.f_frsize == vm["size"] == size * MB
    assert host.keeper("web1") == keeper
    # what is in it stays: the wish is written down, and told to be out of force
    done = host.ask("vm", "set", "web1", "size=4M", "--json", check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "no-space"
    assert host.vm("web1")["state"] == "degraded"
    assert (share / "file").stat().st_size == 8 * MB
    (share / "file").unlink()
    host.wait_for_state("web1", "ready")
    for wrong in ("size=0", "memory=1G", "color=red", "size"):
        assert host.ask("vm", "set", "web1", wrong, check=False).returncode == 2, wrong
    assert host.vm("web1")["size"] == 4 * MB


def test_nics_make_another_keeper(host):
    host.ask("vm", "add", "web1", "--share", "64M")
    first = host.keeper("web1")
    assert host.json("vm", "set", "web1", f"nic={NIC}")["nics"] == [NIC]
    second = host.keeper("web1")
    assert second != first and first not in host.processes()
    assert host.json("vm", "set", "web1", "nic=")["nics"] == []
    keeper = host.keeper("web1")
    assert not host.json("vm", "offload", "web1", "off")["offload"]
    assert host.json("vm", "offload", "web1", "on")["offload"]
    assert host.keeper("web1") == keeper
    assert host.ask("vm", "offload", "web1", "maybe", check=False).returncode == 2


def test_killed_hylicsd_loses_nothing(host):
    share = pathlib.Path(host.json("vm", "add", "web1", "--share", "64M")["share"])
    (share / "file").write_text("here")
    host.wait_for_worker()
    before, keeper = sorted(host.processes()), host.keeper("web1")
    host.kill()
    host.start()
    host.wait_for_state("web1", "ready")
    assert sorted(host.processes()) == before and host.keeper("web1") == keeper
    assert (share / "file").read_text() == "here"
    # and it is watched by the next one
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: host.keeper("web1") != keeper, "another keeper")
    host.wait_for_state("web1", "ready")


def test_killed_keeper_is_started_again(host):
    host.ask("vm", "add", "web1", "--share", "64M")
    keeper = host.keeper("web1")
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: host.keeper("web1") != keeper, "another keeper")
    host.wait_for_state("web1", "ready")
    assert host.keeper("web1") in host.processes()


class Qemu:
    """What hylicsd sees of one: it listens for the worker, and has come for the share."""

    def __init__(self, vm):
        self._channel = socket.socket(socket.AF_UNIX)
        pathlib.Path(vm["channel"]).unlink(missing_ok=True)
        self._channel.bind(vm["channel"])
        self._channel.listen(1)
        self._share = socket.socket(socket.AF_UNIX)
        self._share.connect(vm["virtiofs"])
        # vhost-user's first question; what answers it has taken the connection
        self._share.sendall(struct.pack("<III", 1, 1, 0))
        assert self._share.recv(20, socket.MSG_WAITALL)[:4] == b"\1\0\0\0"

    def close(self):
        """Its end."""
        self._share.close()
        self._channel.close()


def virtiofsd_of(host, name):
    """Its process id."""
    mark = host.run / "vm" / name / "virtiofsd.owner"
    return int(mark.read_text().split("-")[0])


def kill_virtiofsd(host, name):
    """As a crash does."""
    os.kill(virtiofsd_of(host, name), signal.SIGKILL)


def lost(host, name):
    """Its guest has lost the share, and that is all there is to complain of."""
    host.wait_for_state(name, "degraded")
    why = host.vm(name)["why"]
    assert "virtiofsd" in why and "started again" in why, why


def test_a_guest_of_a_vm_that_cannot_be_made_again_has_its_share(host):
    vm = host.json("vm", "add", "web1", "--share", "64M")
    guest = Qemu(vm)
    host.wait_for_state("web1", "ready")
    assert host.end(signal.SIGUSR1) == 0
    host.start("--virtiofsd=/nonexistent")
    host.wait_for_state("web1", "degraded")
    done = host.ask("vm", "remove", "web1", check=False)
    assert done.returncode == 5 and "mounted" in done.stderr, done
    assert host.end() == 0 and host.mounts()
    host.start()
    host.wait_for_state("web1", "ready")
    assert host.vm("web1")["guest"]
    guest.close()
    wait_for(lambda: not host.vm("web1")["guest"], "its guest has gone")
    host.ask("vm", "remove", "web1")


def test_whatever_the_umask_is():
    before = os.umask(0o077)
    try:
        with running() as host:
            assert host.json("vm", "add", "web1", "--share", "16M")["state"] == "ready"
            host.ask("vm", "remove", "web1")
            assert host.nothing_left()
    finally:
        os.umask(before)


def test_a_guest_that_lost_its_share_is_told(host):
    vm = host.json("vm", "add", "web1", "--share", "64M")
    guest = Qemu(vm)
    kill_virtiofsd(host, "web1")
    lost(host, "web1")
    assert "signal 9" in host.vm("web1")["why"]
    # what else the VM has is kept, changed and drained as ever
    assert host.json("vm", "set", "web1", "size=32M")["size"] == 32 * MB
    lost(host, "web1")
    keeper = host.keeper("web1")
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: host.keeper("web1") != keeper, "another keeper")
    lost(host, "web1")
    host.kill()
    host.start()
    lost(host, "web1")
    guest.close()
    host.wait_for_state("web1", "ready")
    again = Qemu(vm)
    kill_virtiofsd(host, "web1")
    lost(host, "web1")
    third = Qemu(vm)                    # it was started again faster than hylicsd looked
    host.wait_for_state("web1", "ready")
    assert host.vm("web1")["guest"]
    again.close()
    third.close()
    wait_for(lambda: not host.vm("web1")["guest"], "it has gone with its QEMU")
    assert host.vm("web1")["state"] == "ready"
    host.ask("vm", "remove", "web1")
    assert host.nothing_left()


def test_a_loss_nobody_saw_is_found(host):
    vm = host.json("vm", "add", "web1", "--share", "64M")
    guest = Qemu(vm)
    host.kill()
    pid = virtiofsd_of(host, "web1")
    with Ends([pid]):
        os.kill(pid, signal.SIGKILL)
    host.start()
    lost(host, "web1")
    guest.close()
    host.wait_for_state("web1", "ready")
    # one that is taken over, and dies
    guest = Qemu(vm)
    host.kill()
    host.start()
    kill_virtiofsd(host, "web1")
    lost(host, "web1")
    guest.close()
    host.wait_for_state("web1", "ready")
    # one that ends with its guest while nobody is there
    guest = Qemu(vm)
    host.kill()
    with Ends([virtiofsd_of(host, "web1")]):
        guest.close()
    host.start()
    host.wait_for_state("web1", "ready")
    assert not host.vm("web1")["guest"]
    assert not (host.run / "vm" / "web1" / "virtiofsd.owner").exists()


def test_what_has_no_record_is_swept(host):
    host.ask("vm", "add", "web1", "--share", "64M")
    host.ask("vm", "add", "web2", "--share", "64M")
    host.kill()
    (host.vms / "web1.conf").unlink()
    host.start()
    wait_for(lambda: not (host.run / "vm" / "web1").exists(), "web1 is swept")
    host.wait_for_state("web2", "ready")
    assert len(host.mounts()) == 1
    host.wait_for_worker()
    assert {path.name for path in host.cgroups()} == {"web2"}


def test_record_nobody_can_read_is_left_alone(host):
    share = pathlib.Path(host.json("vm", "add", "web1", "--share", "64M")["share"])
    (share / "file").write_text("here")
    host.kill()
    record = host.vms / "web1.conf"
    whole = record.read_text()
    record.write_text(whole[:-20])
    host.start()
    assert (share / "file").read_text() == "here"
    vm, = host.json("vm", "list")["vms"]
    assert vm["state"] == "unreadable" and "web1.conf" in vm["why"]
    assert host.ask("vm", "add", "web1", "--share=64M", check=False).returncode == 5
    host.kill()
    record.write_text(whole)
    host.start()
    host.wait_for_state("web1", "ready")
    assert (share / "file").read_text() == "here"


def test_content_is_kept(host):
    keep = host.top / "kept"
    share = pathlib.Path(host.json("vm", "add", "web1", "--share", "64M",
                                   f"--keep={keep}")["share"])
    (share / "folder").mkdir()
    (share / "folder" / "file").write_bytes(os.urandom(MB))
    os.link(share / "folder" / "file", share / "second")
    content = (share / "second").read_bytes()
    host.ask("vm", "remove", "web1")
    assert host.nothing_left()
    host.ask("vm", "add", "web1", "--share", "64M", f"--keep={keep}")
    assert (share / "folder" / "file").read_bytes() == content
    assert (share / "second").stat().st_nlink == 2
    at = os.statvfs(share)
    assert at.f_files == 64 * MB // 4096
    # too small for what was kept: nothing half made, what was kept stays
    host.ask("vm", "remove", "web1")
    (host.top / "kept" / "tree" / "big").write_bytes(bytes(2 * MB) + os.urandom(2 * MB))
    done = host.ask("vm", "add", "web1", "--share", "1M", f"--keep={keep}", check=False)
    assert done.returncode == 1 and "No space left" in done.stderr, done
    assert host.nothing_left() and not any(host.vms.iterdir())
    assert (host.top / "kept" / "tree" / "big").stat().st_size == 4 * MB


def test_a_kept_share_that_has_gone_is_loaded_again(host):
    keep = host.top / "kept"
    words = ("--share", "64M", f"--keep={keep}")
    share = pathlib.Path(host.json("vm", "add", "web1", *words)["share"])
    (share / "file").write_text("kept")
    host.ask("vm", "remove", "web1")
    host.ask("vm", "add", "web1", *words)
    assert host.end(signal.SIGUSR1) == 0
    for pid in host.processes():        # a keeper's worker has the share, too
        os.kill(pid, signal.SIGKILL)
    subprocess.run(["umount", share], check=True, timeout=SOON_S)
    host.start()
    host.wait_for_state("web1", "ready")
    assert (share / "file").read_text() == "kept"
    host.ask("vm", "remove", "web1")
    assert (keep / "tree" / "file").read_text() == "kept"


def test_a_share_that_is_there_already_is_kept_from_now_on(host):
    share = pathlib.Path(host.json("vm", "add", "web1", "--share", "64M")["share"])
    (share / "file").write_text("before")
    was = share.stat().st_dev
    keep = host.top / "kept"
    keep.mkdir()
    host.ask("vm", "set", "web1", f"keep={keep}")
    assert share.stat().st_dev == was and host.vm("web1")["state"] == "ready"
    (share / "file").write_text("and after")
    host.ask("vm", "remove", "web1")
    assert (keep / "tree" / "file").read_text() == "and after"
    # what is there would be replaced
    host.ask("vm", "add", "web1", "--share", "64M")
    (share / "file").write_text("another")
    done = host.ask("vm", "set", "web1", f"keep={keep}", check=False)
    assert done.returncode == 5 and "holds a share's content" in done.stderr, done
    assert (share / "file").read_text() == "another" and not host.vm("web1")["keep"]
    host.ask("vm", "remove", "web1")
    assert (keep / "tree" / "file").read_text() == "and after"


def test_share_in_use_stays_unless_forced(host):
    share = pathlib.Path(host.json("vm", "add", "web1", "--share", "64M")["share"])
    with open(share / "file", "wb") as file:
        done = host.ask("vm", "remove", "web1", check=False)
        assert done.returncode == 5 and "in use" in done.stderr, done
        host.wait_for_state("web1", "ready")
        host.ask("vm", "remove", "web1", "--force")
        file.write(b"x")
    assert host.nothing_left() and not any(host.vms.iterdir())


def test_ends_on_purpose(host):
    host.ask("vm", "add", "web1", "--share", "64M")
    keeper = host.keeper("web1")
    assert host.end(signal.SIGUSR1) == 0
    assert keeper in host.processes() and host.mounts()
    host.start()
    host.wait_for_state("web1", "ready")
    assert host.keeper("web1") == keeper
    assert host.end() == 0
    assert host.nothing_left() and (host.vms / "web1.conf").exists()
    host.start()
    host.wait_for_state("web1", "ready")


def test_a_second_one_does_not_disturb_the_first(host):
    host.ask("vm", "add", "web1", "--share", "64M")
    done = subprocess.run(host.words, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 5 and "another hylicsd" in done.stderr, done
    assert host.vm("web1")["state"] == "ready"


@pytest.mark.parametrize("plant", ["file", "link", "folder"])
def test_what_others_put_in_the_way_is_refused(host, plant):
    place = host.run / "vm" / "web1"
    if plant == "file":
        place.write_text("")
    elif plant == "link":
        place.symlink_to("/etc")
    else:
        place.mkdir(mode=0o777)
    done = host.ask("vm", "add", "web1", "--share", "64M", check=False)
    assert done.returncode in (1, 5) and str(place) in done.stderr, done
    assert not host.mounts() and not host.processes() and not any(host.vms.iterdir())
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    else:
        place.unlink()


def test_a_virtiofsd_that_was_named_has_to_be_there(host):
    host.end()
    host.start("--virtiofsd=/nonexistent/virtiofsd")
    done = host.ask("vm", "add", "web1", "--share", "64M", check=False)
    assert done.returncode == 1 and "/nonexistent/virtiofsd" in done.stderr, done
    assert "install it" in done.stderr
    assert host.nothing_left() and not any(host.vms.iterdir())
    assert host.json("vm", "add", "web1", "--share", "64M", "--export=9p")["export"] == "9p"


@contextlib.contextmanager
def no_descriptions(tmp_path):
    """A machine on which no package describes a virtiofsd."""
    with contextlib.ExitStack() as closing:
        for place in filter(pathlib.Path.exists, map(pathlib.Path, DESCRIPTIONS)):
            subprocess.run(["mount", "--bind", tmp_path, place], check=True)
            closing.callback(subprocess.run, ["umount", place], check=True)
        yield


def test_without_virtiofsd_qemu_exports_the_share(host, tmp_path):
    host.ask("vm", "add", "web1", "--share", "64M")
    host.end()
    with no_descriptions(tmp_path):
        host.start()
    # what is virtiofs' stays so, and says what is missing
    host.wait_for_state("web1", "degraded")
    assert "install virtiofsd" in host.vm("web1")["why"]
    assert host.vm("web1")["export"] == "virtiofs"
    host.ask("vm", "set", "web1", "export=9p")
    host.wait_for_state("web1", "ready")
    # nobody asked for virtiofs: 9p
    shown = host.json("vm", "add", "web2", "--share", "64M")
    assert shown["state"] == "ready" and shown["export"] == "9p", shown
    assert "virtiofs" not in shown and "guest" not in shown
    assert not (host.run / "vm" / "web2" / "virtiofs.sock").exists()
    assert "export     9p\n" in host.ask("vm", "show", "web2").stdout
    for words, what in ((("--export=virtiofs",), "install virtiofsd"),
                        (("--export=9p", "--memory=32M"), "charged to QEMU")):
        done = host.ask("vm", "add", "web3", "--share", "64M", *words, check=False)
        assert done.returncode and what in done.stderr, done
    assert sorted(path.name for path in host.vms.glob("*.conf")) == ["web1.conf", "web2.conf"]
    assert host.end() == 0
    host.start()        # and it stays what it was when there is one
    assert host.vm("web2")["export"] == "9p"
    host.ask("vm", "set", "web2", "export=virtiofs")
    assert (host.run / "vm" / "web2" / "virtiofs.sock").is_socket()
    host.ask("vm", "set", "web2", "export=9p")
    assert not (host.run / "vm" / "web2" / "virtiofs.sock").exists()


def test_a_kept_share_that_is_in_use_is_neither_saved_nor_loaded_again(host):
    keep = host.top / "kept"
    words = ("--share", "64M", f"--keep={keep}", "--export=9p")
    share = pathlib.Path(host.json("vm", "add", "web1", *words)["share"])
    directory = os.open(share, os.O_RDONLY)     # as QEMU has it over 9p
    (share / "file").write_text("first")
    done = host.ask("vm", "remove", "web1", check=False)
    assert done.returncode == 5 and "in use" in done.stderr, done
    host.wait_for_state("web1", "ready")
    assert not keep.exists()
    (share / "file").write_text("second")
    assert host.end() == 0                      # it stays for the next one
    host.start()
    host.wait_for_state("web1", "ready")
    assert (share / "file").read_text() == "second"
    os.close(directory)
    host.ask("vm", "remove", "web1")
    assert (keep / "tree" / "file").read_text() == "second" and host.nothing_left()


def test_budget_is_kept(host):
    host.end()
    host.start("--budget=200M")
    host.ask("vm", "add", "web1", "--share", "100M")
    done = host.ask("vm", "add", "web2", "--share", "100M", check=False)
    assert done.returncode == 5 and "36M" in done.stderr, done
    assert host.json("status")["budget_used"] == 132 * MB
    host.ask("vm", "add", "web2", "--share", "36M")


def test_modules_are_listed_as_they_are_now(host):
    assert host.json("module", "list") == {"modules": []}
    assert "hylicsd.conf(5)" in host.ask("module", "list").stdout
    (host.modules / "files.conf").write_text(
        '[module]\ncommand = /usr/sbin/lighttpd -D "a b"\nports = 80 8000-8999\n'
        "folder = www\nfile = /etc/mime.types\n")
    (host.modules / "bad.conf").write_text("[module]\ncommand = lighttpd\nports = 80\n")
    bad, files = host.json("module", "list")["modules"]
    assert bad["name"] == "bad" and "absolute" in bad["why"] and "bad.conf" in bad["why"]
    assert files == {"name": "files", "command": '/usr/sbin/lighttpd -D "a b"', "folder": "www",
                     "ports": [{"first": 80, "last": 80}, {"first": 8000, "last": 8999}],
                     "files": ["/etc/mime.types"], "memory": 256 * MB, "tasks": 64,
                     "descriptors": 4096}
    said = host.ask("module", "list").stdout
    assert "80 8000-8999" in said and "256M of memory" in said and "wrong" in said
    for path in host.modules.iterdir():
        path.unlink()
    host.modules.rmdir()
    assert host.json("module", "list") == {"modules": []}
    done = host.ask("vm", "add", "web1", "--share=1M", f"--keep={host.modules}/web1", check=False)
    assert done.returncode == 2 and "hylicsd's own" in done.stderr, done


def test_a_vm_may_use_the_modules_the_operator_says(host):
    """The list lies in the VM's directory, and the keeper is not another one for it."""
    (host.modules / "files.conf").write_text("[module]\ncommand = /bin/true\nports = 80\n")
    (host.modules / "bad.conf").write_text("[module]\ncommand = true\nports = 80\n")
    vm = host.json("vm", "add", "web1", "--share=1M", "--module=files")
    assert vm["modules"] == ["files"]
    wanted, keeper = host.run / "vm/web1/modules", host.keeper("web1")
    assert wanted.read_text() == "files\n"
    for words, why in ((("module=fils",), "'hylics module list'"), (("module=bad",), "absolute"),
                       (("module=files", "module=files"), "twice"), (("module=../x",), "no name")):
        done = host.ask("vm", "set", "web1", *words, check=False)
        assert done.returncode == 2 and why in done.stderr, done
    assert "module     files" in host.ask("vm", "show", "web1").stdout
    assert host.json("vm", "set", "web1", "module=")["modules"] == []
    assert wanted.read_text() == "" and host.keeper("web1") == keeper
    host.ask("vm", "set", "web1", "module=files")
    host.end(signal.SIGUSR1)
    host.start()
    assert host.vm("web1")["modules"] == ["files"] and host.keeper("web1") == keeper


def test_hundred_vms_come_and_go(host):
    host.ask("vm", "add", "warm", "--share", "1M")
    host.ask("vm", "remove", "warm")
    before = host.fds()
    for i in range(100):
        host.ask("vm", "add", f"web{i % 3}", "--share", "1M")
        host.ask("vm", "remove", f"web{i % 3}")
    assert host.fds() == before
    assert host.nothing_left()


def faulty(host, step, action, count):
    """A new hylicsd that comes to grief there."""
    host.end(signal.SIGUSR1)
    host.start(env={"HYLICS_FAULT": f"{step}:{action}:{count}"})


def test_steps_are_known():
    assert set(VM_STEPS) == {"vm.make", "vm.unmake", "vm.record",
                             "vm.pages", "vm.swap"}     # these two: test_hylicsd_tiers.py


ADDING = [("vm.make", n) for n in range(1, PIECES + 1)] + [("vm.record", 1)]
REMOVING = [("vm.unmake", n) for n in range(1, PIECES + 1)] + [("vm.record", 1)]


@pytest.mark.parametrize("step, count", ADDING)
def test_add_that_fails_or_dies_leaves_nothing(host, step, count):
    for _ in range(REPEATS):
        faulty(host, step, "fail", count)
        done = host.ask("vm", "add", "web1", "--share", "16M", check=False)
        assert done.returncode == 1 and "a fault step" in done.stderr, done
        wait_for(host.nothing_left, "all is taken back")
        assert host.json("vm", "list") == {"vms": []} and not any(host.vms.iterdir())
        faulty(host, step, "kill", count)
        assert host.ask("vm", "add", "web1", "--share", "16M", check=False).returncode == 1
        host.process.wait()
        host.start()
        wait_for(host.nothing_left, "all is swept")
        assert host.json("vm", "list") == {"vms": []} and not any(host.vms.iterdir())
        host.ask("vm", "add", "web1", "--share", "16M")
        host.ask("vm", "remove", "web1")


@pytest.mark.parametrize("step, count", REMOVING)
def test_remove_that_fails_or_dies_leaves_a_whole_vm(host, step, count):
    for _ in range(REPEATS):
        host.ask("vm", "add", "web1", "--share", "16M")
        faulty(host, step, "fail", count)
        host.wait_for_state("web1", "ready")
        done = host.ask("vm", "remove", "web1", check=False)
        assert done.returncode == 1 and "is not removed" in done.stderr, done
        host.wait_for_state("web1", "ready")
        faulty(host, step, "kill", count)
        host.wait_for_state("web1", "ready")
        assert host.ask("vm", "remove", "web1", check=False).returncode == 1
        host.process.wait()
        host.start()
        host.wait_for_state("web1", "ready")
        host.wait_for_worker()
        host.ask("vm", "remove", "web1")
        assert host.nothing_left()


@pytest.mark.parametrize("step, count", ADDING)
def test_set_that_dies_is_finished_by_the_next_one(host, step, count):
    for _ in range(REPEATS):
        share = pathlib.Path(host.json("vm", "add", "web1", "--share", "16M")["share"])
        # the first round of pieces is the start's own
        faulty(host, step, "kill", count + PIECES if step == "vm.make" else count)
        host.wait_for_state("web1", "ready")
        assert host.ask("vm", "set", "web1", "size=32M", check=False).returncode == 1
        host.process.wait()
        host.start()
        host.wait_for_state("web1", "ready")
        at = os.statvfs(share)
        assert at.f_blocks * at.f_frsize == (16 if step == "vm.record" else 32) * MB
        host.ask("vm", "remove", "web1")
