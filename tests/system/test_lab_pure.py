# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of the lab that need no VM, no namespace and no network."""

import gzip
import json
import lzma
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from hylab import LabError, cgroup, console, exchange, initramfs, kernel, qmp, sample, virtiofs, vm
from hylab import wall

BUSYBOX = str(initramfs.BUSYBOX)


# --- initramfs ---------------------------------------------------------------------------------

def _tiny_archive(device=False):
    archive = initramfs.Cpio()
    archive.directory("bin")
    archive.file("bin/tool", b"#!/bin/sh\n", 0o755)
    archive.file("odd", b"12345")
    archive.symlink("bin/sh", "tool")
    if device:
        archive.character_device("null", 1, 3)
    return archive.bytes()


def test_another_cpio_program_unpacks_the_archive(tmp_path):
    subprocess.run([BUSYBOX, "cpio", "-i"], input=_tiny_archive(), cwd=tmp_path, check=True)
    assert (tmp_path / "odd").read_bytes() == b"12345"
    assert (tmp_path / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert os.readlink(tmp_path / "bin/sh") == "tool"


def test_archive_layout_is_what_the_kernel_reads():
    data = _tiny_archive(device=True)
    assert data == _tiny_archive(device=True)
    assert len(data) % 512 == 0
    at, names = 0, []
    while not names or names[-1] != "TRAILER!!!":
        assert data[at:at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = fields[6], fields[11]
        names.append(data[at + 110:at + 110 + name_size - 1].decode())
        if names[-1] == "null":
            assert (fields[1], fields[9], fields[10]) == (0o020600, 1, 3)
        at = (at + 110 + name_size + 3) // 4 * 4
        at = (at + size + 3) // 4 * 4
    assert names[:-1] == ["bin", "bin/tool", "odd", "bin/sh", "null"]


DEPENDENCIES = """kernel/net/9p/9pnet.ko:
kernel/fs/netfs/netfs.ko:
kernel/fs/fscache/fscache.ko: kernel/fs/netfs/netfs.ko
kernel/fs/9p/9p.ko.xz: kernel/fs/fscache/fscache.ko kernel/net/9p/9pnet.ko kernel/fs/netfs/netfs.ko
kernel/net/9p/9pnet-virtio.ko: kernel/net/9p/9pnet.ko
"""


def test_modules_are_loaded_after_what_they_need_and_once():
    table = initramfs.dependencies(DEPENDENCIES)
    order = [initramfs.module_name(file) for file in
             initramfs.load_order(table, ["9pnet_virtio", "9p", "overlay"], {"overlay"})]
    assert order == ["9pnet", "9pnet_virtio", "netfs", "fscache", "9p"]


def test_a_module_the_kernel_lacks_is_an_error():
    with pytest.raises(LabError, match="no module 'nosuch'"):
        initramfs.load_order(initramfs.dependencies(DEPENDENCIES), ["nosuch"])


# --- guest kernel ------------------------------------------------------------------------------

ELF = b"\x7fELF" + bytes(range(256)) * 64


def _bzimage(payload):
    header = bytearray(512 * 3)
    header[0x1f1] = 1
    header[0x1fe:0x200] = b"\x55\xaa"
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", header, 0x248, 512, len(payload))
    return bytes(header) + payload + b"rest of the image"


def _packed(*argv):
    return subprocess.run(argv, input=ELF, capture_output=True, check=True).stdout \
        + struct.pack("<I", len(ELF))


PACKERS = {
    "plain": lambda: ELF,
    "gzip": lambda: gzip.compress(ELF),
    "xz": lambda: lzma.compress(ELF) + struct.pack("<I", len(ELF)),
    "zstd": lambda: _packed("zstd", "-qc"),
    "lz4": lambda: _packed("lz4", "-qlc"),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_the_elf_image_comes_out_of_a_bzimage(packer):
    if packer in ("zstd", "lz4") and not shutil.which(packer):
        pytest.skip(f"'{packer}' is not installed, and Debian 12's kernel does not need it")
    assert kernel.elf_of(_bzimage(PACKERS[packer]())) == ELF


@pytest.mark.parametrize("image, complaint", [
    (b"", "not a bzImage"),
    (bytes(4096), "not a bzImage"),
    (_bzimage(ELF)[:600], "ends before"),
    (_bzimage(b"not an ELF image"), "not an ELF"),
], ids=["empty", "zeros", "cut", "no-elf"])
def test_a_bad_kernel_image_is_refused(image, complaint):
    with pytest.raises(LabError, match=complaint):
        kernel.elf_of(image)


FAKE_PROGRAMS = {
    "apt-cache": "echo linux-image-amd64; echo '  Depends: linux-image-6.1.0-99-amd64'",
    "apt-get": 'echo "$@" >> "$LOG"; case "$*" in *update*) touch "$LOG.updated"; exit 0;; esac\n'
               '[ -e "$LOG.updated" ] || [ -z "$STALE" ] || { echo E: 404 >&2; exit 100; }\n'
               '[ -z "$OFFLINE" ] || { echo E: no network >&2; exit 100; }\n'
               ": > linux-image-6.1.0-99-amd64_1_amd64.deb",
    "dpkg-deb": 'mkdir -p "$3/lib/modules/6.1.0-99-amd64" "$3/boot"\n'
                'cp "$IMAGE" "$3/boot/vmlinuz-6.1.0-99-amd64"',
    "depmod": 'echo "kernel/x.ko:" > "$2/lib/modules/$3/modules.dep"',
}


@pytest.fixture(name="debian")
def _debian(tmp_path, monkeypatch):
    """Programs of Debian's that answer without a network; the log of apt-get's calls."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in FAKE_PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "image").write_bytes(_bzimage(ELF))
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(log))
    monkeypatch.setenv("IMAGE", str(tmp_path / "image"))
    return log


def test_the_kernel_is_fetched_once_also_by_two_at_once(debian, tmp_path):
    cache = tmp_path / "cache"
    found = []
    askers = [threading.Thread(target=lambda: found.append(kernel.prepare(cache)))
              for _ in range(2)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert found[0] == found[1] == kernel.cached(cache)
    assert found[0].version == "6.1.0-99-amd64"
    assert found[0].image.read_bytes() == ELF
    assert (found[0].modules / "modules.dep").exists()
    assert len(debian.read_text().splitlines()) == 1
    assert not list(cache.glob("making-*"))


def test_an_old_index_is_renewed_once(debian, tmp_path, monkeypatch):
    monkeypatch.setenv("STALE", "1")
    assert kernel.prepare(tmp_path / "cache").version == "6.1.0-99-amd64"
    assert [line.split()[-2 if "download" in line else -1] for line in
            debian.read_text().splitlines()] == ["download", "update", "download"]


def test_without_network_and_cache_the_error_says_so(debian, tmp_path, monkeypatch):
    monkeypatch.setenv("OFFLINE", "1")
    with pytest.raises(LabError, match="needs the network once"):
        kernel.prepare(tmp_path / "cache")
    assert debian.read_text()
    assert kernel.cached(tmp_path / "cache") is None
    assert not list((tmp_path / "cache").glob("making-*"))


# --- command line and script of a VM -----------------------------------------------------------

@pytest.mark.parametrize("text", ["/plain/path", "with space", "comma,colon:", "back\\slash",
                                  "quote\"'", "tab\t", "grüße", "%s%%"], ids=[
                                      "plain", "space", "comma", "backslash", "quotes", "tab",
                                      "utf-8", "percent"])
def test_escaped_values_come_back_in_the_guests_shell(text):
    escaped = vm.escape(text)
    assert not set(escaped) & set(" \t\n\"',:")
    done = subprocess.run([BUSYBOX, "sh", "-c", 'printf %b "$1"', "sh", escaped],
                          capture_output=True, check=True)
    assert done.stdout.decode() == text


def test_command_line_names_devices_groups_addresses_and_shares():
    tap = vm.Tap("tap0", "", (("10.99.1.2/24", "10.99.1.1"), ("fd99::2/64", "")))
    spec = vm.Spec(name="web", taps=(tap, vm.Tap("tap1")), channel="serial:/s",
                   shares=(vm.Share("v", "/x", "/mnt/a b", type="virtiofs"),))
    words = vm.command_line(spec, "/lib/modules/6.1").split()
    assert "hy.name=web" in words
    assert "hy.load=net,serial,virtiofs" in words
    assert "hy.nic=eth0,10.99.1.2/24,10.99.1.1" in words
    assert "hy.nic=eth0,fd99::2/64," in words
    assert "hy.nic=eth1,," in words
    assert r"hy.share=v:virtiofs:/mnt/a\0040b:rw" in words
    assert any(word.startswith("hy.share=hylab:9p:/run/hylab:") for word in words)


def test_a_command_line_the_kernel_would_cut_is_refused():
    shares = tuple(vm.Share(f"t{i}", "/x", "/m" * 60) for i in range(16))
    with pytest.raises(LabError, match="2047 at most"):
        vm.command_line(vm.Spec(shares=shares), "/m")


@pytest.mark.parametrize("command", ["printf '%s|' 'a b' \"$X\"",
                                     ["sh", "-c", 'printf "%s|" "$1" "$X"', "sh", "a b"]],
                         ids=["text", "words"])
def test_the_guests_script_keeps_words_and_environment(command):
    script = vm.guest_script(command, {"X": "it's $HOME"})
    done = subprocess.run([BUSYBOX, "sh", "-c", script], capture_output=True, text=True,
                          check=True)
    assert done.stdout == "a b|it's $HOME|"


def test_taps_without_a_node_are_refused():
    with pytest.raises(LabError, match="no node"):
        vm.Vm(vm.Spec(taps=(vm.Tap("tap0"),))).start()


# --- exchange, console, monitor ----------------------------------------------------------------

def test_an_exit_code_counts_only_when_all_of_it_is_written(tmp_path):
    place = exchange.Exchange("vm1", tmp_path)
    job = place.new_job("true\n")
    assert place.exit_code(job) is None
    result = place.directory / str(job) / "exit"
    result.write_text("1")
    assert place.exit_code(job) is None
    result.write_text("12\n")
    assert place.exit_code(job) == 12
    place.close()
    assert not place.directory.exists()


def test_directories_of_the_dead_are_swept_and_those_of_the_living_kept(tmp_path):
    living = exchange.Exchange("living", tmp_path)
    script = ("import os, sys; from hylab.exchange import Exchange; import pathlib; "
              "print(Exchange('dead', pathlib.Path(sys.argv[1])).directory, flush=True); "
              "os._exit(9)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    dead = subprocess.run([sys.executable, "-B", "-c", script, str(tmp_path)], env=environment,
                          capture_output=True, text=True, check=False).stdout.strip()
    assert os.path.isdir(dead)
    third = exchange.Exchange("third", tmp_path)
    assert not os.path.exists(dead)
    assert living.directory.exists() and third.directory.exists()
    third.close()
    living.close()


@pytest.fixture(name="serial")
def _serial():
    """A console and the guest's end of it."""
    reader, writer = os.pipe()
    made = console.Console(os.fdopen(reader, "rb", 0))
    with os.fdopen(writer, "wb", 0) as guest:
        yield made, guest
    made.close()


def test_console_finds_marks_across_pieces(serial):
    made, guest = serial
    guest.write(b"noise\r\nhylab: mark in")
    guest.write(b"it 1.25\r\nhylab: failed mount x\r\n[ 1.0] hylab: mark fake 2.0\r\n")
    assert made.wait(lambda: "mark fake" in made.text, time.monotonic() + 30, 30)
    assert made.marks.keys() == {"init"}
    assert made.marks["init"][1] == 1.25
    assert made.failures == ["mount x"]


def test_console_ends_the_wait_when_qemu_ends(serial):
    made, guest = serial
    guest.write(b"last words")
    guest.close()
    deadline = time.monotonic() + 20
    assert not made.wait(lambda: False, deadline, 20)
    assert time.monotonic() < deadline
    assert made.text == "last words"


def test_console_keeps_everything_in_a_file(tmp_path):
    reader, writer = os.pipe()
    made = console.Console(os.fdopen(reader, "rb", 0), tmp_path / "log")
    os.write(writer, b"a\r\nb")
    os.close(writer)
    made.close()
    assert (tmp_path / "log").read_bytes() == b"a\r\nb"


def _fake_qemu(listener):
    peer, _ = listener.accept()
    with peer, peer.makefile("rwb", buffering=0) as file:
        file.write(b'{"QMP": {}}\n')
        for line in file:
            command = json.loads(line)["execute"]
            reply = {"error": {"desc": "no such command"}} if command == "bad" \
                else {"return": {"did": command}}
            file.write(b'{"event": "SHUTDOWN"}\n' + json.dumps(reply).encode() + b"\n")


def test_monitor_skips_events_and_reports_refusals(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "q"))
        listener.listen()
        server = threading.Thread(target=_fake_qemu, args=(listener,))
        server.start()
        monitor = qmp.Qmp(tmp_path / "q")
        assert monitor.execute("stop") == {"did": "stop"}
        with pytest.raises(LabError, match="no such command"):
            monitor.execute("bad")
        monitor.close()
        server.join()


def test_virtiofsd_is_found_through_its_description(tmp_path):
    (tmp_path / "10-gpu.json").write_text('{"type": "gpu", "binary": "/no"}')
    (tmp_path / "50-fs.json").write_text('{"type": "fs", "binary": "/some/virtiofsd"}')
    assert virtiofs.program([tmp_path]) == "/some/virtiofsd"
    with pytest.raises(LabError, match="no virtiofsd"):
        virtiofs.program([tmp_path / "none"])


# --- cgroups, on a directory tree that only looks like one ---------------------------------------

@pytest.mark.parametrize("version, files", [
    (1, {"cpu.cfs_quota_us": "50000", "memory.limit_in_bytes": "4096"}),
    (2, {"cpu.max": "50000 100000", "memory.max": "4096"}),
])
def test_limits_are_written_for_both_cgroup_versions(tmp_path, monkeypatch, version, files):
    here = cgroup.Hierarchy(version, tmp_path)
    monkeypatch.setattr(cgroup, "hierarchies", lambda: {name: here for name in cgroup.CONTROLLERS})
    monkeypatch.setenv(wall.CGROUP_VARIABLE, "hylics-lab-1-2")
    group = cgroup.Cgroup("vm1")
    group.set_cpu_cap(0.5)
    group.set_memory_limit(4096)
    (made,) = (tmp_path / "hylics-lab-1-2").glob("vm1-*")
    assert {name: (made / name).read_text() for name in files} == files
    if version == 2:
        assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"


def test_cgroup_mounts_are_read_from_mountinfo():
    text = ("35 24 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
            "36 24 0:31 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n"
            "37 24 0:32 / /proc rw - proc proc rw\n")
    found = [(kind, str(place)) for kind, _, place in cgroup._mounts(text)]
    assert found == [("cgroup", "/sys/fs/cgroup/cpu"), ("cgroup2", "/sys/fs/cgroup/unified")]


# --- sampling ----------------------------------------------------------------------------------

CHILD = """
import sys, threading, time
def sleeper():
    for _ in range(50): time.sleep(0.001)
for line in sys.stdin:
    if line == "sleep\\n": sleeper()
    if line == "thread\\n": t = threading.Thread(target=sleeper); t.start(); t.join()
    if line == "burn\\n":
        end = time.process_time() + 0.1
        while time.process_time() < end: pass
    print("done", flush=True)
"""


@pytest.fixture(name="child")
def _child():
    """A process that does what it is told, and says when it has."""
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, bufsize=1)

    def tell(word):
        process.stdin.write(word + "\n")
        assert process.stdout.readline() == "done\n"
    process.tell = tell
    tell("start")
    with process:
        yield process
        process.kill()


def test_sampler_counts_switches_of_a_task_that_sleeps(child):
    with sample.Sampler([child.pid]) as sampler:
        child.tell("sleep")
    assert sampler.sample.total.voluntary >= 50
    assert len(sampler.sample.tasks) == 1
    assert sampler.sample.switches_per_s > 0


def test_sampler_counts_cpu_time(child):
    with sample.Sampler([child.pid]) as sampler:
        child.tell("burn")
    total = sampler.sample.total
    assert total.cpu_s >= 0.08      # 0.1 s less a tick of 10 ms at each end
    if total.run_s is not None:
        assert total.run_s >= 0.1
        assert total.wait_s >= 0


def test_sampler_starts_from_the_state_at_start(child):
    child.tell("sleep")
    with sample.Sampler([child.pid]) as sampler:
        pass
    assert sampler.sample.total.voluntary < 50


def test_sampler_survives_a_process_that_ends(child):
    sampler = sample.Sampler([child.pid])
    sampler.start()
    child.kill()
    child.wait()
    assert sampler.stop().ended == 1


def test_sampler_series_never_goes_back(child):
    with sample.Sampler([child.pid], interval_s=0.005) as sampler:
        child.tell("thread")
    series = [counts.voluntary for _, counts in sampler.sample.series]
    assert series and series == sorted(series)
    assert json.loads(json.dumps(sampler.sample.as_dict()))["total"]["voluntary"] >= series[-1]


def test_what_the_kernel_does_not_tell_is_missing_not_zero():
    known, unknown = sample.Counts(run_s=1.0, wait_s=2.0), sample.Counts(run_s=None, wait_s=None)
    assert (known + unknown).run_s is None
    assert (known - known).wait_s == 0
    assert sample._schedstat(pathlib.Path("/nonexistent")) == (None, None)


# --- the wall, TAP -------------------------------------------------------------------------------

def test_the_lab_refuses_to_run_outside_the_wall(monkeypatch):
    monkeypatch.delenv(wall.INSIDE_VARIABLE, raising=False)
    with pytest.raises(LabError, match="build/hylics lab"):
        wall.require()
    monkeypatch.setenv(wall.INSIDE_VARIABLE, "1")
    monkeypatch.setattr(wall, "interfaces_up", lambda: {"lo", "eth0"})
    with pytest.raises(LabError, match="eth0"):
        wall.require()


TAP_SAMPLE = """
import pytest
def test_good(): print("noise")
def test_bad(): print("seen # when it fails"); assert 1 == 2
def test_skipped(): pytest.skip("because # reasons")
@pytest.fixture
def broken():
    yield
    raise ValueError("afterwards")
def test_teardown(broken): pass
"""


def test_tap_lines_are_what_the_harness_counts(tmp_path):
    shutil.copy(pathlib.Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_some.py").write_text(TAP_SAMPLE)
    argv = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_some.py"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    points = [line for line in lines if not line.startswith("#")]
    assert done.returncode == 1
    assert points == ["ok 1 - test_some.py: test_good",
                      "not ok 2 - test_some.py: test_bad",
                      "ok 3 - test_some.py: test_skipped # SKIP because _ reasons",
                      "not ok 4 - test_some.py: test_teardown",
                      "1..4"]
    assert "# seen # when it fails" in lines
    assert "# noise" not in lines
    assert done.stderr == ""
