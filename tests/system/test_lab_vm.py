# SPDX-License-Identifier: GPL-2.0-or-later
"""Real VMs: one with everything a spec can ask for, and one through the command beside it."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

from hylab import LabError, exchange, wall
from hylab.net import Net
from hylab.sample import Sampler
from hylab.vm import Share, Spec, Vm

MIB = 1 << 20
pytestmark = pytest.mark.usefixtures("wall")


@pytest.fixture(name="place", scope="module")
def _place(wall):
    """Directories to share, a disk, a place for the channel; on the wall's own tmpfs."""
    place = wall.RUN / "vm test, with space"
    for name in ("virtiofs", "9p"):
        (place / name).mkdir(parents=True)
    with open(place / "disk.img", "wb") as disk:
        disk.truncate(64 * MIB)
    return place


@pytest.fixture(name="net", scope="module")
def _net(wall):
    with Net.nat_forward(vms=1, ports=(80,)) as net:
        yield net


@pytest.fixture(name="vm", scope="module")
def _vm(place, net):
    shares = (Share("fast", str(place / "virtiofs"), "/mnt/fast one", "virtiofs", "auto"),
              Share("plain", str(place / "9p"), "/mnt/plain"))
    spec = Spec(name="everything", memory="768M", vcpus=2, taps=(net.guests[0].tap,),
                node=net.host, shares=shares, disks=(str(place / "disk.img"),), cpu_cap=1.75,
                memory_limit=2048 * MIB, channel=f"serial:{wall.RUN}/everything.sock",
                env={"GREETING": "it's here"}, console_file=str(place / "console"),
                time_limit_s=600)
    vm = Vm(spec)
    with vm:
        yield vm


def cgroup_files(vm, name):
    """What a file says in each hierarchy that has it for this VM."""
    top = os.environ[wall.CGROUP_VARIABLE]
    found = pathlib.Path("/sys/fs/cgroup").glob(f"**/{top}/{vm.spec.name}-*/{name}")
    return [path.read_text() for path in found]


def test_boot_stages_are_reached_in_order(vm):
    vm.run("true")
    times = vm.boot_times()
    assert list(times) == ["kernel", "init", "modules", "root", "network", "ready", "command"]
    assert list(times.values()) == sorted(times.values())
    assert vm.accelerator in ("kvm", "tcg")


def test_output_exit_code_and_environment_come_back(vm):
    result = vm.run('echo "$GREETING"; echo "$MORE" >&2; exit 7', env={"MORE": "a b"})
    assert (result.code, result.stdout, result.stderr) == (7, "it's here\n", "a b\n")


def test_words_reach_the_guest_unchanged(vm):
    words = ["a b", "*", "'", '"', "$HOME", "", "\\n", "grüße"]
    result = vm.run([sys.executable, "-c", "import sys; print(sys.argv[1:])", *words])
    assert result.stdout == f"{words}\n", result.stderr


def test_much_output_is_whole(vm):
    result = vm.run(["seq", "200000"])
    assert result.stdout == "".join(f"{number}\n" for number in range(1, 200001))


def test_the_guest_is_a_linux_of_its_own_on_the_hosts_root(vm):
    result = vm.run("hostname; uname -r; cat /etc/os-release; nproc; "
                    "awk '/MemTotal/ { print $2 }' /proc/meminfo")
    hostname, release, *os_release, processors, kilobytes = result.stdout.splitlines()
    assert hostname == "everything"
    assert release != os.uname().release
    assert "\n".join(os_release) == pathlib.Path("/etc/os-release").read_text().strip()
    assert processors == "2"
    assert 600 << 10 < int(kilobytes) <= 768 << 10


def test_the_hosts_root_cannot_be_written(vm):
    marker = pathlib.Path(f"/hylics-lab-{os.getpid()}")
    result = vm.run(f"echo guest > {marker} && cat {marker}")
    assert result.stdout == "guest\n"
    assert not marker.exists()


def test_modules_load_by_name_and_by_need(vm):
    result = vm.run("modprobe dummy && grep -c ^dummy /proc/modules && "
                    "ip link add pair0 type veth peer name pair1 && ip -o link show pair1")
    assert result.code == 0, result.stderr
    assert "pair1@pair0" in result.stdout


@pytest.mark.parametrize("where, directory", [("/mnt/fast one", "virtiofs"), ("/mnt/plain", "9p")])
def test_shares_carry_files_both_ways(vm, place, where, directory):
    (place / directory / "from-host").write_text("host\n")
    result = vm.run(f"cat '{where}/from-host' && echo guest > '{where}/from-guest'")
    assert (result.code, result.stdout) == (0, "host\n"), result.stderr
    assert (place / directory / "from-guest").read_text() == "guest\n"


def test_the_network_reaches_the_guest_through_the_forward(vm, net):
    serve = ("import socket; s = socket.create_server(('::', 80), family=socket.AF_INET6, "
             "dualstack_ipv6=True); open('/run/hylab/listening', 'w').close()\n"
             "for _ in range(2): c, a = s.accept(); c.sendall(a[0].encode()); c.close()")
    ask = ("import socket, sys\nwith socket.create_connection((sys.argv[1], int(sys.argv[2])), "
           "timeout=60) as c: print(c.recv(100).decode())")
    job = vm.spawn([sys.executable, "-c", serve])
    vm.wait_event(file="listening", timeout_s=120)
    seen = [net.client.run([sys.executable, "-c", ask, *net.endpoint(net.guests[0], 80, family)],
                           timeout_s=120).stdout.strip() for family in (4, 6)]
    assert seen == ["::ffff:" + net.client.v4, net.client.v6]
    assert vm.wait(job, timeout_s=60).code == 0


