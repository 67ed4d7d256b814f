# SPDX-License-Identifier: GPL-2.0-or-later
"""The smallest tree, and build folder, that no checker complains of; test_checkers.py spoils it."""

_SPDX = "SPDX-License-Identifier: GPL-2.0-or-later"
_TOP = """/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * {} - example
 *
 * Runs in: nothing
 * Reads from: no untrusted input
 */
"""

_PAGE = f""".\\" {_SPDX}
.TH HYLICS 1 "" "Hylics" "Hylics"
.SH NAME
hylics \\- example
.SH SYNOPSIS
.BR hylics ,
.BR "hylics vm" ,
.BR hylics-worker ,
.BR hylics-agent ,
.BR hylics-guest ,
.BR hylics-talk ,
.BR hylics-sim ,
.BR hylics-fit ,
.BR hylics-keeper ,
.BR hylicsd ,
.B hylics-wire
.SH OPTIONS
.TP
.B -h, --help
Help.
.TP
.B --level LEVEL
A level.
.TP
.B --all
All of it.
.TP
.B --n N
A number.
"""

_KEYS = f""".\\" {_SPDX}
.TH HYLICSD.CONF 5 "" "Hylics" "Hylics"
.SH NAME
hylicsd.conf \\- example
.SH CONFIGURATION
.TP
.B run-dir = DIR
A folder.
Default: /run.
.TP
.B swap-file = PATH
A file.
.SH RECORDS
.TP
.B size = SIZE
A size.
"""

_OPENAPI = """{"paths": {
  "/v1/vms": {"get": {"summary": "all VMs", "responses": {"default": {}}}},
  "/v1/vms/{name}": {
    "parameters": [{"name": "name", "in": "path"}],
    "post": {"summary": "change", "responses": {"default": {}},
      "parameters": [{"name": "force", "in": "query"}],
      "requestBody": {"required": true, "content": {"application/json": {"schema": {
        "type": "object", "additionalProperties": false, "required": ["share"],
        "properties": {"share": {"allOf": [{"$ref": "#/components/schemas/size"}],
                                 "x-minimum": 4096}}}}}}}}},
 "components": {"schemas": {"size": {"type": "string"}}}}
"""

TREE = {
    "common/a.h": _TOP.format("a.h") + """#ifndef A_H
#define A_H

#include <stddef.h>

/**
 * a_take() - Take bytes
 * @r:	Cursor
 * @n:	How many
 *
 * Return: 0
 */
int a_take(int r, size_t n);
int a_more(int r);	/* shares the contract above */

/* Closes it. */
void a_close(void);

#endif
""",
    "common/a.c": _TOP.format("a.c") + """#include <stdbool.h>
#include <string.h>

#include "common/a.h"

const char *const run_dir = "HYLICS_RUN_DIR";

static bool same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

int a_take(int r, size_t n)
{
	return same(run_dir, "x") ? r : (int)n;
}
""",
    "common/README.md": "# common/\n",
    "proto/p.h": _TOP.format("p.h") + '#include <stdint.h>\n#include "common/a.h"\n',
    "proto/README.md": "# proto/\n",
    "hylicsd/d.h": _TOP.format("d.h") + '#include "common/a.h"\n#include <sys/socket.h>\n',
    "hylicsd/rights.h": _TOP.format("rights.h") + """#define RIGHTS(X)	\\
	X(CAP_CHOWN, "owners")	\\
	X(CAP_KILL, "ends")
""",
    "hylicsd/swap.c": _TOP.format("swap.c") + """#include <sys/swap.h>

/* syscalls: read, setsockopt(_, SOL_SOCKET, SO_LINGER), socket(AF_UNIX, SOCK_STREAM/0xf) */
static int swap(int fd)
{
	return swapon("x", read(fd, 0, 0) + sockopt_set(fd, SO_LINGER) + socket(1, 2, 3));
}
""",
    "packaging/systemd/hylicsd.service.in":
        f"# {_SPDX}\n[Service]\nCapabilityBoundingSet=CAP_CHOWN CAP_KILL\n",
    "packaging/README.md": "# packaging/\n",
    "docs/host.md": """# Host

## Capabilities

| capability | for |
|---|---|
| CAP_CHOWN | owners |
| CAP_KILL | ends |

## Privileged calls

| what | calls | where |
|---|---|---|
| swap | swapon | hylicsd/swap.c |
""",
    "hylicsd/README.md": "# hylicsd/\n",
    "cli/main.c": _TOP.format("main.c") + """#include "proto/p.h"

int main(void)
{
	return 0;
}
""",
    "cli/README.md": "# cli/\n",
    "libhylics/README.md": "# libhylics/\n",
    "twin/README.md": "# twin/\n",
    "lab/README.md": "# lab/\n",
    "lab/hylab/experiments/ping.py": f'# {_SPDX}\n"""An experiment\n\tof tabs."""\n',
    "tests/README.md": "# tests/\n",
    "tests/static/cppcheck-suppressions.txt": "# variables are at the top\nvariableScope\n",
    "tests/unit/test_d.c": _TOP.format("test_d.c") + '#include "hylicsd/d.h"\n',
    "tests/unit/meson.build": f"# {_SPDX}\n# tests of the daemon\nnames = ['d']\n",
    "meson.build": f"# {_SPDX}\n# builds nothing\nif true\n\tx = 1\nendif\n",
    "demo": f"#!/bin/sh\n# {_SPDX}\n# demo - shows nothing\ncat <<END\n         spaces\nEND\n",
    ".clang-tidy": """# What is off:
# -bugprone-easily-swappable-parameters: callbacks have their signature
Checks: >
  -*,
  bugprone-*,
  -bugprone-easily-swappable-parameters
WarningsAsErrors: '*'
""",
    "docs/openapi.json": _OPENAPI,
    "docs/wire.md": """# Bytes

## Messages

| type | name | lane | by | least | most | what |
|---|---|---|---|---|---|---|
| 1 | hello | control | both | 28 | 154 | begins |
| 2 | bye | control | both | 4 | 131 | ends |

## Reasons of a bye

| reason | name | |
|---|---|---|
| 1 | stopping | |

## Numbers

| name | value |
|---|---|
| FRAME_HEADER_LEN | 24 |
""",
    "docs/contracts.md": """# Contracts

## Exit codes

| code | name | |
|---|---|---|
| 0 | HY_EXIT_OK | |
| 1 | HY_EXIT_FAILED | |

## Error codes

| code | errno | exit |
|---|---|---|
| not-found | ENOENT | 3 |

## Fault steps

| step | when |
|---|---|
| chan.open | before |

## Limits

| name | value |
|---|---|
| HY_CHUNK_MAX | 16384 |
| HY_NAME_MAX | 63 |

## Why a connection was not moved

| number | reason | how to mend it |
|---|---|---|
| 0 | moved | |
| 1 | error | look |

## Environment

| variable | |
|---|---|
| HYLICS_RUN_DIR | |
""",
    "docs/map.md": """# Map

## Folders

| folder | |
|---|---|
| `common/` | [bytes](wire.md#reasons-of-a-bye) |
| `proto/` | [folder](../proto/) |
| `hylicsd/` | `[not a link](nowhere)` |
| `cli/` | [web](https://example.org/x) |
| `libhylics/` | |
| `twin/` | |
| `lab/` | |
| `packaging/` | |
| `tests/` | |
| `docs/` | |
""",
    "docs/spec.md": """# Promises

| promise | proof |
|---|---|
| one | `common/a.c: run_dir` |
| two | `hylics lab run ping` |
| three | *pending* |
""",
    "docs/man/hylics.1": _PAGE,
    "docs/man/hylics-wire.1": _PAGE,
    "docs/man/hylics-talk.1": _PAGE,
    "docs/man/hylics-sim.1": _PAGE,
    "docs/man/hylics-fit.1": _PAGE,
    "docs/man/hylics-keeper.8": _PAGE,
    "docs/man/hylicsd.8": _PAGE,
    "docs/man/hylics-guest.1": _PAGE + ".SH REASONS\n.TP\n.B error\nLook.\n",
    "docs/man/hylics-worker.8": _PAGE,
    "docs/man/hylics-agent.8": _PAGE,
    "docs/man/hylicsd.conf.5": _KEYS,
}

