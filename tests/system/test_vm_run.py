# SPDX-License-Identifier: GPL-2.0-or-later
"""hylics vm run, qemu-args and libvirt-xml of a VM that hylicsd knows. Three short boots."""

import fcntl
import grp
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as xml

import pytest
from hylab.hylicsd import BUILD, SOON_S, Hylicsd, running
from moving import REPEATS, Ends, children, wait_for

from hylab import wall
from hylab.vm import Share, Spec, Tap, run_options

NAME = "web1"
TAP, MAC = "web1-0", "52:54:00:12:34:56"
BOOT_S = 120
SCHEMA = pathlib.Path(os.environ.get("HYLICS_LIBVIRT_SCHEMA",
                                     "/usr/share/libvirt/schemas/domain.rng"))
DOMAIN = """<domain type='qemu'><name>web1</name><memory unit='MiB'>512</memory>
<vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><interface type='bridge'><mac address='{mac}'/><source bridge='br0'/></interface>
</devices></domain>"""


@pytest.fixture(name="host", scope="module")
def _host():
    wall.require()
    with running(NAME, "--share", "64M", "--tap", f"{TAP},{MAC}") as host:
        yield host


def guest_options():
    """What boots here: this machine's own root, read-only."""
    share = Share("hylics", "", "/hylics", type="virtiofs")
    return run_options(Spec(name=NAME, memory="256M", channel="serial:", shares=(share,),
                            taps=(Tap(TAP),)))


def words(host, *more):
    """hylics vm run of the one VM."""
    return [str(BUILD / "hylics"), "vm", "run", NAME, f"--run-dir={host.run}", *map(str, more)]


