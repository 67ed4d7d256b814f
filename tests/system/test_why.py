# SPDX-License-Identifier: GPL-2.0-or-later
"""Why connections were not moved: what the guest tells, to whom, and what reaches the host.

The server is one that does what it is told (puppet.py), so that each reason comes when it is wanted.
"""

import contextlib
import json
import os
import re
import socket
import subprocess

import pytest
from moving import Puppet, wait_for

from hylab import BUILD, wall
from hylab.net import Net
from hylab.offload import Offload

GUEST = BUILD / "hylics-guest" / "hylics-guest"
BODY = 4 << 20
NOBODY = 65534


class Scene:
    """A guest with a server by hand, and a client that reads what comes."""

    def __init__(self, stack, **options):
        self.net = stack.enter_context(Net.bridge_uplink(spaces=1))
        self.offload = stack.enter_context(Offload(self.net, self.net.guests[0], **options))
        self.body = self.offload.file("body", BODY)
        self.stack = stack

    def puppet(self):
        """Another server."""
        return self.stack.enter_context(Puppet(self.offload))

    def ask(self, *words, user=None):
        """hylics-guest why, as a user; (exit code, standard output)."""
        environment = {**os.environ, **self.offload.environment}
        argv = [GUEST, "why", *words]
        if user is not None:
            argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *argv]
        done = subprocess.run([*self.offload.guest.node.prefix(), *argv], env=environment,
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    def why(self, user=None):
        """{reason: row}"""
        code, text = self.ask("--json", user=user)
        assert code == 0
        return {row["reason"]: row for row in json.loads(text)["reasons"]}


@pytest.fixture(name="scene")
def _scene():
    wall.require()
    with contextlib.ExitStack() as stack:
        yield Scene(stack)


@contextlib.contextmanager
def client(scene, server):
    """A connection to a server, which has accepted it."""
    sock = scene.stack.enter_context(
        scene.net.client.connect((scene.offload.guest_address, server.port)))
    with sock:
        server.do("accept")
        yield sock
