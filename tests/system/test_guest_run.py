# SPDX-License-Identifier: GPL-2.0-or-later
"""`hylics-guest run`: every program starts; those that can have the preload do, others are told."""

import os
import pathlib
import shutil
import signal
import socket
import stat
import struct
import subprocess

import pytest

from hylab.channel import program

BUILD = pathlib.Path(os.environ["HYLICS_BUILD"]).resolve()
PRELOAD = BUILD / "preload/libhylics-preload.so"
NO_AGENT = "no hylics-agent is there"
STATIC = "it is statically linked"
OTHER_LIBC = "it uses another C library than glibc"
RIGHTS = "it takes another user's rights, or capabilities"
FOREIGN = "it is a program of another kind of machine"
GO = "it is a Go program, which calls the kernel directly"
FILTERED = "a seccomp filter is there"
PATIENCE_S = 60

# Becomes a program whose system calls are filtered, all of them let through.
FILTERS = """
import ctypes, os, struct, sys
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
held = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 1, ctypes.addressof(code)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
if prctl(38, 1, 0, 0, 0) or prctl(22, 2, ctypes.c_void_p(ctypes.addressof(held)), 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
"""
SENDS = """
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	char line[4096];
	off_t from = 0;
	int pair[2], preloaded = 0, file = open(argv[argc - 1], O_RDONLY);
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps))
		preloaded |= strstr(line, "libhylics-preload") != NULL;
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	printf("%zd %d\\n", sendfile(pair[0], file, &from, 1000), preloaded);
	return 7;
}
"""

pytestmark = pytest.mark.skipif(b"__asan_init" in PRELOAD.read_bytes(), reason="sanitized")


@pytest.fixture(name="build", scope="module")
def _build(tmp_path_factory):
    """Builds the program once in each way; a function that gives its path, or skips."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "sends.c").write_text(SENDS)

    def build(compiler, *flags):
        path = folder / "-".join([compiler, *flags]).replace("/", "_")
        if not path.exists():
            if not shutil.which(compiler):
                pytest.skip(f"no {compiler}")
            subprocess.run([compiler, *flags, "-o", path, folder / "sends.c"], check=True,
                           timeout=PATIENCE_S)
        return path

    return build


@pytest.fixture(name="run")
def _run(tmp_path):
    """hylics-guest run of a command in an environment without an agent."""
    def run(*command, **environment):
        return subprocess.run([program("hylics-guest"), "run", *command], check=False, text=True,
                              errors="replace", capture_output=True, timeout=PATIENCE_S,
                              env={**os.environ, "HYLICS_RUN_DIR": str(tmp_path), **environment})
    return run


def told(done):
    """The one line on stderr, without who says it."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("hylics-guest run: "), done.stderr
    return lines[0]


def test_a_dynamic_program_has_the_preload(run, build):
    path = build("cc")
    done = run("--", path, path)
    assert done.stdout == "1000 1\n" and done.returncode == 7
    assert NO_AGENT in told(done)


@pytest.mark.parametrize("compiler,flags,why", [
    ("cc", ["-static"], STATIC), ("cc", ["-static-pie"], STATIC),
    ("musl-gcc", [], OTHER_LIBC), ("musl-gcc", ["-static"], STATIC)])
def test_others_start_without(run, build, compiler, flags, why):
    path = build(compiler, *flags)
    done = run(path, path)
    assert done.stdout == "1000 0\n" and done.returncode == 7
    assert told(done).endswith(f"started without Hylics: {why}")


@pytest.mark.parametrize("compiler,flags,has_it", [
    ("cc", [], 1), ("cc", ["-static"], 0), ("musl-gcc", [], 1), ("musl-gcc", ["-static"], 0)])
def test_children_of_a_preloaded_program_run(run, build, compiler, flags, has_it):
    path = build(compiler, *flags)
    done = run("sh", "-c", f"{path} {path}; echo $?")
    assert done.stdout == f"1000 {has_it}\n7\n"
    assert NO_AGENT in told(done)


@pytest.mark.parametrize("mode", [stat.S_ISUID, stat.S_ISGID])
def test_one_with_other_rights_starts_without(run, build, tmp_path, mode):
    path = tmp_path / "rights"
    shutil.copy(build("cc"), path)
    path.chmod(0o755 | mode)
    done = run(path, path)
    assert done.stdout == "1000 0\n" and told(done).endswith(RIGHTS)


def test_a_script_is_its_runner(run, build, tmp_path):
    for flags, why in ((["-static"], STATIC), ([], NO_AGENT)):
        script = tmp_path / f"script{len(flags)}"
        script.write_text(f"#! {build('cc', *flags)} {build('cc')}\n")
        script.chmod(0o755)
        done = run(script)
        assert done.returncode == 7 and why in told(done)
    again = tmp_path / "again"
    again.write_text(f"#!{tmp_path / 'script1'}\n")
    again.chmod(0o755)
    assert told(run(again)).endswith(STATIC)
    without = tmp_path / "without"     # which execvp(3) gives to sh
    without.write_text("exit 9\n")
    without.chmod(0o755)
    assert run(without).returncode == 9


def elf(bits, machine, interpreter, note=b""):
    """The head of a program, as far as it is looked at."""
    data = interpreter + b"\0"
    headers = [(3, data)] if interpreter else []
    headers += [(4, note)] if note else []
    at = 64 + 56 * len(headers)
    table, rest = b"", b""
    for kind, what in headers:
        table += struct.pack("<IIQQQQQQ", kind, 4, at + len(rest), 0, 0, len(what), len(what), 1)
        rest += what
    ident = b"\x7fELF" + bytes([{32: 1, 64: 2}[bits], 1, 1]) + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56,
                               len(headers), 0, 0, 0) + table + rest


