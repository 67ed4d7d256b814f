# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules that come with Hylics, from the tree: as installed, and used by a lab's guest."""

import os
import re
import signal

from hylab import BUILD, TREE, LabError
from hylab.channel import program
from hylab.wait import wait_for

SERVERS = TREE / "packaging" / "modules"


def description(name):
    """A module's file as it is installed, with the servers' files where they are in the tree."""
    text = (BUILD / "packaging" / f"{name}.conf").read_text(encoding="utf-8")
    return re.sub(r"\S*/share/hylics/modules", str(SERVERS), text)


def ask(offload, *words, check=True):
    """`hylics-guest module` in the guest, as root there."""
    done = offload.run_in_guest([program("hylics-guest"), "module", *words, "--run-dir",
                                 offload.guest_run])
    if check and done.returncode:
        raise LabError(f"hylics-guest module {' '.join(words)}: {done.stderr.strip()}")
    return done


def allow(offload, name, text):
    """Let the guest use a module, described by this text; it knows of it when this returns."""
    offload.module_list.parent.mkdir(exist_ok=True)
    (offload.module_list.parent / f"{name}.conf").write_text(text, encoding="utf-8")
    with open(offload.module_list, "a", encoding="ascii") as file:
        file.write(name + "\n")
    os.kill(offload.keeper.pid, signal.SIGURG)
    wait_for(lambda: name in ask(offload, "list", check=False).stdout, f"no module {name}")
