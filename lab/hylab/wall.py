# SPDX-License-Identifier: GPL-2.0-or-later
"""The wall: the namespaces that `hylics lab` puts around the lab. Checks that they are there.

`hylics lab` unshares pid, mount, net, ipc and uts namespaces and mounts a private tmpfs on /run
before it starts Python. When it dies, the kernel takes every process, mount and interface of the
lab with it; only cgroup directories outlive it, below the name in $HYLICS_LAB_CGROUP.
"""

import array
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys

from hylab import LabError

INSIDE_VARIABLE = "HYLICS_LAB_WALL"
CGROUP_VARIABLE = "HYLICS_LAB_CGROUP"
RUN = pathlib.Path("/run/hylab")

_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1
_IFREQ_BYTES = 40


def require():
    """Refuse to go on outside the wall: the lab must never meet the machine's own network."""
    if INSIDE_VARIABLE not in os.environ:
        raise LabError("the lab runs only inside its wall: start it as 'build/hylics lab ...', or "
                       "any command as 'build/hylics lab exec -- COMMAND'", 2)
    foreign = interfaces_up() - {"lo"}
    if foreign:
        raise LabError(f"network interfaces are up here ({', '.join(sorted(foreign))}): this is "
                       "not the lab's own namespace; start it as 'build/hylics lab ...'", 2)
    RUN.mkdir(parents=True, exist_ok=True)


def interfaces_up():
    """Names of the interfaces that are up in this process's network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return {name for _, name in socket.if_nameindex() if _flags(sock, name) & _IFF_UP}


def mount_tmpfs(directory, size_bytes, closing):
    """A tmpfs there, until the ExitStack is closed."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "hylics",
                           directory], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{directory}: {done.stderr.strip()}")
    closing.callback(subprocess.run, ["umount", "-l", directory], check=False)


def _flags(sock, name):
    request = array.array("B", name.encode().ljust(_IFREQ_BYTES, b"\0"))
    fcntl.ioctl(sock, _SIOCGIFFLAGS, request)
    return struct.unpack_from("H", request, 16)[0]


def end_on_signals():
    """Turn SIGTERM and SIGHUP into an ordinary exit, so that every 'with' block cleans up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: sys.exit(128 + got))
