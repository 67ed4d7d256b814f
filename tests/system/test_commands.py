# SPDX-License-Identifier: GPL-2.0-or-later
"""The two commands of the README: help, typing mistakes, another distribution."""

import pathlib
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
COMMANDS = ("demo", "check")


def run(command, *words, **settings):
    """Run ./demo or ./check; CompletedProcess with text output."""
    return subprocess.run([str(TREE / command), *words], capture_output=True, text=True,
                          timeout=60, check=False, **settings)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"usage: ./{command}" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_typing_mistake_is_wrong_use_and_starts_nothing(command):
    done = run(command, "--hepl")
    assert done.returncode == 2
    assert "unknown" in done.stderr and "'--hepl'" in done.stderr
    assert f"usage: ./{command}" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_another_distribution_is_refused_with_the_list_of_packages(command, tmp_path):
    """Inside the wall a mount over /etc/os-release is nobody else's business."""
    other = tmp_path / "os-release"
    other.write_text('ID=otheros\nVERSION_ID="7"\n', encoding="utf-8")
    subprocess.run(["mount", "--bind", str(other), "/etc/os-release"], check=True)
    try:
        done = run(command)
    finally:
        subprocess.run(["umount", "/etc/os-release"], check=True)
    assert done.returncode == 1
    assert "Nothing was done" in done.stderr
    for line in (TREE / "packaging/deps.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            assert line.split()[0] in done.stderr