def refused(host, *more, env=None, name=NAME, run_dir=None):
    """Of one that must not start: exit code, what it says, its error as JSON."""
    argv = words(host, *more, "--json")
    argv[3:5] = [name, f"--run-dir={run_dir or host.run}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SOON_S, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    return done.returncode, done.stderr, json.loads(done.stdout)["error"]


def qemus(host):
    """QEMUs with a channel of this hylicsd's."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            argv = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if argv[0].startswith(b"qemu-system") and str(host.run).encode() in b" ".join(argv):
            found.append(int(path.parent.name))
    return found


def nothing_runs(host):
    """Neither QEMU nor virtiofsd nor the tap."""
    return not (qemus(host) or host.vm(NAME)["guest"] or
                pathlib.Path(f"/sys/class/net/{TAP}").exists())


class Terminal:
    """A vm run on a terminal of its own, as an operator has it."""

    def __init__(self, argv):
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execv(argv[0], argv)
        self.text = ""

    def type(self, text):
        """Keys."""
        os.write(self._fd, text.encode())

    def wait(self, pattern):
        """Until the screen shows it; the match."""
        end = time.monotonic() + BOOT_S
        while not (found := re.search(pattern, self.text)):
            left = end - time.monotonic()
            assert left > 0 and select.select([self._fd], [], [], left)[0], self.text
            try:
                piece = os.read(self._fd, 65536)
            except OSError:         # nobody has the other side any more
                piece = b""
            assert piece, self.text
            self.text += piece.decode(errors="replace").replace("\r", "")
        return found

    def end(self):
        """Its exit code; what it says meanwhile is read."""
        while True:
            try:
                if not os.read(self._fd, 65536):
                    break
            except OSError:
                break
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_command_runs_in_the_guest(host):
    """Its exit code, its output to the last byte, its words, the share, the NIC."""
    command = ["sh", "-c", "printf '<%s>\\n' \"$@\"; cat /hylics/in > /hylics/out;"
               "cat /sys/class/net/eth0/address; seq 20000; exit 7", "-", "a b", "it's $HOME", ""]
    share = pathlib.Path(host.vm(NAME)["share"])
    (share / "in").write_text("for the guest\n")
    done = subprocess.run(words(host, *guest_options(), "--", *command), capture_output=True,
                          text=True, timeout=BOOT_S, check=False, stdin=subprocess.DEVNULL)
    said = done.stdout.replace("\r", "").splitlines()
    assert done.returncode == 7, done
    assert "<a b>" in said and "<it's $HOME>" in said and "<>" in said
    assert MAC in said and said[-1] == "20000", said[-5:]
    assert (share / "out").read_text() == "for the guest\n"
    assert ("TCG" in done.stderr) != ("KVM" in done.stderr and "TCG" not in done.stderr)
    wait_for(lambda: nothing_runs(host), "all goes with the VM")


@pytest.fixture(name="bridge")
def _bridge():
    subprocess.run(["ip", "link", "add", "br0", "type", "bridge"], check=True)
    yield "br0"
    subprocess.run(["ip", "link", "del", "br0"], check=True)


def assert_joined(bridge):
    """The interface that was made is up, and part of the bridge."""
    tap = pathlib.Path(f"/sys/class/net/{TAP}")
    assert int((tap / "flags").read_text(), 16) & 1
    assert (tap / "master").resolve().name == bridge


def test_a_guest_that_tells_nonsense(host):
    """It is not read any further, and nobody takes it for an exit code."""
    done = subprocess.run(words(host, *guest_options(), "--", "sh", "-c",
                                "yes 0 0 > /dev/virtio-ports/io.hylics.run.0"),
                          capture_output=True, text=True, timeout=BOOT_S, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "did not tell how its command did" in done.stderr, done


def test_a_vm_on_a_terminal(host, bridge, tmp_path):
    """Keys reach the guest; another start is refused; Ctrl-C asks, then ends."""
    disk = tmp_path / "disk, with a comma.img"
    disk.write_bytes(bytes(1 << 20))
    screen = Terminal(words(host, "--disk", disk, f"--bridge={bridge}", *guest_options(), "--",
                            "sh", "-c",
                            "echo type; read line; echo got-$line; exec sleep 1000"))
    try:
        screen.wait("\ntype\n")
        screen.type("it\n")
        screen.wait("\ngot-it\n")
        assert_joined(bridge)
        code, _, error = refused(host, *guest_options())
        assert code == 5 and error["code"] == "in-use" and "runs already" in error["message"]
        assert host.ask("vm", "remove", NAME, check=False).returncode == 5
        screen.type("\x03")
        screen.wait("the guest is asked to shut down")
        assert qemus(host) and host.vm(NAME)["guest"]
        screen.type("\x03")
        assert screen.end() == 128 + signal.SIGINT
    except BaseException:
        os.kill(screen.pid, signal.SIGKILL)
        raise
    wait_for(lambda: nothing_runs(host), "all goes with the VM")


def test_signals_end_it_and_a_killed_one_leaves_nothing(host):
    for signo in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(words(host, *guest_options()), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        wait_for(lambda: host.vm(NAME)["guest"], "QEMU has come for the share")
        with Ends(qemus(host)):
            process.send_signal(signo)
            assert process.wait(SOON_S) == (0 if signo == signal.SIGTERM else -signo)
        wait_for(lambda: nothing_runs(host), "all goes with the VM")


# The guest's part: an agent, a word that it runs, and what it is told to do.
AGENT = str(BUILD / "hylics-agent" / "hylics-agent")
GUESTS_PART = f"""{AGENT} --channel serial --no-mount 2>/dev/null &
while [ ! -e /hylics/go ]; do
    touch /hylics/up
    if [ -e /hylics/kill ]; then
        rm /hylics/kill
        kill -9 $(cat /proc/$!/task/$!/children)
    fi
    sleep 0.05
done
cat /hylics/go
exit 7"""


class Running:
    """A vm run whose guest has the share, and its agent the channel."""

    def __init__(self, host):
        self.host = host
        self.share = pathlib.Path(host.vm(NAME)["share"])
        for left in self.share.iterdir():
            left.unlink()
        self.process = subprocess.Popen(
            words(host, *guest_options(), "--", "sh", "-c", GUESTS_PART), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        wait_for(lambda: host.vm(NAME)["guest"], "QEMU has come for the share")

    def wait_up(self):
        """Until all of it is there."""
        wait_for((self.share / "up").exists, "the guest has the share", BOOT_S)
        self.wait_agent()
        return self

    def wait_agent(self):
        """Until the host hears the agent."""
        wait_for(lambda: self.host.vm(NAME)["agent"], "the agent is heard")

    def wait_guest(self):
        """Until the guest has written once more."""
        (self.share / "up").unlink()
        wait_for((self.share / "up").exists, "the guest goes on")

    def kill(self, who):
        """Of hylicsd's processes: its death, and its successor."""
        pid = self.host.owner(NAME, who)
        if who == "keeper":
            wait_for(lambda: children(pid), "its worker")
            pid = children(pid)[0]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "it is gone")

    def end(self):
        """The guest's command comes to its end; its last word."""
        (self.share / "go").write_text("all is well\n")
        said, _ = self.process.communicate(timeout=BOOT_S)
        assert self.process.returncode == 7
        assert "all is well" in said


