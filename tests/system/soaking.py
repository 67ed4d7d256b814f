# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of a share put out of memory and brought back, again and again, while programs use them.

churn (tests/churn) is the programs: it knows every byte. HYLICS_SEED=N chooses another order.
"""

import collections
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading

from hylab import BUILD, LabError
from hylab.hylicsd import SOON_S
from hylab.wait import wait_for

CHURN = BUILD / "tests" / "churn" / "churn"
AT_A_TIME = 16
SEED = int(os.environ.get("HYLICS_SEED", "1"))
# How often each kind of file of churn's is chosen; those of 8 MB are most of what is moved at all.
KINDS = {"1": 150, "4095": 150, "4096": 150, "4097": 150, "65537": 100, "steady": 8, "sparse": 1}
NEVER = ("wrong", "enospc", "sigbus", "errors")


class Api:
    """Requests to hylicsd without a program for each; a hylicsd that died has no answer."""

    def __init__(self, host):
        self._host = host
        self._http = None

    def send(self, name, to, paths):
        """Ask; receive() has the answer."""
        if not self._http:
            self._http = http.client.HTTPConnection("localhost", timeout=2 * SOON_S)
            self._http.sock = socket.socket(socket.AF_UNIX)
            self._http.sock.settimeout(2 * SOON_S)
            self._http.sock.connect(str(self._host.run / "api.sock"))
        self._http.request("POST", f"/v1/vms/{name}/pages",
                           json.dumps({"to": to, "paths": list(paths)}),
                           {"Content-Type": "application/json"})

    def receive(self):
        """(status, what it says); None if hylicsd is gone."""
        try:
            answer = self._http.getresponse()
            return answer.status, json.loads(answer.read())
        except (http.client.HTTPException, ConnectionError):
            self.close()
            return None

    def ask(self, name, to, paths):
        """send() and receive(); anew if hylicsd has closed an idle connection."""
        for _ in range(2):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send(name, to, paths)
                answer = self.receive()
                if answer:
                    return answer
            self.close()
        raise AssertionError("hylicsd does not answer")

    def close(self):
        """The connection."""
        if self._http:
            self._http.close()
        self._http = None


class Pager:
    """Chooses files, has them put out and brought back, and counts.

    out, back: files that were asked for and done; fewer, more: of them, those of which less, or
    more, was in memory afterwards; gone: ones whose name had just gone; cut: ones in requests
    whose hylicsd was killed; died: ones in requests whose job the kernel killed for memory.
    """

    def __init__(self, host, name, weights, seed=SEED):
        self.api = Api(host)
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self._name = name
        self._weights = weights
        self._out = set()

    def choose(self):
        """Some that have a name; the same never twice in one request."""
        names, weights = list(self._weights), list(self._weights.values())
        chosen = set()
        while len(chosen) < min(AT_A_TIME, len(names)):
            chosen.update(self.random.choices(names, weights, k=AT_A_TIME))
        return self.random.sample(sorted(chosen), min(AT_A_TIME, len(chosen)))

    def choose_back(self):
        """Of those that are out."""
        return self.random.sample(sorted(self._out), min(AT_A_TIME, len(self._out)))

    def _count(self, to, files):
        for file in files:
            if "error" in file:
                assert file["error"]["code"] == "not-found", file
                self.counts["gone"] += 1
                continue
            self.counts["out" if to == "out" else "back"] += 1
            if file["after"] < file["before"]:
                self.counts["fewer"] += to == "out"
            elif file["after"] > file["before"]:
                self.counts["more"] += to == "in"

    def do(self, to, paths):
        """One request, which has to succeed, unless the cgroup's memory ends: see oom_kills()."""
        status, said = self.api.ask(self._name, to, paths)
        if status == 500 and "killed by signal 9" in said["error"]["message"]:
            self.counts["died"] += len(paths)
        else:
            assert status == 200, said
            self._count(to, said["files"])
        self._remember(to, paths)

    def do_cut(self, to, paths, cut):
        """One request that may die of what cut() does meanwhile."""
        self.api.send(self._name, to, paths)
        cut()
        answer = self.api.receive()
        if answer and answer[0] == 200:
            self._count(to, answer[1]["files"])
        else:
            self.counts["cut"] += len(paths)
        self.api.close()
        self._remember(to, paths)

    def _remember(self, to, paths):
        if to == "out":
            self._out.update(paths)
        else:
            self._out.difference_update(paths)

    def round(self):
        """Some out, as many back; not always the same."""
        self.do("out", self.choose())
        self.do("in", self.choose_back())

    def run(self, count, meanwhile=None, every=0):
        """So many out and so many back; meanwhile() every so many."""
        goal, due = min(self.counts["out"], self.counts["back"]) + count, every
        begun = goal - count
        while (done := min(self.counts["out"], self.counts["back"])) < goal:
            self.round()
            if meanwhile and done - begun >= due:
                due += every
                meanwhile()


def weights_of(hands, large, more):
    """Names of churn's files and how often each is chosen."""
    kinds = {**KINDS, **{f"8M-{number}": 1 for number in range(large)}}
    return {**{f"{hand}-{kind}": often for hand in range(hands)
               for kind, often in kinds.items()}, **more}


def check(folder, ledger):
    """What churn finds in the files it has left."""
    done = subprocess.run([CHURN, "check", folder, ledger], capture_output=True, text=True,
                          check=False, timeout=10 * SOON_S)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.stderr


def assert_whole(said, why=""):
    """No wrong byte, and nothing that could not be done."""
    assert all(said[name] == 0 for name in NEVER), (said, why)


class Churn:
    """churn at work, by words that start it; closed with the `with` block."""

    def __init__(self, words, patience_s=20 * SOON_S):
        self._patience_s = patience_s
        self._errors = ""
        self._process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stderr:
            self._errors += line

    def __enter__(self):
        if self._process.stdout.readline() != "ready\n":
            self.__exit__()
            raise LabError(f"churn could not begin: {self._errors}")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._process.stderr.close()

    def _say(self, signo):
        self._process.send_signal(signo)
        limit = threading.Timer(self._patience_s, self._process.kill)
        limit.start()
        try:
            said = self._process.stdout.readline()
        finally:
            limit.cancel()
        assert said, (self._errors, self._process.poll())
        said = json.loads(said)
        assert_whole(said, self._errors)
        return said

    def look(self):
        """Every byte of all files; what was counted so far."""
        return self._say(signal.SIGUSR1)

    def end(self):
        """A last look, and its end."""
        said = self._say(signal.SIGTERM)
        assert self._process.wait(SOON_S) == 0, self._errors
        return said


def oom_kills(host):
    """How often the kernel ended a process of the VM's cgroup.

    A kernel may do so while there is room in swap, when several programs use more of the share at
    the same time than there may be in memory. What it takes is not ours to say; what is in the
    share is whole all the same.
    """
    return sum(int(line.split()[1]) for group in host.cgroups()
               for path in (*group.glob("memory.oom_control"), *group.glob("memory.events"))
               for line in path.read_text().splitlines() if line.startswith("oom_kill "))


def tell(name, **counts):
    """What was counted, for who runs the long one with pytest's -s."""
    print(f"# {name}: seed {SEED}: {json.dumps(counts)}", file=sys.stderr, flush=True)
