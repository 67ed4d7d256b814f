# SPDX-License-Identifier: GPL-2.0-or-later
"""What hylicsd may do, and what those it starts may: the capabilities it says, and no others."""

import pathlib
import re

import pytest

from hylab.hylicsd import Hylicsd

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTED = re.findall(r"^\| (CAP_\w+) \|", (ROOT / "docs/host.md").read_text(), re.MULTILINE)
HEADER = pathlib.Path("/usr/include/linux/capability.h").read_text()
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def bit(name):
    """1 shifted by a capability's number."""
    return 1 << int(re.search(rf"#define {name}\s+(\d+)", HEADER).group(1))


def listed(*but):
    """The documented set, without some of it."""
    return sum(bit(name) for name in LISTED if name not in but)


def status(pid):
    """{set or NoNewPrivs: value} of a process."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    words = dict(line.split(":", 1) for line in lines)
    return {name: int(words[name], 16) for name in (*SETS, "NoNewPrivs")}


OURS = status("self")["CapBnd"]


def of_root(all_of_it):
    """What root's process has to show; what this place has not got, nobody in it has."""
    return {"CapInh": 0, "CapAmb": 0, "NoNewPrivs": 1} | {
        name: all_of_it & OURS for name in ("CapPrm", "CapEff", "CapBnd")}


@pytest.fixture(name="start")
def _start(tmp_path):
    """Start a hylicsd by other words in front of it; that, and where its log is."""
    hosts = []

    def start(*prefix):
        host = Hylicsd()
        log = tmp_path / f"log{len(hosts)}"
        hosts.append((host, list(host.words)))
        host.words = [*prefix, "sh", "-c", f'exec "$@" 2>{log}', "sh", *host.words]
        return host.start(), log
    yield start
    for host, words in hosts:
        host.words = words
        host.close()


def said_missing(log):
    """Capabilities whose lack is told, each with what it is for."""
    return re.findall(r"warning: no (CAP_\w+), which is for: \w", log.read_text())


def test_hylicsd_and_its_keeper_have_what_is_listed(start):
    host, log = start()
    assert len(LISTED) > 10
    assert status(host.process.pid) == of_root(listed())
    host.ask("vm", "add", "web1", "--share", "64M")
    host.wait_for_worker()
    assert status(host.keeper("web1")) == of_root(listed())
    assert said_missing(log) == [name for name in LISTED if not OURS & bit(name)]


def test_what_is_missing_is_told_and_fails_in_its_turn(start):
    host, log = start("setpriv", "--bounding-set=-sys_admin,-setpcap", "--inh-caps=-all")
    lost = ("CAP_SYS_ADMIN", "CAP_SETPCAP")
    assert set(said_missing(log)) >= set(lost)
    now = status(host.process.pid)
    assert now["CapPrm"] == now["CapEff"] == listed(*lost) & OURS
    # nobody may lower it without CAP_SETPCAP, and no exec makes use of it
    assert now["CapBnd"] == OURS & ~bit("CAP_SYS_ADMIN") & ~bit("CAP_SETPCAP")
    assert now["NoNewPrivs"] == 1
    done = host.ask("vm", "add", "web1", "--share", "64M", check=False)
    assert done.returncode == 1 and "Operation not permitted" in done.stderr, done
    assert host.nothing_left() and not any(host.vms.iterdir())


def test_without_any_it_still_answers(start):
    host, log = start("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    assert said_missing(log) == LISTED
    assert status(host.process.pid) == of_root(0)
    assert host.json("vm", "list")["vms"] == []


def test_who_is_not_root_hands_on_what_is_listed(start):
    """And no more, though it has been given more."""
    names = [name for name in (*LISTED, "CAP_NET_RAW", "CAP_SYS_CHROOT") if OURS & bit(name)]
    given = ",".join("+" + name[4:].lower() for name in names)
    host, _ = start("setpriv", "--reuid=65534", "--clear-groups", f"--inh-caps={given}",
                    f"--ambient-caps={given}")
    now = status(host.process.pid)
    assert {now[name] for name in SETS} == {listed() & OURS}
    host.ask("vm", "add", "web1", "--share", "64M")
    host.wait_for_worker()
    assert status(host.keeper("web1"))["CapAmb"] == listed() & OURS
    host.ask("vm", "remove", "web1")
    assert host.nothing_left()
