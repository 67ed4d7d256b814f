# SPDX-License-Identifier: GPL-2.0-or-later
"""What interference, hybrid and profile measure with: guests with jobs, clients, counters."""

import contextlib
import pathlib
import socket
import threading

import pytest

from hylab import LabError, contest, duty, energy, experiment, perf, rtp, wall
from hylab.audience import STEP_S, Audience, Heard
from hylab.experiments import hybrid, interference, profile

FILE_BYTES = 300 << 10
MBPS = 80


# -- sums --

def heard(steps, began=100.0):
    return Heard({"began": began, "bytes": steps, "answers": 1, "checked": 1, "troubles": []})


def test_rates_are_of_whole_steps_within_the_time():
    found = heard([0, 10**6, 10**6, 3 * 10**6, 10**6, 9 * 10**6])
    assert found.rate_mbps(100 + STEP_S, 100 + 3 * STEP_S) == 80
    assert found.rate_mbps(100 + 0.5 * STEP_S, 100 + 3.5 * STEP_S) == 80
    assert found.rates_mbps(100 + STEP_S, 100 + 5 * STEP_S, 2 * STEP_S) == [80, 160]
    assert found.rates_mbps(100 + STEP_S, 100 + 4.5 * STEP_S, 2 * STEP_S) == [80]
    assert found.rate_mbps(0, 50) == found.rate_mbps(200, 300) == 0
    assert found.gigabytes(100 + STEP_S, 100 + 3 * STEP_S) == pytest.approx(0.002)


def rapl(root, name, uj, limit=1000):
    package = root / name
    package.mkdir(parents=True, exist_ok=True)
    (package / "energy_uj").write_text(f"{uj}\n")
    (package / "max_energy_range_uj").write_text(f"{limit}\n")


def test_energy_of_all_packages_also_when_a_counter_begins_anew(tmp_path):
    assert energy.Meter.find(tmp_path / "none") is None and energy.Meter.find(tmp_path) is None
    (tmp_path / "intel-rapl").mkdir()
    rapl(tmp_path, "intel-rapl:0", 900)
    rapl(tmp_path, "intel-rapl:0:0", 5)         # cores, which the package has in it
    rapl(tmp_path, "intel-rapl:1", 100, 10**6)
    (tmp_path / "intel-rapl:2").mkdir()         # says nothing
    meter = energy.Meter.find(tmp_path)
    before = meter.read()
    rapl(tmp_path, "intel-rapl:0", 99)
    rapl(tmp_path, "intel-rapl:0:0", 500)
    rapl(tmp_path, "intel-rapl:1", 300, 10**6)
    assert meter.since(before) == pytest.approx((200 + 200) / 1e6)


def test_perf_counts_what_the_processor_has():
    text = ("# started on Sat\n\n123456,,cycles:u,1000,100.00,,\n"
            "<not supported>,,instructions,0,,,\n"
            "<not counted>,,stalled-cycles-frontend,0,,,\n77,,stalled-cycles-backend,9,100.00,,\n")
    assert perf.parse(text) == {"cycles": 123456, "stalled-cycles-backend": 77}
    assert perf.parse("") == {}


# -- clients --

class Here:
    """A node that is where we are."""

    @staticmethod
    def prefix():
        return []


def answer(body, length=None):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) if length is None else
                                                              length) + body


