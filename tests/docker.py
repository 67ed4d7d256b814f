# SPDX-License-Identifier: GPL-2.0-or-later
"""By hand: Docker in a guest. A server in containers of several kinds, asked from the network.

    mkdir /tmp/dk && cd /tmp/dk && apt-get download docker.io containerd runc tini iptables \\
        libip4tc2 libip6tc2 libnetfilter-conntrack3 libnfnetlink0
    for deb in *.deb; do dpkg-deb -x $deb /tmp/dk; done
    PYTHONPATH=lab:tests/system HYLICS_BUILD=$PWD/build build/hylics lab exec -- \\
        /usr/bin/python3 -B tests/docker.py /tmp/dk

Nothing is installed: in the guest the folder is laid over /usr, which is the machine's own. The
image is a tree of a few files, with which lighttpd of /usr runs. It ends with 0 if every byte was
right, and what moved, or stayed and with which reason, is as in CASES.
"""

import contextlib
import dataclasses
import io
import json
import sys
import tarfile

from asking import LEAST_SHARE, MB, Tally, asking, mixed, one_by_one

from hylab import BUILD, wall
from hylab.channel import program
from hylab.fetch import Ask
from hylab.offload_vm import Job, Machine, OffloadVm
from hylab.servers import Site
from hylab.wait import wait_for

PORT = 8080
REQUESTS = 40
FILES = {"1k": 1 << 10, "100k": 100000, "300k": 300 << 10, "1m1": MB + 1, "8m": 8 * MB}
DAEMON_S = 300
LOOK_S = 0.2
TOOLS = "/run/docker-tools"
PATH = f"PATH={TOOLS}:/usr/sbin:/usr/bin:/sbin:/bin"
IMAGE = "image.tar"
# What its packages do when they are installed, and an init system before it starts anything.
PREPARE = """
set -e
mount -t overlay -o lowerdir={folder}/usr:/usr overlay /usr
mkdir {tools}
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
ln -s /usr/sbin/xtables-nft-multi {tools}/$name
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /var/lib
"""
PUBLISHED = ("--publish", "{port}:{port}")
OF_THE_GUEST = ("--network", "host")
UNFILTERED = ("--security-opt", "seccomp=unconfined")


@dataclasses.dataclass(frozen=True)
class Case:
    """A way to run a container."""
    name: str
    options: tuple
    mode: str = "hylics"
    moves: bool = False
    reason: str = ""            # that `hylics-guest why` has for it


CASES = (
    Case("a published port, without Hylics", PUBLISHED, mode="plain"),
    Case("a published port", PUBLISHED),
    Case("a published port, no seccomp filter", (*PUBLISHED, *UNFILTERED), reason="guest-nat"),
    Case("the guest's network", OF_THE_GUEST),
    Case("the guest's network, no seccomp filter", (*OF_THE_GUEST, *UNFILTERED), moves=True),
    Case("beside Docker, in no container", (), moves=True),
)


class InDocker(OffloadVm):
    """Offload whose servers run in containers."""

    options = ()
    container = None        # the last one

    def start_program(self, argv, node=None):
        """A container whose first process is the program, until it ends; none without options."""
        if not self.options:
            return super().start_program(argv, node)
        mounts = [f"--volume={place}:{place}{how}" for place, how in (
            ("/usr", ":ro"), (BUILD, ":ro"), (self.guest_run, ""), (self.in_guest(self.share), ""))]
        # the first process of a container is a session's already
        argv = argv[1:] if argv[0] == "setsid" else argv
        self.container = super().start_program(
            ["env", PATH, "docker", "run", "--rm", *mounts, *self.options, "tree", *argv], node)
        return self.container


def make_image(path):
    """A tree for `docker import`: what is not in /usr."""
    with tarfile.open(path, "w") as tar:
        for link in ("bin", "sbin", "lib", "lib64"):
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{link}"
            tar.addfile(entry)
        for name, text in (("passwd", "root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/false\n"),
                           ("group", "root:x:0:\nwww-data:x:33:\n")):
            entry = tarfile.TarInfo(f"etc/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))


def do(vm, script):
    """A script in the guest that has to succeed; what it says."""
    done = vm.run(f"export {PATH}\n{script}", DAEMON_S)
    assert done.code == 0, (script, done.stdout, done.stderr)
    return done.stdout


def start_daemons(stack, vm):
    """Docker's two; dockerd itself would wait for the other for 15 s, and not in vain."""
    socket = "/run/containerd.sock"
    for ready, argv in (("successfully booted", ["containerd", "--address", socket]),
                        ("API listen on", ["dockerd", "--containerd", socket, "--data-root",
                                           "/run/docker-data", "--storage-driver", "vfs"])):
        daemon = stack.enter_context(Job(vm, ["env", PATH, *argv]))
        wait_for(lambda: not daemon.alive() or any(ready in line for line in daemon.log), argv[0],
                 DAEMON_S, LOOK_S)
        assert daemon.alive(), daemon.log


def why(offload):
    """{reason: how often} of the guest."""
    told = json.loads(do(offload.machine.vm, f"{program('hylics-guest')} why --json --run-dir "
                                             f"{offload.guest_run}"))
    return {row["reason"]: row for row in told["reasons"]}


def ask(offload, site, server):
    """Files of all sizes, whole and in part, on connections that stay and on new ones."""
    tally = Tally()
    for seed in range(2):
        with asking(offload, server, site) as one:
            one_by_one(one, tally, mixed(REQUESTS // 2, seed, FILES))
    for name in FILES:
        with asking(offload, server, site) as one:
            tally.took(one.fetch(Ask(name)))
    return tally


def try_case(offload, site, case, port):
    """One container."""
    before = offload.settled()
    was = why(offload)
    offload.options = tuple(word.format(port=port) for word in case.options)
    try:
        server = site.start("lighttpd", port, case.mode, within_s=DAEMON_S)
    except BaseException:
        print(offload.container.log)
        raise
    tally = ask(offload, site, server)
    now = offload.settled()
    more = {name: now[name] - before[name] for name in ("moved", "bytes_file", "files_refused")}
    told = {reason: row for reason, row in why(offload).items() if row != was.get(reason)}
    assert server.stop() == 0
    print(f"# {case.name}: {len(tally.answers)} answers, {tally.large_bytes} bytes of large files",
          more, sorted(told), server.process.log, json.dumps(told.get(case.reason, {})), flush=True)
    assert (more["moved"] > 0) == case.moves
    if case.moves:
        assert more["bytes_file"] >= LEAST_SHARE * tally.large_bytes
    if case.reason:
        wait_for(lambda: case.reason in why(offload), case.reason)


def main(folder):
    """All of it."""
    wall.require()
    with Machine(memory="2G") as machine, contextlib.ExitStack() as stack:
        vm = machine.vm
        do(vm, PREPARE.format(folder=folder, tools=TOOLS))
        start_daemons(stack, vm)
        offload = stack.enter_context(InDocker(machine))
        make_image(offload.share / IMAGE)
        print("#", do(vm, f"docker import {offload.in_guest(offload.share / IMAGE)} tree; docker "
                          "version --format '{{.Server.Version}}'"), flush=True)
        site = Site(offload)
        for name, size in FILES.items():
            site.file(name, size)
        for port, case in enumerate(CASES, PORT):
            try_case(offload, site, case, port)
    print("it works")


if __name__ == "__main__":
    main(sys.argv[1])
