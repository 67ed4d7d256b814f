# SPDX-License-Identifier: GPL-2.0-or-later
"""What a package is made of: units that systemd understands, programs that run in any guest."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

BUILD = pathlib.Path(os.environ["HYLICS_BUILD"])
GUEST_PROGRAMS = ("hylics-agent", "hylics-guest")
# Each gives a service a mount table of its own: what it mounts then nobody else sees.
HIDES_MOUNTS = re.compile(r"^(Private(Tmp|Devices|Mounts|Users)|Protect(System|Home|Kernel\w*|Proc)"
                          r"|Read(Only|Write)Paths|InaccessiblePaths|BindPaths|RootDirectory"
                          r"|TemporaryFileSystem|DynamicUser|MountFlags)\s*=", re.MULTILINE)


def unit(tmp_path, name):
    """A unit of the build folder, with a program that is there."""
    text = (BUILD / "packaging" / f"{name}.service").read_text()
    program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE).group(1)
    assert program.startswith("/") and pathlib.Path(program).name == name
    path = tmp_path / f"{name}.service"
    path.write_text(text.replace(program, str(BUILD / name / name)))
    return path


@pytest.mark.parametrize("name", ["hylics-agent", "hylicsd"])
def test_systemd_understands_the_unit(tmp_path, name):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    path = unit(tmp_path, name)
    shutil.copy(pathlib.Path(__file__).parents[2] / "packaging/systemd/hylicsd.socket", tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True,
                          text=True, check=False, timeout=60,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    ours = [line for line in done.stderr.splitlines() if "hylics" in line]
    assert not ours and done.returncode == 0, done.stderr


def test_the_agents_unit_hides_no_mount():
    text = (BUILD / "packaging/hylics-agent.service").read_text()
    assert not HIDES_MOUNTS.search(text)
    assert "Type=notify" in text and "@" not in text


@pytest.mark.parametrize("name", GUEST_PROGRAMS)
def test_a_guests_program_needs_nothing_of_the_guest(name):
    program = BUILD / name / name
    if b"__asan_init" in program.read_bytes():
        pytest.skip("sanitized programs are not static")
    headers = subprocess.run(["readelf", "--wide", "--program-headers", "--dynamic", program],
                             capture_output=True, text=True, check=True, timeout=60).stdout
    assert "INTERP" not in headers and "(NEEDED)" not in headers
    # the C library's name services load libraries of the machine, static or not
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True,
                             timeout=60).stdout
    assert not re.search(r" T (getaddrinfo|getpw\w+|getgr\w+|gethostby\w+|dlopen)$", symbols,
                         re.MULTILINE)


def test_what_a_guest_gets_is_installed_by_its_tag(tmp_path):
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--tags", "guest",
                    "--destdir", tmp_path], check=True, timeout=120)
    there = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {"hylics-agent", "hylics-guest", "hylics-agent.service", "hylics-agent.8",
                     "hylics-guest.1", "libhylics-preload.so"}
