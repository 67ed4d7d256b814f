# SPDX-License-Identifier: GPL-2.0-or-later
"""The build's list of system calls: what notes mean, and which of them cannot be meant."""

import pathlib
import subprocess
import sys
import tempfile

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "generated/syscalls.py"
MAIN = ("/* syscalls: read */", "int f(void);\nint main(void)\n{\n\treturn f();\n}\n")
LIMIT_S = 60


def listed(note, *options, unused="/* syscalls: unused */"):
    """Rows of the table for a main.c, a linked f.c with a note, and a file nothing refers to.

    What the program complains of instead, if it does.
    """
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        sources = {"main.c": "\n".join(MAIN),
                   "used.c": f"{note}\nint f(void)\n{{\n\treturn 0;\n}}\n",
                   "unused.c": f"{unused}\nint g(void);\nint g(void)\n{{\n\treturn 0;\n}}\n"}
        (top / "x/libx.a.p").mkdir(parents=True)
        for name, text in sources.items():
            (top / "x" / name).write_text(text)
            subprocess.run(["cc", "-c", "-o", f"x/libx.a.p/{name}.o", f"x/{name}"], cwd=top,
                           check=True, timeout=LIMIT_S)
        subprocess.run(["ar", "csrDT", "x/libx.a", *(f"x/libx.a.p/{name}.o" for name in sources)],
                       cwd=top, check=True, timeout=LIMIT_S)
        done = subprocess.run([sys.executable, "-B", PROGRAM, "--root", top, "--program", "good",
                               "--linker", "ld", *options, "--output", top / "out.c", "x/libx.a"],
                              cwd=top, capture_output=True, text=True, check=False,
                              timeout=LIMIT_S)
        if done.returncode:
            return done.stderr
        return [line.strip() for line in (top / "out.c").read_text().splitlines()
                if ".name" in line][:-1]


def row(name, *args):
    """As the table has it."""
    inside = ", ".join(f"{{ {', '.join(arg)} }}" for arg in args)
    inside = f", .n = {len(args)}, .arg = {{ {inside} }}" if args else ""
    return f'{{ .name = "{name}"{inside} }},'


def main():
    guarded = "#ifdef A\n/* syscalls: kill */\n#else\n/* syscalls: pause */\n#endif"
    exact = ("1", "UINT32_MAX", "F_GETFL")
    checks = {
        "what is linked counts, and nothing else":
            listed("/* syscalls: write, close */") ==
            [row("close"), row("read"), row("write")],
        "a note of several lines":
            listed("/*\n * syscalls: write,\n *\tclose\n */") ==
            [row("close"), row("read"), row("write")],
        "a value, a mask, bits that must not be":
            listed("/* syscalls: fcntl(_, F_GETFL), mmap(_, _, !PROT_EXEC), socket(A, B/0xf) */") ==
            [row("fcntl", exact), row("mmap", ("2", "PROT_EXEC", "0")), row("read"),
             row("socket", ("0", "UINT32_MAX", "A"), ("1", "0xf", "B"))],
        "a note for one program":
            listed("/* syscalls of good: write */\n/* syscalls of bad: kill */") ==
            [row("read"), row("write")],
        "what is not built is not noted":
            listed(guarded, "--defined", "A") == [row("kill"), row("read")] and
            listed(guarded, "--undefined", "A") == [row("pause"), row("read")],
        "with and without arguments":
            "makes x/used.c:1 void" in listed("/* syscalls: read(1) */"),
        "an argument that is none": "'a+b' is no argument" in listed("/* syscalls: x(a+b) */"),
        "a list that is none": "is no list of calls" in listed("/* syscalls: write. */"),
        "a note within another comment":
            "a comment of its own" in listed("/* About these syscalls: write */"),
        "too many arguments": "more than 3" in listed("/* syscalls: x(1, 2, 3, 4) */"),
    }
    for number, (name, good) in enumerate(checks.items(), 1):
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
    print(f"1..{len(checks)}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