@contextlib.contextmanager
def serving(*turns):
    """A server whose connections get these answers, the last one for ever; None ends one, and so
    does the last of a list."""
    left = list(turns)

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            while connection.recv(1 << 16):
                said = left.pop(0) if len(left) > 1 else left[0]
                if said is None:
                    return
                connection.sendall(said[0] if isinstance(said, list) else said)
                if isinstance(said, list):
                    return

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(name="file")
def _file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * (FILE_BYTES // 256))
    return path


def listen_to(port, file, answers):
    """What one client says once so many answers came, or it has had enough."""
    with Audience(Here, "127.0.0.1", port, {"file": file}, connections=1) as audience:
        with contextlib.suppress(LabError):
            audience.wait_answers(answers)
        return audience.end()


def test_clients_ask_on_when_a_server_ends_a_connection_between_answers(file):
    with serving(answer(file.read_bytes()), answer(file.read_bytes()), None,
                 answer(file.read_bytes())) as port:
        found = listen_to(port, file, 3)
    assert found.answers >= 3 and found.checked >= 1 and not found.troubles


@pytest.mark.parametrize("wrong, what", [
    (lambda body: answer(body[:-1]), "307199 bytes instead of 307200"),
    (lambda body: answer(body[:-1] + b"?"), "wrong bytes behind"),
    (lambda body: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
    (lambda body: b"x" * (64 << 10), "a head does not end"),
])
def test_clients_tell_what_is_wrong(file, wrong, what):
    with serving(wrong(file.read_bytes())) as port, pytest.raises(LabError, match=what):
        listen_to(port, file, 1)


def test_clients_tell_an_answer_that_ends_early(file):
    body = file.read_bytes()
    with serving(answer(body), [answer(body[:1000], len(body))]) as port, \
            pytest.raises(LabError, match="early"):
        listen_to(port, file, 1 << 30)


# -- guests --

class Small(duty.Materials):
    """As little as shows something."""
    _SECONDS = {False: 1, True: 1}
    _TEXT_BYTES = {False: 1 << 20, True: 1 << 20}
    _DELIVERED_BYTES = 4 << 20


def sent_by_guest(scene):
    lines = scene.offload.guest.node.run(["cat", "/proc/net/dev"]).stdout.splitlines()
    return int(next(line for line in lines if "eth0:" in line).split()[9])


@pytest.fixture(name="scene", scope="module")
def _scene():
    wall.require()
    for load in duty.LOADS:
        if why := duty.missing(load):
            pytest.skip(why)
    with Small() as materials, \
            duty.Scene(duty.Setting("all CPUs", pinned=False), materials) as scene:
        yield scene


@pytest.mark.parametrize("load", duty.LOADS)
@pytest.mark.parametrize("way", duty.WAYS)
def test_whoever_is_to_deliver_delivers(scene, load, way):
    files = scene.files(load)
    with scene.delivery(way, load) as (address, port, prefix), \
            Audience(scene.net.client, address, port, files, 2, prefix) as audience:
        audience.wait_answers(4)
        before, had = sent_by_guest(scene), audience.answers()
        audience.wait_answers(had + 8)
        told = audience.end()
        of_guest = sent_by_guest(scene) - before
    size = min(path.stat().st_size for path in files.values())
    assert told.answers >= 8 and told.checked
    assert (of_guest >= 7 * size) if way == "guest" else (of_guest < size)


@pytest.mark.parametrize("load", duty.LOADS)
@pytest.mark.parametrize("where", ("guest", "host"))
def test_a_job_is_done_with_the_guests_cpu_and_leaves_its_work(scene, load, where):
    scene.files(load)
    before = scene.guest_group.cpu_s(), scene.host_group.cpu_s()
    assert scene.start_job(where, load, 1).wait() > 0
    guest, host = scene.guest_group.cpu_s() - before[0], scene.host_group.cpu_s() - before[1]
    assert guest > host
    made = [path.name for path in scene.offload.share.glob("job-*/*")]
    assert ("list.m3u8" if load == "transcode" else "packed") in made
    scene.clear()
    assert not list(scene.offload.share.glob("job-*"))


def test_a_job_that_fails_is_told(scene):
    scene.files("transcode")
    (scene.site.root / "input").write_bytes(b"no video")
    with pytest.raises(LabError, match="the job ended with"):
        scene.start_job("guest", "transcode", 1).wait()
    scene.clear()


# -- experiments --

@pytest.mark.parametrize("one", (interference, hybrid, profile))
def test_every_promise_is_of_cases_and_metrics_there_are(one):
    names = {metric.name for metric in one.EXPERIMENT.metrics}
    for group in {arm.group for arm in one.EXPERIMENT.arms}:
        cases = {arm.params["case"] for arm in one.EXPERIMENT.arms if arm.group == group}
        told = list(one.EXPERIMENT.promises(group))
        assert told and all(name in names for name, *_ in told)
        assert any(case in cases and base in cases for _, case, base, _, _ in told)


def test_an_arm_measures_what_its_metrics_say(scene, tmp_path):
    """One arm, of which everything is looked at: the job, the rates, CPU and switches."""
    ctx = experiment.Context(True, 1, tmp_path)
    ctx.shared = scene, scene.files("transcode")
    arm = next(arm for arm in profile.EXPERIMENT.arms if arm.name == "q100-module")
    found = profile.EXPERIMENT.run_arm(ctx, arm, 0)
    known = {metric.name for metric in profile.EXPERIMENT.metrics}
    assert set(found) <= known and ctx.accelerators == {"q100-module": "namespaces"}
    for name in ("job_s", "mean_mbps", "throughput_mbps", "host_cpu_s_per_gb",
                 "vm_switches_per_gb", "delivery_host_switches_per_gb"):
        assert found[name][0] > 0, name
    assert found["guest_cpu_s_per_gb"][0] < found["host_cpu_s_per_gb"][0]
    assert contest.CASES["module"].way == "module"
    assert not pathlib.Path(scene.offload.share / "job-1").exists()


# -- datagrams --

def test_silences_are_the_longest_of_each_stretch():
    said = {"began": 100.0, "bytes": [1, 1, 1, 1], "gaps_ms": [1, 5, 2, 0.5]}
    found = rtp.HeardDatagrams(said)
    assert found.gaps_ms(100, 100 + 4 * STEP_S, 2 * STEP_S) == [5, 2]
    assert found.gaps_ms(100 + STEP_S, 100 + 4 * STEP_S, 3 * STEP_S) == [5]


@pytest.mark.parametrize("mode", rtp.MODES)
def test_a_stream_of_datagrams_comes_at_its_rate_from_whoever_is_to_send_it(scene, mode):
    scene.files("transcode")
    file = scene.site.root / "datagrams"
    file.write_bytes(bytes(1 << 20))
    with rtp.Listener(scene.net.client, 5004) as listener, \
            rtp.stream(scene.offload, file, listener, mode, MBPS):
        first = sent_by_guest(scene)
        listener.wait_more()
        of_guest = sent_by_guest(scene) - first
        heard = listener.end()
    assert heard.gaps_ms(0, 1e12, STEP_S) and heard.total >= rtp.MORE_BYTES
    assert (of_guest > 0.9 * rtp.MORE_BYTES) if mode == "plain" else \
        (of_guest < 0.5 * rtp.MORE_BYTES)
