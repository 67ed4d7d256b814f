# SPDX-License-Identifier: GPL-2.0-or-later
"""A share's memory kept by hylicsd: decided by how long jobs take, divided, never above the budget.

What jobs take is written down in a worker's place, as its VM would behave with the memory it has;
one test has a real worker and agent. Nothing depends on how fast anything is: each interval that a
test waits for is over when its decision is seen.
"""

import contextlib
import json
import os
import re
import signal
import subprocess

import pytest
from moving import PATIENCE_S, wait_for
from test_drain import Operated
from test_jobs import GUEST

from hylab import BUILD, MissingRight, swap_folder, wall
from hylab.hylicsd import SOON_S, Hylicsd
from hylab.net import Net

MB = 1 << 20
OVERHEAD = 32 * MB      # HY_VM_OVERHEAD
SWAP = 1024 * MB
QUICK = ("--interval-min=1s", "--interval-max=1s")
MODEL = """[model]
job = cut
a = 0.2
b = 5
c = 0
r2 = 0.9
from = 8
to = 64
runs = 100
na = 1
nb = 0
version = 1
"""


@pytest.fixture(name="file")
def _file():
    with swap_folder.made_in(BUILD) as folder:
        yield folder / "swap"


def start(host, file, *options):
    """With swap of its own."""
    config = host.top / "hylicsd.conf"
    config.write_text(f"[hylicsd]\nswap-file = {file}\nswap-size = {SWAP}\n")
    host.start(f"--config={config}", *options)
    said = wait_for(lambda: {"swap_file", "swap_why"} & set(host.json("status")) and
                    host.json("status"), "the swap file is there, or not to be had")
    if "swap_why" in said:
        raise MissingRight(said["swap_why"])
    return host


@pytest.fixture(name="host")
def _host(file):
    wall.require()
    assert not file.exists()    # made first, so removed last: one in use cannot be
    host = Hylicsd()
    yield host
    host.close()


class Plant:
    """A VM whose jobs are as long as its memory makes them, by a worker's file."""

    def __init__(self, host, name, *options, memory="64M"):
        self.host, self.name = host, name
        self.base_s, self.miss_s = 0.2, 30.0
        self.since = self.arrivals = 1
        self.arrived = self.finished = self.service_us = self.response_us = 0
        self.decided = 0
        host.ask("vm", "add", name, "--share", memory, "--control=dynamic", "--slo=1s",
                 "--memory-min=8M", *QUICK, *options)
        self.write()

    def show(self):
        """Its control."""
        return self.host.vm(self.name)["control"]

    def response_s(self, memory_bytes):
        """With that much."""
        return self.base_s + self.miss_s / (memory_bytes / MB)

    def run(self, n=50):
        """So many jobs, with the memory there is."""
        us = int(self.response_s(self.show()["memory_bytes"]) * 1e6)
        self.arrived += self.arrivals
        self.finished += n
        self.service_us += n * us // 2
        self.response_us += n * us
        self.write()

    def write(self, words=None, name="cut"):
        """What its worker has summed up, in one go."""
        jobs = {"arrived": self.arrived, "last": [{"name": name, "state": "exited"}] * 4,
                "sums": {"since_ms": self.since, "finished": self.finished,
                         "service_us": self.service_us, "response_us": self.response_us}}
        path = self.host.run / "vm" / self.name / "worker.json"
        new = path.with_suffix(".new-by-test")
        new.write_text(json.dumps({"guest": {"jobs": jobs}}) if words is None else words)
        new.rename(path)

    def be_hungry(self):
        """By MODEL no memory is enough."""
        self.base_s, self.miss_s, self.arrivals = 0.2, 640, 50000

    def be_content(self):
        """By MODEL the least is."""
        self.base_s, self.miss_s, self.arrivals = 0.01, 0, 0

    def step(self):
        """More jobs, if those of before were decided by."""
        shown = self.show()
        if shown["decisions"] != self.decided:
            self.decided = shown["decisions"]
            self.run()
        return shown

    def until(self, what, *others):
        """Drive it until that is so of what is shown."""
        def is_so():
            for other in others:
                other.step()
            shown = self.step()
            budget_holds(self.host)
            return what(shown) and shown
        try:
            return wait_for(is_so, f"{self.name} is controlled")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.show()}") from error


def budget_holds(host):
    """What is in force is never more than there is."""
    said = host.json("status")
    now = host.limits()
    assert sum(now.values()) <= said["budget"], (now, said)


def is_at(least_mb, most_mb):
    """A memory in force."""
    return lambda shown: least_mb * MB <= shown["memory_bytes"] <= most_mb * MB