def test_the_channels_port_has_its_name_in_the_guest(vm):
    assert vm.run("test -c /dev/virtio-ports/io.hylics.agent.0").code == 0
    job = vm.spawn("exec 3<>/dev/virtio-ports/io.hylics.agent.0; read -r line <&3; "
                   "echo \"got $line\" >&3")
    with socket.socket(socket.AF_UNIX) as port:
        port.connect(vm.spec.channel.removeprefix("serial:"))
        port.settimeout(120)
        port.sendall(b"hello\n")
        assert port.recv(100) == b"got hello\n"
    assert vm.wait(job, timeout_s=60).code == 0


def test_the_caps_are_in_force_for_qemu_and_virtiofsd(vm):
    assert vm.pids().keys() == {"qemu", "virtiofsd-fast"}
    assert set(vm.pids().values()) <= set(vm.cgroup.processes())
    caps = cgroup_files(vm, "cpu.cfs_quota_us") or cgroup_files(vm, "cpu.max")
    assert caps in (["175000\n"], ["175000 100000\n"])
    limits = cgroup_files(vm, "memory.limit_in_bytes") or cgroup_files(vm, "memory.max")
    assert limits == [f"{2048 * MIB}\n"]
    assert vm.cgroup.memory_bytes() > 32 * MIB
    before = vm.cgroup.cpu_s()
    vm.run("true")
    assert vm.cgroup.cpu_s() > before > 0


def test_sampling_sees_the_vcpus_work(vm):
    with Sampler(vm.pids().values()) as sampler:
        vm.run("i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done")
    vcpus = [task for task in sampler.sample.tasks if task.tid in vm.vcpu_threads()]
    assert len(vcpus) == 2
    assert sum(task.counts.cpu_s for task in vcpus) > 0.5 * sampler.sample.total.cpu_s > 0
    assert sampler.sample.total.switches > 0


def test_a_stopped_vm_stands_still_and_goes_on(vm):
    vm.pause()
    assert vm.status() == "paused"
    job = vm.spawn("echo moved")
    with pytest.raises(LabError, match="waited 0.3 s for job"):
        vm.wait(job, timeout_s=0.3)
    vm.resume()
    assert vm.status() == "running"
    assert vm.wait(job, timeout_s=120).stdout == "moved\n"


def test_events_on_the_console_and_in_the_exchange_wake_the_host(vm, place):
    job = vm.spawn("while [ ! -e /run/hylab/go ]; do sleep 0.05; done; "
                   "echo half-way > /dev/console; : > /run/hylab/arrived; echo shown; sleep 1000")
    (vm.exchange_directory / "go").touch()
    vm.wait_event(text="half-way", file="arrived", timeout_s=120)
    vm.run("true")
    assert vm.output(job) == "shown\n"
    assert "half-way" in (place / "console").read_text()


def run_hylab(*words):
    """`python3 -m hylab ...` as the command starts it."""
    return subprocess.run([sys.executable, "-m", "hylab", *words], capture_output=True, text=True,
                          timeout=300, check=False)


def test_boot_command_beside_a_running_vm(vm):
    done = run_hylab("boot", "--memory", "256M", "--cmd", "uname -n; exit 3", "--json")
    assert done.returncode == 1, done.stderr
    (report,) = json.loads(done.stdout)["vms"]
    assert (report["name"], report["exit"], report["stdout"]) == ("vm1", 3, "vm1\n")
    assert report["boot_s"]["command"] > 0
    assert vm.run("true").code == 0


def test_a_time_limit_ends_the_vm():
    done = run_hylab("boot", "--memory", "256M", "--cmd", "sleep 1000", "--time-limit", "1")
    assert done.returncode == 1
    assert "time limit" in done.stderr


def test_an_impossible_vm_says_why_and_leaves_nothing(vm, place):
    before = leftovers(vm)
    with pytest.raises(LabError, match="tap|TUN"):
        with Vm(Spec(name="broken", memory="256M", node=vm.spec.node,
                     taps=(vm.spec.taps[0],))):
            pass
    assert leftovers(vm) == before
    done = run_hylab("boot", "--memory", "wrong", "--json")
    assert done.returncode == 1
    assert "memory" in json.loads(done.stdout)["error"]["message"]


def leftovers(vm):
    """What VMs other than this one occupy."""
    own = {vm.directory, vm.exchange_directory}
    places = [*wall.RUN.glob("*-*"), *exchange.PLACE.glob("*-*")]
    groups = pathlib.Path("/sys/fs/cgroup").glob(f"*/{os.environ[wall.CGROUP_VARIABLE]}/*-*")
    return {str(path) for path in [*places, *groups] if path not in own
            and path.name.split("-")[0] in ("broken", "everything")}


def test_a_disk_is_written_back_at_shutdown_and_everything_goes(vm, place):
    mark = "written in the guest, not yet on the disk"
    made = vm.run(f"mkfs.ext4 -q /dev/vda && mount /dev/vda /mnt && echo '{mark}' > /mnt/file")
    assert made.code == 0, made.stderr
    pids = vm.pids()
    job = vm.spawn("sleep 1000")
    vm.shutdown()
    with pytest.raises(LabError, match="(?s)QEMU ended while waiting for job.*console: "):
        vm.wait(job, timeout_s=120)
    assert mark.encode() in (place / "disk.img").read_bytes()
    vm.close()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids.values())
    assert not vm.directory.exists() and not vm.exchange_directory.exists()
    assert leftovers(vm) == set()
