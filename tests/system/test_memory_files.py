# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of a dynamic VM: idle ones leave memory, opened ones and the next by number come back."""

import hashlib

import pytest
from moving import wait_for
from test_memory_control import MB, QUICK, _file, _host, start      # noqa: F401

FILE_MB = 4
NAMES = [f"seg-{number:04}.ts" for number in range(7, 12)]


@pytest.fixture(name="share")
def _share(host, file):
    """Of a VM that is told to have nothing idle in memory; with a stream's segments."""
    start(host, file)
    host.ask("vm", "add", "web1", "--share", "128M", "--control=dynamic", "--slo=10s",
             "--idle=1s", *QUICK)
    place = host.run / "vm" / "web1" / "share"
    for name in NAMES:
        host.inside("web1", "dd", "if=/dev/urandom", f"of={place / name}", "bs=1M",
                    f"count={FILE_MB}")
    return place


def files(host):
    """What the VM's tender tells; nothing while it is being started."""
    return host.vm("web1").get("files", {})


def in_memory(host):
    """{name: bytes}"""
    return {file["path"]: file["memory_bytes"] for file in files(host).get("shown", ())}


def are_out(host, names):
    """The kernel chooses which pages go; a few of a file stay."""
    now = in_memory(host)
    return all(now.get(name, FILE_MB * MB) <= FILE_MB * MB // 8 for name in names)


def until_all_is_out(host):
    """All that is idle has gone."""
    wait_for(lambda: are_out(host, NAMES), "idle files are out of memory")


def sums(place):
    """Of all files."""
    return [hashlib.sha256((place / name).read_bytes()).hexdigest() for name in NAMES]


def test_what_is_idle_goes_and_what_is_opened_comes_back_with_the_next_two(host, share):
    before = sums(share)
    until_all_is_out(host)
    assert files(host)["put_out"] >= len(NAMES)
    assert files(host)["put_out_bytes"] >= len(NAMES) * FILE_MB * MB * 7 // 8
    host.ask("vm", "set", "web1", "idle=1h")
    host.inside("web1", "head", "-c1", share / NAMES[1])
    wait_for(lambda: [in_memory(host)[name] for name in NAMES[1:4]] == [FILE_MB * MB] * 3,
             "the opened one and the next two are back")
    assert files(host)["brought_back"] == 3
    assert are_out(host, (NAMES[0], NAMES[4]))
    said = host.ask("vm", "show", "web1").stdout
    assert "3 brought back" in said and NAMES[1] in said, said
    assert sums(share) == before


def test_static_has_no_tender_and_touches_no_file(host, share):
    before = sums(share)
    until_all_is_out(host)
    host.ask("vm", "set", "web1", "control=static")
    assert host.vm("web1")["control"]["control"] == "static"
    wait_for(lambda: "files" not in host.vm("web1"), "the tender is gone")
    assert sums(share) == before
    host.ask("vm", "set", "web1", "control=dynamic")
    until_all_is_out(host)
    assert sums(share) == before


def test_a_limit_below_what_is_in_use_is_had(host, share):
    before = sums(share)
    host.ask("vm", "set", "web1", "idle=0s", "memory=8M", "memory-min=8M")
    wait_for(lambda: files(host).get("limit_bytes") == 8 * MB, "the lower limit is in force")
    assert files(host)["stuck"] == 0
    assert sums(share) == before


def test_each_read_is_seen(host, share):
    """A file that is read again and again is in use, however seldom it is opened."""
    assert files(host)
    with open(share / NAMES[0], "rb", buffering=0) as file:
        times = [share.joinpath(NAMES[0]).stat().st_atime_ns]
        for _ in range(3):
            def is_seen():
                file.seek(0)
                file.read(1)
                return share.joinpath(NAMES[0]).stat().st_atime_ns > times[-1]
            wait_for(is_seen, "a later time")    # the kernel's clock for it moves in steps
            times.append(share.joinpath(NAMES[0]).stat().st_atime_ns)