def refused(host, *words):
    """What is said of it, and the exit code."""
    done = host.ask(*words, check=False)
    assert done.returncode, words
    return done.returncode, done.stderr


# -- a law at work --

def test_memory_follows_what_jobs_need(host, file):
    start(host, file)
    plant = Plant(host, "web1")
    assert plant.show()["memory_bytes"] == 64 * MB      # a new one has its most
    # 50M make 0.8 s, which is aimed at; as near as a law comes with so few jobs
    plant.until(lambda shown: is_at(40, 63)(shown) and
                abs(plant.response_s(shown["memory_bytes"]) - 0.8) < 0.15 and
                shown["counts"].get("corrected"))
    plant.base_s, plant.miss_s = 0.5, 80
    plant.until(lambda shown: is_at(64, 64)(shown) and shown["rail"] == "ceiling")
    plant.base_s = plant.miss_s = 0.001
    shown = plant.until(lambda shown: is_at(8, 9)(shown) and shown["rail"] == "floor")
    assert host.limits()["web1"] == shown["memory_bytes"] + OVERHEAD
    assert shown["wanted_bytes"] == shown["given_bytes"] == shown["memory_bytes"]
    assert shown["stuck"] == 0
    assert sum(shown["counts"].values()) == shown["decisions"]
    text = host.ask("vm", "show", "web1").stdout
    assert "dynamic, by ours, for responses of 1.000 s; at least 8M" in text
    assert re.search("in force [89]M, wanted [89]M, given [89]M, at the floor", text), text
    assert "; mean response 0.00" in text


def test_a_model_is_asked_at_once(host, file, tmp_path):
    model = tmp_path / "model"
    model.write_text(MODEL)
    start(host, file)
    plant = Plant(host, "web1", "--scheme=queue", f"--model={model}")
    shown = plant.until(lambda shown: shown["counts"].get("queue"))
    assert shown["model_job"] == "cut" and "other_job" not in shown
    plant.write(name="bake")
    shown = wait_for(lambda: plant.show().get("other_job") and plant.show(), "another job is seen")
    assert shown["other_job"] == "bake"
    assert "but 'bake' runs" in host.ask("vm", "show", "web1").stdout
    # gone, it is told; its VM has the most and goes on
    model.write_text(MODEL.partition("na")[0])
    host.ask("vm", "set", "web1", "idle=30s")
    shown = wait_for(lambda: plant.show().get("model_why") and plant.show(), "a model is lost")
    assert str(model) in shown["model_why"] and shown["code"] == "no-model"
    wait_for(lambda: is_at(64, 64)(plant.show()), "it has the most")
    assert host.vm("web1")["state"] == "ready"


def test_few_jobs_say_nothing(host, file):
    start(host, file)
    plant = Plant(host, "web1")

    def decided(what):
        before = plant.show()["decisions"]
        what()
        wait_for(lambda: plant.show()["decisions"] >= before + 2, "two decisions")
        shown = plant.show()
        assert shown["code"] == "few-jobs" and is_at(64, 64)(shown), shown

    decided(lambda: None)
    decided(lambda: plant.run(2))
    plant.finished, plant.since = 100000, 2     # another session
    decided(plant.write)
    for words in ("", "{", "[]", '{"guest":{"jobs":{"sums":[]}}}',
                  '{"guest":{"jobs":{"arrived":-1,"sums":{"finished":1e308}}}}'):
        decided(lambda words=words: plant.write(words))
    plant.finished = 3                          # back
    decided(plant.write)
    (host.run / "vm/web1/worker.json").unlink()
    decided(lambda: None)


# -- several --

@pytest.fixture(name="model")
def _model(tmp_path):
    (tmp_path / "model").write_text(MODEL)
    return "--scheme=queue", f"--model={tmp_path}/model"


def test_two_share_a_budget_that_is_too_small(host, file, model):
    start(host, file, f"--budget={96 * MB + 2 * OVERHEAD}")
    first, other = Plant(host, "web1", *model), Plant(host, "web2", "--weight=300", *model)
    budget_holds(host)
    first.be_hungry()
    other.be_hungry()
    # 8 are everybody's, the rest goes by weight, and nobody gets more than he wants
    first.until(lambda shown: shown["wanted_bytes"] == 64 * MB and is_at(32, 32)(shown) and
                is_at(64, 64)(other.show()), other)
    assert first.show()["given_bytes"] == 32 * MB
    # the one that needs less lets the other have it
    other.be_content()
    first.until(is_at(64, 64), other)
    other.until(is_at(8, 8), first)
    # a static one has its memory and no floor of others, as soon as they have given it back
    other.be_hungry()
    other.until(is_at(64, 64), first)
    assert "room for a VM with 48M" in refused(host, "vm", "add", "web3", "--share=128M")[1]
    # what others have beyond their floors they give back first
    assert "giving back" in host.ask("vm", "add", "web3", "--share=16M").stderr
    budget_holds(host)
    assert host.limits()["web3"] == 16 * MB + OVERHEAD
    # and gives it back in the end
    host.ask("vm", "remove", "web3")
    wait_for(lambda: sum(host.limits().values()) == 96 * MB + 2 * OVERHEAD, "the others have it")