def hylicsd_dies(running):
    """Nobody notices."""
    running.host.kill()
    running.wait_guest()
    running.host.start()
    running.host.wait_for_state(NAME, "ready")
    running.wait_agent()


def worker_dies(running):
    """The next one finds the agent."""
    running.kill("keeper")
    running.wait_agent()
    running.wait_guest()


def agent_dies(running):
    """The next one finds the worker."""
    sessions = wait_for(lambda: running.host.worker_counts(NAME).get("told"), "a session")
    (running.share / "kill").touch()
    wait_for(lambda: running.host.worker_counts(NAME).get("told", 0) > sessions, "its end is heard")
    running.wait_agent()
    running.wait_guest()


@pytest.mark.parametrize("dies", [hylicsd_dies, worker_dies, agent_dies])
def test_killed_under_a_vm_that_runs(host, dies):
    """HYLICS_REPEATS=N kills so often."""
    running = Running(host).wait_up()
    with Ends(qemus(host)):
        for _ in range(REPEATS):
            dies(running)
        running.end()
    wait_for(lambda: nothing_runs(host), "all goes with the VM")


@pytest.mark.parametrize("who", ["hylicsd", "keeper"])
def test_killed_while_a_vm_boots(host, who):
    """When QEMU has its share, and the guest's kernel has hardly begun."""
    for _ in range(REPEATS):
        running = Running(host)
        with Ends(qemus(host)):
            if who == "hylicsd":
                host.kill()
                host.start()
            else:
                running.kill(who)
            running.wait_up().end()
        wait_for(lambda: nothing_runs(host), "all goes with the VM")


@pytest.mark.parametrize("boots", [True, False], ids=["boots", "runs"])
def test_virtiofsd_killed_under_a_vm(host, boots):
    """It is told, the VM runs on without its share, and the next start has it again."""
    for _ in range(REPEATS):
        running = Running(host) if boots else Running(host).wait_up()
        running.kill("virtiofsd")
        host.wait_for_state(NAME, "degraded")
        assert "share" in host.vm(NAME)["why"]
        assert running.process.poll() is None and (boots or host.vm(NAME)["agent"])
        running.process.send_signal(signal.SIGTERM)
        running.process.communicate(timeout=SOON_S)
        wait_for(lambda: nothing_runs(host), "all goes with the VM")
        host.wait_for_state(NAME, "ready")


def test_what_is_wrong_is_said(host, tmp_path):
    kernel = guest_options()
    image = tmp_path / "none.img"
    assert refused(host)[2]["field"] == "--disk"
    code, said, error = refused(host, "--disk", image)
    assert code == 2 and error["field"] == "--disk" and str(image) in said, said
    assert refused(host, "--disk", tmp_path / "x", "--kernel", image)[2]["field"] == "--kernel"
    code, _, error = refused(host, *kernel, name="web2")
    assert code == 3 and error["code"] == "not-found"
    assert refused(host, *kernel, name="Web/2")[0] == 2
    code, _, error = refused(host, *kernel, run_dir=tmp_path)
    assert code == 4 and "systemctl start hylicsd" in error["message"]
    code, _, error = refused(host, *kernel, env={"PATH": str(tmp_path)})
    assert code == 1 and "install qemu-system-x86" in error["message"]
    assert refused(host, *kernel, "--bridge", "no-such-bridge")[0] != 0
    assert refused(host, *kernel, "--memory", "1000000")[0] == 2
    assert nothing_runs(host)