LOADER = b"/lib64/ld-linux-x86-64.so.2"
GO_NOTE = struct.pack("<III", 4, 4, 4) + b"Go\0\0" + b"name"


@pytest.mark.parametrize("text,why", [
    (elf(32, 3, LOADER), FOREIGN),
    (elf(64, 243, LOADER), FOREIGN),
    (elf(64, 62, b"/lib/ld-musl-x86_64.so.1"), OTHER_LIBC),
    (elf(64, 62, LOADER, GO_NOTE), GO),
    (elf(64, 62, b"", GO_NOTE), GO),
    (elf(64, 62, b"/nowhere/ld-linux-x86-64.so.2"), "its C library cannot load"),
    (elf(64, 62, LOADER)[:100], "its file cannot be read"),
    (b"\x7fELF", "its file cannot be read")])
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="made for x86-64")
def test_what_is_odd_is_left_to_the_kernel(run, tmp_path, monkeypatch, text, why):
    monkeypatch.chdir(tmp_path)     # execvp() has a shell try it, which finds a '>' in one
    path = tmp_path / "odd"
    path.write_bytes(text)
    path.chmod(0o755)
    done = run(path)
    assert done.returncode == 126 or done.returncode < 0 or done.returncode == 127
    assert why in done.stderr.splitlines()[0]


def test_exit_codes_are_those_of_env(run, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("no program")
    for command, code in (("no-such-program", 127), (tmp_path / "nothing", 127), (plain, 126),
                          (tmp_path, 126), ("false", 1)):
        by_env = subprocess.run(["env", command], check=False, capture_output=True,
                                timeout=PATIENCE_S).returncode
        assert run(command).returncode == by_env == code, command
    assert run().returncode == 2


def test_what_was_preloaded_comes_first(run):
    show = ("sh", "-c", "echo $LD_PRELOAD")
    assert run(*show).stdout == f"{PRELOAD}\n"
    assert run(*show, LD_PRELOAD="libdl.so.2").stdout == f"libdl.so.2:{PRELOAD}\n"
    assert run(*show, LD_PRELOAD=str(PRELOAD)).stdout == f"{PRELOAD}\n"


def test_a_library_that_is_not_there_or_cannot_be_named(run, tmp_path):
    show = ("sh", "-c", "echo $LD_PRELOAD")
    done = run(*show, HYLICS_PRELOAD=str(tmp_path / "no.so"))
    assert done.stdout == "\n" and "is not there" in told(done)
    odd = tmp_path / "a b.so"
    shutil.copy(PRELOAD, odd)
    done = run(*show, HYLICS_PRELOAD=str(odd))
    assert done.stdout == "\n" and "holds a space" in told(done)
    odd.rename(tmp_path / "other.so")
    assert run(*show, HYLICS_PRELOAD=str(tmp_path / "other.so")).stdout == \
        f"{tmp_path / 'other.so'}\n"
    (tmp_path / "other.so").write_bytes(b"no library")
    done = run(*show, HYLICS_PRELOAD=str(tmp_path / "other.so"))
    assert done.stdout == "\n" and "cannot load" in told(done)


@pytest.fixture(name="agent")
def _agent(tmp_path):
    """A socket where programs look for the agent's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as agent:
        agent.bind(str(tmp_path / "agent.sock"))
        agent.listen()
        yield agent


@pytest.mark.usefixtures("agent")
@pytest.mark.skipif("Seccomp:\t0" not in pathlib.Path("/proc/self/status").read_text("ascii"),
                    reason="a seccomp filter is here")
def test_an_agent_that_is_there_is_not_spoken_of(run):
    assert run("true").stderr == ""


@pytest.mark.usefixtures("agent")
def test_a_filter_that_is_there_is_spoken_of(build, tmp_path):
    """As in containers: nothing moves, and nothing else would ever say why."""
    path = build("cc")
    done = subprocess.run(["/usr/bin/python3", "-c", FILTERS, program("hylics-guest"), "run", path,
                           path], check=False, text=True, capture_output=True, timeout=PATIENCE_S,
                          env={**os.environ, "HYLICS_RUN_DIR": str(tmp_path)})
    assert done.stdout == "1000 1\n" and done.returncode == 7, done.stderr
    assert FILTERED in told(done)


def test_it_becomes_the_program(tmp_path):
    """Number, parent and end by a signal are the program's."""
    with subprocess.Popen([program("hylics-guest"), "run", "sh", "-c",
                           "echo $$ $PPID; exec sleep 1000"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL,
                          env={**os.environ, "HYLICS_RUN_DIR": str(tmp_path)}) as process:
        assert process.stdout.readline().split() == [str(process.pid), str(os.getpid())]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == -signal.SIGINT


def test_a_program_that_closes_everything_goes_on(run):
    script = ("import os, socket\n"
              "os.closerange(3, 4096)\n"
              "a, b = socket.socketpair()\n"
              "f = os.open('/proc/self/exe', os.O_RDONLY)\n"
              "print(os.sendfile(a.fileno(), f, 0, 100000), a.fileno())\n")
    assert run("/usr/bin/python3", "-c", script).stdout == "100000 3\n"
