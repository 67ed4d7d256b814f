# SPDX-License-Identifier: GPL-2.0-or-later
"""hylics doctor on this machine, with hylicsd and without, as root and as nobody."""

import json
import os
import pathlib
import signal
import subprocess

import pytest
from hylab.hylicsd import BUILD, running
from moving import wait_for

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "man" / "hylics.1"


@pytest.fixture(name="host", scope="module")
def _host():
    with running() as host:
        yield host


def look(host, code=0):
    """{name: finding}, and all it said."""
    done = host.ask("doctor", "--json", check=False)
    assert done.returncode == code, done
    said = json.loads(done.stdout)
    found = {one["name"]: one for one in said["checks"]}
    assert len(found) == len(said["checks"])
    for state, name in (("bad", "bad"), ("warning", "warnings")):
        assert said[name] == sum(one["state"] == state for one in said["checks"])
    assert ("error" in said) == (code != 0) == bool(done.stderr)
    return found, said


def test_where_the_tests_run_nothing_is_bad(host):
    found, _ = look(host)
    for name in ("kernel", "bpf", "user-namespaces", "tcp-repair", "cgroup", "tmpfs", "virtiofsd",
                 "hylicsd", "vms"):
        assert found[name]["state"] == "ok", found[name]
    assert "version" in found["virtiofsd"]["found"]
    done = host.ask("doctor")
    assert [line.split()[1] for line in done.stdout.splitlines()
            if line.strip() and not line.startswith(" ")] == list(found)
    assert "\033" not in done.stdout


def test_the_page_names_all(host):
    page = PAGE.read_text(encoding="utf-8").replace("\\-", "-")
    listed = page.split("The things are ")[1].split(".")[0].replace(" and ", ", ").split(", ")
    assert listed == list(look(host)[0])


def test_a_vm_that_complains_is_named(host):
    share = pathlib.Path(host.json("vm", "add", "web1", "--share", "4M")["share"])
    (share / "file").write_bytes(bytes(2 << 20))
    host.ask("vm", "set", "web1", "size=1M", check=False)
    found, _ = look(host)
    assert found["vms"]["state"] == "warning" and "web1" in found["vms"]["found"]
    host.ask("vm", "remove", "web1")
    assert look(host)[0]["vms"]["state"] == "ok"


def test_a_full_run_directory_is_bad(host):
    place = host.top / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", place], check=True)
    try:
        done = subprocess.run([BUILD / "hylics", "doctor", "--json", f"--run-dir={place}"],
                              capture_output=True, text=True, check=False, timeout=60)
    finally:
        subprocess.run(["umount", place], check=True)
    found = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1 and found["run-dir"]["state"] == "bad", done
    assert found["hylicsd"]["state"] == "bad" and "start hylicsd" in found["hylicsd"]["mend"]


def test_without_hylicsd(host):
    host.end(signal.SIGUSR1)
    found, said = look(host, 1)
    assert found["hylicsd"]["state"] == "bad" and found["vms"]["state"] == "skipped"
    assert said["error"]["code"] == "failed"
    done = host.ask("doctor", check=False)
    assert done.returncode == 1 and "mended" in done.stderr
    host.start()
    wait_for(lambda: look(host), "all is well again")


def test_nobody_is_told_what_he_may_not_ask(host):
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           BUILD / "hylics", "doctor", "--json", f"--run-dir={host.run}"],
                          capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "LC_ALL": "C"})
    if done.returncode in (126, 127):
        pytest.skip("nobody may not come to the build folder")
    found = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert found["rights"]["state"] == "warning" and found["bpf"]["state"] == "skipped"
    assert found["hylicsd"]["state"] == "bad"
