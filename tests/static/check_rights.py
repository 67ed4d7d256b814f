# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be done with privileges, and where: capabilities, privileged calls, notes of calls."""

import re
import sys

import c_source
import verdict
from check_docs import told
from verdict import Complaint

HOST = "docs/host.md"
RIGHTS = "hylicsd/rights.h"
UNIT = "packaging/systemd/hylicsd.service.in"
# What hylicsd is built of; a keeper's and a twin's privileges are over namespaces of their own.
FOLDERS = ("hylicsd/", "common/")
# Who may call one of these does what others cannot. Those that nobody may are in no row of HOST.
PRIVILEGED = """
mount umount umount2 move_mount open_tree mount_setattr fsopen fsconfig fsmount fspick pivot_root
chroot swapon swapoff setns unshare clone clone3 fork vfork execv execve execvp execveat
kill pidfd_send_signal process_madvise ptrace bpf chown fchown lchown fchownat mknod mknodat
setxattr lsetxattr fsetxattr setuid setgid setresuid setresgid setreuid setregid setgroups capset
reboot open_by_handle_at init_module finit_module sethostname settimeofday clock_settime ioperm iopl
""".split()
CALL = re.compile(rf"\b(?:SYS_|__NR_)?({'|'.join(PRIVILEGED)})\b(?=\s*[(,])")
NOTE = re.compile(r"/\*[\s*]*syscalls(?: of [\w-]+)?:(.*?)\*/", re.DOTALL)
# Its calls take their options from the table; tests/unit/test_sealed.c holds the two together.
OPTIONS, CARRIES_OUT = "proto/option.c", "channel/option.c"
LIBC = "common/sandbox.c"       # notes what libc calls of itself
# Functions by which a file makes a call of another name.
MADE_BY = {
    "bind": "getifaddrs", "clock_nanosleep": "nanosleep", "fstat": "fstat fopen opendir printf",
    "getdents64": "readdir", "getsockname": "getifaddrs unnamed", "getpeername": "unnamed",
    "ioctl": "sockopt_queued printf", "lseek": "fopen", "openat": "open fopen opendir",
    "newfstatat": "fstat fstatat stat fopen opendir printf", "openat2": "SYS_openat2",
    "pread64": "pread", "pwrite64": "pwrite", "read": "fgets", "recvfrom": "recv",
    "recvmsg": "getifaddrs", "sendto": "send getifaddrs", "socket": "getifaddrs",
    "setsockopt": "sockopt_set sockopt_try SOCKOPT_TRY set_u32", "write": "fprintf printf",
}
CONSTANT = re.compile(r"\b(?:SO_|SIOC|F_|IP_|IPV6_|SIG)\w+")


def _rights(tree):
    """[(capability, what for)] of the code, in its order."""
    return re.findall(r'\bX\((CAP_\w+), "([^"]*)"\)', tree.text(RIGHTS))


def documented(tree):
    """host.md has the table of capabilities that the code has."""
    wanted = _rights(tree)
    rows = told(tree, HOST, "Capabilities")
    there = [tuple(cells[:2]) for _, cells in rows]
    for number, cells in rows:
        if tuple(cells[:2]) not in wanted:
            yield Complaint(HOST, number, f"not in {RIGHTS}: {' | '.join(cells[:2])}")
    for row in wanted:
        if row not in there:
            yield Complaint(HOST, 0, f"missing below 'Capabilities': | {' | '.join(row)} |")


def unit(tree):
    """systemd gives hylicsd what it keeps, and nothing else."""
    wanted = {name for name, _ in _rights(tree)}
    lines = [(number, line.partition("=")[2].split()) for number, line in tree.lines(UNIT)
             if line.startswith("CapabilityBoundingSet=")]
    if len(lines) != 1:
        yield Complaint(UNIT, 0, f"want one line CapabilityBoundingSet=, there are {len(lines)}")
    for number, names in lines:
        if set(names) != wanted:
            wrong = ", ".join(sorted(set(names) ^ wanted))
            yield Complaint(UNIT, number, f"CapabilityBoundingSet= differs from {RIGHTS}: {wrong}")


def _verbs(tree):
    """{file: calls it may make}, and the line of each (file, call), by the table of host.md."""
    allowed, lines = {}, {}
    for number, cells in told(tree, HOST, "Privileged calls"):
        for path in cells[2].replace(",", " ").split():
            for call in cells[1].replace(",", " ").split():
                allowed.setdefault(path, set()).add(call)
                lines[path, call] = number
    return allowed, lines


def _made(text):
    """(line, call) of every privileged call."""
    code = c_source.code_only(text)
    for match in CALL.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match[1]


def privileged(tree):
    """A privileged call stands in the file that host.md names for it."""
    allowed, _ = _verbs(tree)
    for path in tree.of_kind("c"):
        if path.endswith(".c") and path.startswith(FOLDERS):
            for number, call in _made(tree.text(path)):
                if call not in allowed.get(path, ()):
                    yield Complaint(path, number, f"{call}(): not in the table of {HOST}")


def listed(tree):
    """What host.md allows is there: the list is closed, and no longer than it must be."""
    _, lines = _verbs(tree)
    for (path, call), number in lines.items():
        if path not in tree or call not in {made for _, made in _made(tree.text(path))}:
            yield Complaint(HOST, number, f"{path} does not call {call}()")


def notes(tree):
    """A note of system calls names what its file does, not what it did once."""
    for path in tree.of_kind("c"):
        if not path.endswith(".c") or path == LIBC:
            continue
        text = tree.text(path)
        code = c_source.without_comments(text)
        if path == CARRIES_OUT:
            code += tree.text(OPTIONS)
        for note in NOTE.finditer(text):
            number = text.count("\n", 0, note.start()) + 1
            for name in re.findall(r"\b([a-z_]\w*)\b(?!\s*/)", re.sub(r"\([^)]*\)", "", note[1])):
                ways = [name, *MADE_BY.get(name, "").split()]
                if not re.search(rf"\b(?:{'|'.join(ways)})\b", code):
                    yield Complaint(path, number, f"notes {name}(), which is not called here")
            for name in CONSTANT.findall(note[1]):
                if not re.search(rf"\b{name}\b", code):
                    yield Complaint(path, number, f"notes {name}, which is not used here")


RULES = (
    ("host.md lists the capabilities of the code", documented),
    ("the unit of systemd has the same capabilities", unit),
    ("privileged calls stand where host.md says", privileged),
    ("host.md lists no privileged call that is not there", listed),
    ("notes of system calls name what the file calls", notes),
)

if __name__ == "__main__":
    sys.exit(verdict.main(RULES))
