# SPDX-License-Identifier: GPL-2.0-or-later
"""A hylicsd of one's own: folders, cgroup, socket; asked by the hylics command."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from hylab import BUILD, LabError
from hylab.wait import wait_for

UNLIMITED = 1 << 63
SOON_S = 60             # with sanitizers, beside others; ending can mean to empty a swap file


def limit_of(group):
    """Of a cgroup's memory, bytes; 0 where another controller's is, or it has gone."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        with contextlib.suppress(FileNotFoundError):
            text = (group / name).read_text().strip()
            return UNLIMITED if text == "max" else int(text)
    return 0


class Hylicsd:
    """The real daemon; keepers and workers of the build folder."""

    def __init__(self, *options, node=None, where=None, launcher=()):
        """In a node's network namespace, with its folders below where, and behind the words of a
        launcher, if they are named."""
        # a socket's path has 107 bytes: not below the build folder
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="hy", dir=where))
        self.run, self.vms = self.top / "run", self.top / "vms"
        self.modules = self.top / "modules"
        self.vms.mkdir()
        self.modules.mkdir()
        libexec = self.top / "libexec"
        libexec.mkdir()
        for name in ("hylics-keeper", "hylics-worker"):
            (libexec / name).symlink_to(BUILD / name / name)
        self.group = os.environ["HYLICS_LAB_CGROUP"].lstrip("/") + "/" + self.top.name
        self.words = [*launcher, *(node.prefix() if node else []),
                      BUILD / "hylicsd" / "hylicsd", f"--run-dir={self.run}",
                      f"--vms-dir={self.vms}", f"--modules-dir={self.modules}",
                      f"--state-dir={self.top}", "--group=root",
                      f"--libexec-dir={libexec}", f"--cgroup={self.group}", *options]
        self.process = self.errors = None     # errors: where what they say goes

    def fds(self):
        """How many descriptors it has open."""
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def start(self, *options, env=None):
        """Start it; it answers when this returns."""
        self.process = subprocess.Popen([*self.words, *options], env={**os.environ, **(env or {})},
                                        stderr=self.errors)
        wait_for(self._answers, "hylicsd answers")
        return self

    def _answers(self):
        assert self.process.poll() is None, "hylicsd has ended"
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.run / "api.sock"))
            except OSError:
                return False
        return self.ask("status", check=False).returncode == 0

    def end(self, signo=signal.SIGTERM):
        """Ask it to end, and give its exit code."""
        self.process.send_signal(signo)
        return self.process.wait(SOON_S)

    def kill(self):
        """As a crash does."""
        self.process.kill()
        self.process.wait()

    def ask(self, *words, check=True):
        """The hylics command."""
        done = subprocess.run([BUILD / "hylics", *words, f"--run-dir={self.run}"],
                              capture_output=True, text=True, check=False, timeout=SOON_S)
        if check and done.returncode:
            raise LabError(f"hylics {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done

    def json(self, *words):
        """Its answer as JSON."""
        return json.loads(self.ask(*words, "--json").stdout)

    def vm(self, name):
        """What a VM has."""
        return self.json("vm", "show", name)

    def worker_counts(self, name):
        """What a VM's worker counts; {} while it has written nothing whole."""
        try:
            return json.loads((self.run / "vm" / name / "worker.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def wait_for_state(self, name, state):
        """Until a VM is that."""
        wait_for(lambda: self.vm(name)["state"] == state, f"vm {name} is {state}")

    def owner(self, name, who):
        """Process id of a VM's process, by its mark."""
        mark = self.run / "vm" / name / f"{who}.owner"
        return int(wait_for(mark.read_text, f"{mark} is written").split("-")[0])

    def keeper(self, name):
        """Process id of a VM's keeper."""
        return self.owner(name, "keeper")

    def cgroups(self):
        """All cgroups of VMs."""
        return [path for top in pathlib.Path("/sys/fs/cgroup").glob("*")
                for path in (top / self.group).glob("*") if path.is_dir()]

    def limits(self):
        """{VM: bytes its cgroup may have}, all of one moment."""
        def look():
            found = ((group.name, limit_of(group)) for group in self.cgroups())
            return {name: limit for name, limit in found if limit}
        before, now = None, look()
        while now != before:
            before, now = now, look()
        return now

    def words_inside(self, name, *words):
        """Of a command in a VM's cgroup: what it touches is charged there."""
        groups = " ".join(str(path / "cgroup.procs") for path in self.cgroups()
                          if path.name == name)
        script = f'for g in {groups}; do echo $$ >$g; done; exec "$@"'
        return ["sh", "-ec", script, "sh", *map(str, words)]

    def inside(self, name, *words):
        """Such a command, to its end."""
        subprocess.run(self.words_inside(name, *words), check=True, timeout=SOON_S,
                       capture_output=True)

    def mounts(self):
        """Mount points below its folders."""
        return [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()
                if line.split()[1].startswith(str(self.top))]

    def wait_for_worker(self):
        """Until one VM has its keeper, and that its worker and nothing else."""
        wait_for(lambda: sorted(self.programs().values()) == ["hylics-keeper", "hylics-worker"],
                 "a keeper and a worker")

    def processes(self):
        """Keepers and workers that run."""
        return sorted(self.programs())

    def programs(self):
        """{process id: program} of what hylicsd has started, and what that has."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes()
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            program = pathlib.Path(words.split(b"\0")[0].decode()).name
            if str(self.top).encode() in words and program != "hylicsd" and state != "Z":
                found[int(path.name)] = program
        return found

    def nothing_left(self):
        """Whether no VM has left anything but records."""
        vm = self.run / "vm"
        return not (self.mounts() or self.cgroups() or self.processes() or
                    (vm.exists() and any(vm.iterdir())))

    def close(self):
        """Take everything away, whatever a test has left."""
        if self.process and self.process.poll() is None:
            self.kill()
        for record in self.vms.iterdir():
            record.unlink()
        self.start()
        wait_for(self.nothing_left, "all is swept")
        assert self.end() == 0
        for top in pathlib.Path("/sys/fs/cgroup").glob("*"):
            if (top / self.group).is_dir():
                (top / self.group).rmdir()
        shutil.rmtree(self.top)


@contextlib.contextmanager
def running(*vm, errors=None):
    """One that answers, with a VM if words for "vm add" are given; it takes everything with it."""
    host = Hylicsd()
    host.errors = errors
    host.start()
    try:
        if vm:
            host.ask("vm", "add", *vm)
        yield host
    finally:
        host.close()