def test_an_interface_that_cannot_be_used(host):
    """One that is no tap, and one somebody else has."""
    host.ask("vm", "set", NAME, f"nic=lo,{MAC}")
    code, _, error = refused(host, *guest_options())
    assert code and "'lo'" in error["message"] and "is no tap" in error["message"]
    host.ask("vm", "set", NAME, f"nic={TAP},{MAC}")
    subprocess.run(["ip", "tuntap", "add", TAP, "mode", "tap"], check=True)
    holder = subprocess.Popen(["qemu-system-x86_64", "-nodefaults", "-display", "none", "-S",
                               "-netdev", f"tap,id=n,ifname={TAP},script=no,downscript=no"])
    try:
        up = pathlib.Path(f"/sys/class/net/{TAP}/carrier")
        subprocess.run(["ip", "link", "set", TAP, "up"], check=True)
        wait_for(lambda: up.read_text() == "1\n", "somebody has the tap")
        code, _, error = refused(host, *guest_options())
        assert code == 5 and "another program has it" in error["message"], error
    finally:
        holder.kill()
        holder.wait()
        subprocess.run(["ip", "link", "del", TAP], check=True)


def test_one_that_is_just_starting_is_seen(host):
    """Its QEMU has not come for the share yet, but it has locked the VM's folder."""
    folder = os.open(host.run / "vm" / NAME, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        code, _, error = refused(host, *guest_options())
        assert code == 5 and error["code"] == "in-use" and "runs already" in error["message"]
    finally:
        os.close(folder)


def test_a_group_of_qemus_may_come_to_the_share(tmp_path):
    """As libvirt's need it, which are not root's; a keeper is in that group too."""
    gid = grp.getgrnam("daemon").gr_gid
    config = tmp_path / "hylicsd.conf"
    for group, wanted in (("daemon", gid), ("no-such-group", 0)):
        config.write_text(f"[hylicsd]\nqemu-group = {group}\n")
        host = Hylicsd(f"--config={config}")
        try:
            host.start()
            host.ask("vm", "add", NAME, "--share", "1M")
            found = pathlib.Path(host.vm(NAME)["virtiofs"]).stat()
            assert (found.st_gid, found.st_mode & 0o777) == (wanted, 0o660)
            status = pathlib.Path(f"/proc/{host.keeper(NAME)}/status").read_text()
            groups = re.search(r"^Groups:(.*)$", status, re.MULTILINE)[1].split()
            assert not wanted or groups == [str(wanted)]
        finally:
            host.close()


def test_the_state_of_a_share_that_is_not_there(host):
    socket = pathlib.Path(host.vm(NAME)["virtiofs"])
    socket.rename(socket.with_suffix(".aside"))
    try:
        code, _, error = refused(host, *guest_options())
        assert code == 1 and str(socket) in error["message"], error
    finally:
        socket.with_suffix(".aside").rename(socket)


def test_qemu_args_by_name(host):
    vm = host.vm(NAME)
    argv = host.json("vm", "qemu-args", NAME, "--memory=256M")["argv"]
    assert f"socket,id=agent,server=on,wait=off,path={vm['channel']}" in argv
    assert f"socket,id=virtiofs0,path={vm['virtiofs']}" in argv
    assert "vhost-user-fs-pci,chardev=virtiofs0,tag=hylics" in argv
    assert "memory-backend-memfd,id=mem0,size=256M,share=on" in argv
    assert f"tap,id=net0,ifname={TAP},script=no,downscript=no,vhost=off" in argv
    assert f"virtio-net-pci,netdev=net0,mac={MAC},romfile=" in argv
    assert host.ask("vm", "qemu-args", NAME, "--name", "x", check=False).returncode == 2
    assert host.ask("vm", "qemu-args", check=False).returncode == 2
    assert host.ask("vm", "qemu-args", "web2", check=False).returncode == 3
    assert "guest=by-hand," in host.ask("vm", "qemu-args", "--name", "by-hand").stdout


def pieces(host):
    """What libvirt-xml prints, as elements by tag."""
    text = host.ask("vm", "libvirt-xml", NAME).stdout
    assert host.json("vm", "libvirt-xml", NAME) == {"xml": text}
    return {element.tag: element for element in xml.fromstring(f"<x>{text}</x>")}


def test_libvirt_xml_is_what_hylicsd_has(host):
    vm, found = host.vm(NAME), pieces(host)
    assert sorted(found) == ["channel", "filesystem", "memoryBacking", "target"]
    assert found["filesystem"].find("source").get("socket") == vm["virtiofs"]
    assert found["channel"].find("source").get("path") == vm["channel"]
    assert found["channel"].find("target").get("name") == "io.hylics.agent.0"
    assert found["target"].get("dev") == TAP
    host.ask("vm", "set", NAME, f"nic=vnet3,{MAC}")
    assert "choose another" in host.ask("vm", "libvirt-xml", NAME).stdout
    host.ask("vm", "set", NAME, f"nic={TAP},{MAC}")


def test_libvirts_schema_takes_it(host, tmp_path):
    """Put where the comments say, into a domain."""
    if not SCHEMA.exists() or not shutil.which("xmllint"):
        pytest.skip(f"{SCHEMA} (libvirt0) or xmllint (libxml2-utils) is not installed")
    domain, found = xml.fromstring(DOMAIN.format(mac=MAC)), pieces(host)
    domain.append(found["memoryBacking"])
    domain.find("devices").extend([found["filesystem"], found["channel"]])
    domain.find("devices/interface").append(found["target"])
    file = tmp_path / "domain.xml"
    xml.ElementTree(domain).write(file)
    done = subprocess.run(["xmllint", "--noout", "--relaxng", SCHEMA, file], timeout=SOON_S,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_share_over_9p(host):
    """Where there is no virtiofsd QEMU exports it."""
    host.ask("vm", "add", "nine", "--share", "1M", "--export", "9p")
    try:
        share = host.vm("nine")["share"]
        argv = host.json("vm", "qemu-args", "nine")["argv"]
        assert any(word.endswith(f"path={share}") for word in argv)
        assert "virtio-9p-pci,fsdev=share0,mount_tag=hylics" in argv
        found = xml.fromstring(f"<x>{host.ask('vm', 'libvirt-xml', 'nine').stdout}</x>")
        assert found.find("filesystem/source").get("dir") == share
        options = run_options(Spec(name="nine", memory="256M", channel="serial:", shares=(
            Share("hylics", share, "/hylics"),)))
        argv = words(host, *options, "--", "cp", "/proc/version", "/hylics/version")
        argv[3] = "nine"
        done = subprocess.run(argv, capture_output=True, text=True, timeout=BOOT_S, check=False,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done
        assert "Linux" in (pathlib.Path(share) / "version").read_text()
    finally:
        host.ask("vm", "remove", "nine")


def completed(host, line):
    """What bash offers behind a line."""
    script = """source <("$1" completion bash); read -ra COMP_WORDS <<< "$2"
        [[ $2 == *' ' ]] && COMP_WORDS+=('')
        COMP_WORDS[0]=$1 COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _hylics 2>/dev/null
        echo "${COMPREPLY[*]}" """
    return subprocess.run(["bash", "-c", script, "-", BUILD / "hylics", line], check=True,
                          capture_output=True, text=True, timeout=SOON_S,
                          env={**os.environ, "HYLICS_RUN_DIR": str(host.run)}).stdout.split()


def test_names_are_completed(host, tmp_path):
    host.ask("vm", "add", "db", "--share", "1M")
    try:
        assert completed(host, "hylics vm show ") == ["db", NAME]
        assert completed(host, "hylics vm run w") == [NAME]
        assert completed(host, f"hylics why --run-dir {host.run} d") == ["db"]
        assert completed(host, f"hylics vm set {NAME} ") == []
        assert "--disk" in completed(host, f"hylics vm run {NAME} --d")
        host.run.rename(tmp_path / "aside")
        assert completed(host, "hylics vm show ") == []
        (tmp_path / "aside").rename(host.run)
    finally:
        host.ask("vm", "remove", "db")