def test_eight_keep_their_floors(host, file, model):
    start(host, file, f"--budget={8 * (12 * MB + OVERHEAD)}")
    first, *others = plants = [Plant(host, f"web{i}", *model, memory="32M") for i in range(8)]
    for i, plant in enumerate(plants):
        (plant.be_hungry if i % 2 else plant.be_content)()

    def is_settled(shown):
        now = host.limits()
        assert all(one >= 8 * MB + OVERHEAD for one in now.values()), now
        return is_at(8, 8)(shown) and \
            all(now[f"web{i}"] == (16 if i % 2 else 8) * MB + OVERHEAD for i in range(8))
    first.until(is_settled, *others)
    # what is left beside the floors is not enough for its 32M
    code, said = refused(host, "vm", "add", "too-many", "--share=32M")
    assert code == 5 and "room for a VM with 0" in said


# -- an operator --

def test_bad_input_is_refused(host, file, tmp_path):
    model = tmp_path / "model"
    start(host, file)
    Plant(host, "web1")
    host.ask("vm", "add", "web2", "--share", "64M")
    cases = {
        ("web2", "control=dynamic"): "slo: is missing",
        ("web1", "slo="): "slo: is missing",
        ("web1", "slo=0s"): "must be from 1ms", ("web1", "slo=-1s"): "not a duration",
        ("web1", "slo=5"): "not a duration", ("web1", "slo=1000000000h"): "must be from",
        ("web1", "control=perhaps"): "static or dynamic",
        ("web1", "control="): "from 1 to",
        ("web1", "scheme=queue"): "hylics lab run identify",
        ("web1", "scheme=both"): "hylics lab run identify",
        ("web1", "scheme=best"): "ours, adaptive, queue or both",
        ("web1", "memory-min=65M"): "is more than memory",
        ("web1", "memory=4M"): "memory-min: is more than memory",
        ("web1", "memory-min=1K"): "must be from",
        ("web1", "weight=0"): "from 1 to 10000", ("web1", "weight=many"): "weight",
        ("web1", "idle=-1s"): "not a duration",
        ("web1", "interval-min=0s"): "must be from 1s",
        ("web1", "interval-min=10s"): "is more than interval-max",
        ("web1", "model=model"): "model",
        ("web1", f"model={model}"): str(model),
        ("web1", "export=9p"): "9p",
    }
    for (name, word), wanted in cases.items():
        said = refused(host, "vm", "set", name, word)[1]
        assert wanted in said, (word, said)
    model.write_text("[model]\njob = cut\n")
    assert str(model) in refused(host, "vm", "set", "web1", f"model={model}")[1]
    # nothing of it was taken, and what can be is taken while it runs
    record = (host.vms / "web1.conf").read_text()
    assert "slo = 1s" in record and "model" not in record and "control = dynamic" in record
    model.write_text(MODEL.replace("a = 0.2", "a = 20"))
    host.ask("vm", "set", "web1", f"model={model}", "slo=2s", "memory-min=16M", "weight=7",
             "idle=0s", "scheme=both", "interval-max=2s")
    shown = host.vm("web1")["control"]
    assert (shown["slo_ms"], shown["memory_min"], shown["weight"], shown["idle_ms"],
            shown["scheme"], shown["interval_max_ms"], shown["is_hopeless"]) == \
        (2000, 16 * MB, 7, 0, "both", 2000, True)
    assert "no memory is enough" in host.ask("vm", "show", "web1").stdout


def test_static_again_has_its_memory_or_is_refused(host, file, model):
    start(host, file, f"--budget={96 * MB + 2 * OVERHEAD}")
    first, other = Plant(host, "web1", *model), Plant(host, "web2", *model)
    keeper = host.keeper("web1")
    first.be_content()
    other.be_hungry()
    first.until(is_at(8, 8), other)
    other.until(is_at(64, 64), first)
    assert "giving back" in host.ask("vm", "set", "web1", "control=static").stderr
    budget_holds(host)
    assert host.limits()["web1"] == 64 * MB + OVERHEAD
    assert host.vm("web1")["control"]["control"] == "static"
    assert "memory_bytes" not in host.vm("web1")["control"]
    wait_for(lambda: host.limits()["web2"] <= 32 * MB + OVERHEAD, "the other has the rest")
    budget_holds(host)
    # two that want all of it are too much
    code, said = refused(host, "vm", "set", "web2", "control=static")
    assert code == 5 and "room for a VM with 32M" in said
    # and back
    host.ask("vm", "set", "web1", "control=dynamic")
    assert 48 * MB <= host.vm("web1")["control"]["memory_bytes"] <= 64 * MB
    budget_holds(host)
    assert host.keeper("web1") == keeper        # its guest was not disturbed
    assert host.ask("vm", "remove", "web2").returncode == 0


