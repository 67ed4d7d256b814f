# SPDX-License-Identifier: GPL-2.0-or-later
"""Files put out of memory when something is not as it should be: nothing is lost."""

import contextlib
import mmap
import os
import pathlib
import signal
import subprocess

import pytest
from moving import children, is_stopped, wait_for
from soaking import CHURN, SEED, Api, Churn, Pager, assert_whole, check
from test_hylicsd_tiers import FILE, MB, MOST, SIZE, TRIES, are_in, pages, start, write
from test_hylicsd_tiers import swap_place

from hylab import BUILD
from hylab.hylicsd import SOON_S, Hylicsd

NAME = "web1"
ROUNDS = 10


@contextlib.contextmanager
def serving(size=SIZE, env=None):
    """(hylicsd, its share, its swap file); no swap of its own if the size is 0."""
    with swap_place() as file:
        host = Hylicsd()
        try:
            if size:
                start(host, file, size, env)
            else:
                host.start(env=env)
            shown = host.json("vm", "add", NAME, "--share", "96M")
            yield host, pathlib.Path(shown["share"]), file
        finally:
            host.close()


@pytest.fixture(name="held")
def _held():
    with serving() as held:
        yield held


def swaps():
    """Paths of all swap that is in use on this machine."""
    return [line.split()[0] for line in
            pathlib.Path("/proc/swaps").read_text(encoding="utf-8").splitlines()[1:]]


@pytest.mark.parametrize("size", [16 * MB, 0], ids=["full", "none"])
def test_swap_that_has_no_room(size, tmp_path):
    """Programs go on writing meanwhile: what is tried for nothing must not cost them memory."""
    with serving(size) as (host, share, file):
        content = {name: write(host, share, name) for name in ("one", "two")}
        before = host.limits()
        words = host.words_inside(NAME, CHURN, "work", share, tmp_path / "ledger", SEED, 1, 1)
        with Churn(words) as churn:
            pager = Pager(host, NAME, dict.fromkeys(("one", "two", "0-8M-0", "0-steady"), 1))
            for _ in range(ROUNDS):
                pager.round()
            pager.api.close()
            assert pager.counts["out"] and pager.counts["back"], pager.counts
            churn.end()
        assert_whole(*check(share, tmp_path / "ledger"))
        if set(swaps()) <= {str(file)}:     # what others have may be used, too
            after = [told["after"] for told in pages(host, "out", "one", "two", "0-8M-0")]
            assert sum(after) > FILE, after
        for name, was in content.items():
            assert (share / name).read_bytes() == was
        assert host.limits() == before and host.vm(NAME)["state"] == "ready"


def test_swap_that_goes_while_files_are_out(held):
    host, share, file = held
    content = {name: write(host, share, name) for name in ("one", "two")}
    pages(host, "out", "one", "two")
    assert host.vm(NAME)["swapped"] >= FILE
    subprocess.run(["swapoff", file], check=True, timeout=SOON_S)
    assert not host.vm(NAME)["swapped"] or swaps()
    for to in ("out", "in", "out"):
        pages(host, to, "one", "two")
    for name, was in content.items():
        assert (share / name).read_bytes() == was
    assert host.vm(NAME)["state"] == "ready"


def cut(share):
    """The file loses most of its end."""
    os.truncate(share / "it", 1000)


def lengthen(share):
    """It gets more."""
    with open(share / "it", "ab") as file:
        file.write(b"x" * 5000)


def remove(share):
    """It has no name any more."""
    (share / "it").unlink()


def replace(share):
    """Another one has its name."""
    (share / "new").write_bytes(b"another")
    (share / "new").rename(share / "it")


CHANGES = {cut: lambda was: was[:1000], lengthen: lambda was: was + b"x" * 5000,
           remove: lambda _: None, replace: lambda _: b"another"}


