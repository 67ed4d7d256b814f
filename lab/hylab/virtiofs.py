# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts virtiofsd for one share, the C one of QEMU 7.2 or the Rust one.

Found as libvirt finds it: through the vhost-user JSON files.
"""

import json
import pathlib
import re
import socket
import subprocess

from hylab import LabError

DESCRIPTIONS = (pathlib.Path("/etc/qemu/vhost-user"), pathlib.Path("/usr/share/qemu/vhost-user"))


def program(places=DESCRIPTIONS):
    """Path of the virtiofsd to use."""
    for place in places:
        for file in sorted(place.glob("*.json")):
            description = json.loads(file.read_text())
            if description.get("type") == "fs":
                return description["binary"]
    raise LabError("no virtiofsd: no file in " + ", ".join(map(str, places)) + " has type 'fs'; "
                   "install qemu-system-common (Debian 12) or virtiofsd")


class Virtiofsd:
    """A running virtiofsd, listening before it starts, so QEMU can connect at once."""

    def __init__(self, share, socket_path, log_path, launcher=()):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with listener, open(log_path, "wb") as log:
            listener.bind(str(socket_path))
            listener.listen(1)
            source = re.sub(r"([\\,])", r"\\\1", str(share.directory))
            options = f"source={source},cache={share.cache},{share.options}"
            self.process = subprocess.Popen(
                [*launcher, program(), f"--fd={listener.fileno()}", "-f", "-o", options],
                pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def pid(self):
        """Process id, for sampling."""
        return self.process.pid

    def close(self):
        """Kill and reap; it holds no state of its own."""
        self.process.kill()
        self.process.wait()