def test_old_records_are_static(host, file):
    start(host, file)
    host.ask("vm", "add", "web1", "--share", "64M")
    record = host.vms / "web1.conf"
    new = ("control", "scheme", "idle", "weight", "interval-")
    lines = [line for line in record.read_text().splitlines() if not line.startswith(new)]
    assert host.end(signal.SIGUSR1) == 0
    record.write_text("\n".join(lines) + "\n")
    start(host, file)
    shown = host.vm("web1")
    assert shown["state"] == "ready" and shown["control"]["control"] == "static"
    assert shown["control"]["idle_ms"] == 60000 and shown["control"]["weight"] == 100


# -- ends --

def test_a_killed_hylicsd_leaves_limits_to_the_next(host, file, model):
    budget = f"--budget={96 * MB + 2 * OVERHEAD}"
    start(host, file, budget)
    first, other = Plant(host, "web1", *model), Plant(host, "web2", *model)
    first.be_content()
    other.be_hungry()
    first.until(is_at(8, 8), other)
    other.until(is_at(64, 64), first)
    before = host.limits()
    host.kill()
    assert host.limits() == before
    start(host, file, budget)
    for name in ("web1", "web2"):
        host.wait_for_state(name, "ready")
    wait_for(lambda: all(plant.show().get("decisions", 0) >= 2 for plant in (first, other)),
             "the next one goes on")
    assert host.limits() == before               # no jobs have ended: nothing is decided
    assert is_at(8, 8)(first.show())
    first.be_hungry()
    first.decided = other.decided = 0
    first.until(is_at(48, 48), other)
    assert host.end() == 0
    wait_for(host.nothing_left, "all is taken down")


# -- for programs --

def test_each_decision_is_an_event_and_a_line(host, file, tmp_path):
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        host.errors = log
        start(host, file)
        stream = subprocess.Popen(["curl", "-sN", "--unix-socket", host.run / "api.sock",
                                   "http://localhost/v1/events"], stdout=subprocess.PIPE, text=True)
        try:
            plant = Plant(host, "web1")
            plant.run()
            plant.until(lambda shown: shown["decisions"] >= 2)
            event = next(json.loads(line[6:]) for line in stream.stdout
                         if line.startswith("data: ") and "wanted_bytes" in line)
        finally:
            stream.kill()
            stream.communicate(timeout=SOON_S)
            host.errors = None
    assert event["name"] == "web1" and event["control"]["code"] and event["control"]["seen"]
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert "vm 'web1': memory 64M (from 8M to 64M), wants" in text


def test_what_is_said_again_and_again_is_one_line(host, file, tmp_path):
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        host.errors = log
        start(host, file)
        host.errors = None
        plant = Plant(host, "web1")
        wait_for(lambda: plant.show()["counts"].get("few-jobs", 0) >= 3, "decisions")
    text = (tmp_path / "log").read_text(encoding="utf-8")
    assert text.count("too few jobs have ended") == 1


# -- the whole way --

def test_jobs_of_a_real_guest_are_heeded(file):
    wall.require()
    with Net.bridge_uplink(spaces=1) as net, contextlib.ExitStack() as stack:
        host = Hylicsd(node=net.host)
        stack.callback(host.close)
        start(host, file)
        offload = stack.enter_context(Operated(net, host))
        host.ask("vm", "set", "web1", "control=dynamic", "slo=1h", "interval-min=1s",
                 "interval-max=1s")

        def is_heeded():
            for _ in range(3):
                subprocess.run([*offload.guest.node.prefix(), GUEST, "job", "true"],
                               env={**os.environ, **offload.environment}, check=True,
                               timeout=PATIENCE_S)
            return {"corrected", "overloaded", "within"} & set(host.vm("web1")["control"]["counts"])
        wait_for(is_heeded, "jobs that were heeded")
        # an hour is enough with any memory
        wait_for(lambda: is_heeded() and host.vm("web1")["control"]["memory_bytes"] < 64 * MB,
                 "less memory")