@pytest.mark.parametrize("to", ["out", "in"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_that_changes_in_the_middle(change, to):
    """Between that it was opened and counted, and that its pages are walked."""
    with serving(env={"HYLICS_FAULT": "vm.pages:stop:1"}) as (host, share, _):
        was = {name: write(host, share, name) for name in ("it", "same")}
        asking = subprocess.Popen([BUILD / "hylics", "vm", "pages", NAME, to, "it", "same",
                                   "--json", f"--run-dir={host.run}"], stdout=subprocess.PIPE,
                                  text=True)
        job = wait_for(lambda: next(filter(is_stopped, children(host.process.pid)), 0), "a job")
        change(share)
        os.kill(job, signal.SIGCONT)
        said = asking.communicate(timeout=SOON_S)[0]
        assert asking.returncode == 0 and "error" not in said, said
        wanted = CHANGES[change](was["it"])
        assert ((share / "it").read_bytes() if wanted else (share / "it").exists()) == \
            (wanted or False)
        assert (share / "same").read_bytes() == was["same"]


def test_hylicsd_is_killed_in_a_squeeze(held):
    """The limit of a VM with control=dynamic is low then: the next one knows better."""
    host, share, file = held
    host.ask("vm", "set", NAME, "control=dynamic", "slo=1s")
    content = write(host, share, "it")
    host.end(signal.SIGUSR1)
    start(host, file, env={"HYLICS_FAULT": "vm.pages:stop:2"})
    host.wait_for_state(NAME, "ready")
    before = host.limits()
    with subprocess.Popen([BUILD / "hylics", "vm", "pages", NAME, "out", "it",
                           f"--run-dir={host.run}"]) as asking:
        wait_for(lambda: host.limits()[NAME] < before[NAME], "a squeeze")
        wait_for(lambda: sum(map(is_stopped, children(host.process.pid))) == 2,
                 "it and the tender are stopped")
        host.kill()
        asking.wait(SOON_S)
    assert host.limits()[NAME] < before[NAME]
    start(host, file)
    wait_for(lambda: host.limits() == before, "the limit is what it was")
    assert (share / "it").read_bytes() == content


def names_of_one(share):
    """The same file by 16 names."""
    names = ["cold", *(f"link{number}" for number in range(15))]
    for name in names[1:]:
        os.link(share / "cold", share / name)
    return names


def swapped_out():
    """Bytes that this machine has written to swap."""
    counts = dict(line.split() for line in
                  pathlib.Path("/proc/vmstat").read_text(encoding="utf-8").splitlines())
    return int(counts["pswpout"]) * mmap.PAGESIZE


@contextlib.contextmanager
def mapped(path, length):
    """A file's beginning; what it brings touches all of it."""
    with open(path, "rb") as file, \
            mmap.mmap(file.fileno(), length, prot=mmap.PROT_READ) as start_of_it:
        yield lambda: start_of_it[::mmap.PAGESIZE]


@pytest.mark.parametrize("how", ["the same name", "hard links"])
def test_the_same_file_16_times(held, how):
    """It is put out once: nobody else's memory is taken for the other 15."""
    host, share, _ = held
    content = write(host, share, "cold"), write(host, share, "warm")
    names = ["cold"] * 16 if how == "the same name" else names_of_one(share)
    api = Api(host)
    written = 0

    def ask(to):
        nonlocal written
        before = swapped_out()
        status, said = api.ask(NAME, to, names)
        written = swapped_out() - before
        assert status == 200 and not any("error" in file for file in said["files"]), said
        return said["files"]

    def warm_stays(touch):
        wait_for(lambda: are_in(host, "cold", "warm"), "both are in memory")
        touch()
        assert all(file["after"] <= FILE // 8 for file in ask("out"))
        assert written < 8 * FILE, "the same pages are written once"
        return pages(host, "in", "warm")[0]["before"] >= MOST
    try:
        # what others have mapped does not go at once; nor does what a slow disk has not got yet
        with mapped(share / "cold", FILE // 16) as touch:
            stayed = [warm_stays(touch) for _ in range(TRIES)]
        assert sum(stayed) > TRIES // 2, f"only what was asked for goes: {stayed}"
        assert all(file["after"] == FILE for file in ask("in"))
    finally:
        api.close()
    assert content == ((share / "cold").read_bytes(), (share / "warm").read_bytes())