_TABLES = """message	1	hello	control	both	28	154	begins
message	2	bye	control	both	4	131	ends
bye	1	stopping
reason	0	moved
reason	1	error
mend	error	look
wire	FRAME_HEADER_LEN	24
exit	0	HY_EXIT_OK
exit	1	HY_EXIT_FAILED
error	not-found	ENOENT	3
step	chan.open	before
limit	HY_CHUNK_MAX	16384
limit	HY_NAME_MAX	63
config	run-dir	DIR	/run
config	swap-file	PATH	-
record	size	SIZE	-
"""


_ROUTES = """route	GET	/v1/vms	none	-	all VMs
route	POST	/v1/vms/{name}	must	force	change
member	POST	/v1/vms/{name}	share	size	required	4096	0
"""


def _prints(text):
    return f"#!/bin/sh\ncat <<'END'\n{text}END\n"


def _options(program, *commands):
    rest = "-\toptional\t-\t-\thelp\n"
    lines = [f"{program}\t-\t-\tgroup\t-\t-\t-\t-\texample\n",
             f"{program}\t--help\t-h\tflag\t{rest}",
             f"{program}\t--level\t-\tstring\tLEVEL\toptional\t-\t-\ta level\n",
             f"{program}\t--all\t-\tflag\t{rest}",
             f"{program}\t--n\t-\tint\tN\toptional\t-\t-\ta number\n"]
    lines += [f"{command}\t-\t-\tcommand\t-\t-\t-\t-\texample\n" for command in commands]
    return _prints("".join(lines))


BUILD = {
    "tests/static/print_tables": _prints(_TABLES),
    "tests/static/print_routes": _prints(_ROUTES),
    "hylics": _options("hylics", "hylics vm"),
    "hylics-wire": _options("hylics-wire"),
    "hylics-talk": _options("hylics-talk"),
    "hylics-sim": _options("hylics-sim"),
    "hylics-fit": _options("hylics-fit"),
    "hylics-worker/hylics-worker": _options("hylics-worker"),
    "hylics-agent/hylics-agent": _options("hylics-agent"),
    "hylics-guest/hylics-guest": _options("hylics-guest"),
    "hylics-keeper/hylics-keeper": _options("hylics-keeper"),
    "hylicsd/hylicsd": _options("hylicsd"),
}
