# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that does what it is told: orders are lines on standard input, answers lines of JSON.

The other end is moving.Puppet.
"""

import json
import sys


def obey(server):
    """Until standard input ends. An order names a method, its words follow."""
    print(json.dumps({"port": server.listener.getsockname()[1]}), flush=True)
    for line in sys.stdin:
        name, *words = line.split()
        try:
            said = getattr(server, name)(*words) or {}
        except OSError as error:
            said = {"errno": error.errno, "error": str(error)}
        print(json.dumps(said), flush=True)
