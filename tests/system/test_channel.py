# SPDX-License-Identifier: GPL-2.0-or-later
"""The channel between real processes: a worker, and an agent in a guest that is no VM."""

import contextlib
import os
import re
import signal
import socket

import pytest
from moving import TABLE, children

from hylab import LabError, channel, wall
from hylab.port import Port

GARBAGE = bytes(range(256)) * 4


@pytest.fixture(name="place")
def _place(tmp_path_factory):
    wall.require()
    return channel.socket_path().parent


def test_pings_and_bulk_messages_over_a_unix_socket(place):
    address = f"unix:{place}/c.sock"
    with channel.agent(address, place):
        report = channel.measure(address, 500, "--soak", "4M")
    assert len(report["rtt_us"]) == 500
    assert report["lost"] == 0
    assert report["soak"]["bytes"] % (4 << 20) == 0
    assert report["soak"]["bytes"] > 0


@pytest.mark.parametrize("length", [0, 1, 4096])
def test_pings_of_every_length(place, length):
    address = f"unix:{place}/c.sock"
    with channel.agent(address, place):
        assert channel.measure(address, 10, "--ping-bytes", str(length))["lost"] == 0


def test_status_tells_the_state_and_the_peer(place):
    address = f"unix:{place}/c.sock"
    with channel.worker(address), channel.agent(address, place) as agent:
        agent.wait_line(channel.UP)
        said = channel.status(place)
    assert said["channel"] == "up"
    assert said["transport"] == "unix"
    assert said["sessions"] == 1
    assert said["peer_software"].startswith("hylics-worker ")


def local_socket(place):
    """A program of the guest, connected to the agent."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(str(place / "agent.sock"))    # waits where a time limit would give up
    client.settimeout(30)
    return client


def test_one_user_cannot_take_all_places_at_the_agent(place):
    limits = (TABLE.parent / "limits.h").read_text(encoding="utf-8")
    places = int(re.search(r"HY_LOCAL_CLIENTS_PER_USER_MAX (\d+)", limits)[1])
    with channel.agent(f"unix:{place}/c.sock", place) as agent, contextlib.ExitStack() as held:
        agent.wait_line("trying again")
        for _ in range(places):
            held.enter_context(local_socket(place))
        with local_socket(place) as refused:
            assert refused.recv(1) == b""
        agent.wait_line("all places he may have")
        held.close()
        assert channel.status(place)["channel"] == "closed"


def test_local_client_that_sends_garbage_is_closed_and_others_are_served(place):
    with channel.agent(f"unix:{place}/c.sock", place) as agent:
        agent.wait_line("trying again")
        with local_socket(place) as hostile:
            hostile.send(b"\xff" * 100)
            assert hostile.recv(1) == b""
        assert channel.status(place)["channel"] == "closed"


def test_agent_waits_for_a_worker_that_comes_later(place):
    address = f"unix:{place}/c.sock"
    with channel.agent(address, place) as agent:
        agent.wait_line("trying again")
        with channel.worker(address):
            agent.wait_line(channel.UP)


@pytest.mark.parametrize("signo", [signal.SIGKILL, signal.SIGTERM])
def test_worker_ends_and_its_successor_takes_over(place, signo):
    address = f"unix:{place}/c.sock"
    with channel.agent(address, place) as agent:
        for _ in range(3):
            with channel.worker(address) as worker:
                agent.wait_line(channel.UP)
                worker.kill(signo)
                worker.wait_end()
                agent.wait_line("channel down")
        assert channel.measure(address, 5)["lost"] == 0


@pytest.mark.parametrize("signo", [signal.SIGKILL, signal.SIGTERM])
def test_agent_ends_and_its_successor_takes_over(place, signo):
    address = f"unix:{place}/c.sock"
    with channel.worker(address) as worker:
        for _ in range(3):
            with channel.agent(address, place) as agent:
                worker.wait_line(channel.UP)
                agent.kill(signo)
                agent.wait_end()
                worker.wait_line("channel down")
        assert not (place / "agent.sock").exists() or signo == signal.SIGKILL


def test_silent_peer_is_given_up(place):
    address = f"unix:{place}/c.sock"
    with channel.worker(address, "--keepalive", "100ms", "--dead", "300ms") as worker, \
            channel.agent(address, place) as agent:
        worker.wait_line(channel.UP)
        pid = children(agent.pid)[0]     # the agent itself is the holder's child
        os.kill(pid, signal.SIGSTOP)
        worker.wait_line("the peer is silent")
        os.kill(pid, signal.SIGCONT)
        worker.wait_line(channel.UP)


def test_malformed_frame_from_the_guest_closes_the_channel_with_a_counted_reason(place):
    address = f"unix:{place}/c.sock"
    with channel.worker(address) as worker:
        with channel.agent(address, place):
            worker.wait_line(channel.UP)
        for fault in (1, 2):
            with socket.socket(socket.AF_UNIX) as hostile:
                hostile.connect(str(place / "c.sock"))
                hostile.sendall(b"\xf1hylics-resync\n\xf2" + GARBAGE)
                line = worker.wait_line("malformed frame")
                assert f"fault {fault} of this peer" in line
        with channel.agent(address, place):
            worker.wait_line(channel.UP)


def test_malformed_frame_from_the_host_makes_the_agent_reconnect(place):
    with socket.socket(socket.AF_UNIX) as hostile, \
            channel.agent(f"unix:{place}/c.sock", place) as agent:
        hostile.bind(str(place / "c.sock"))
        hostile.listen(1)
        for _ in range(2):
            with hostile.accept()[0] as stream:
                stream.sendall(b"\xf1hylics-resync\n\xf2" + GARBAGE)
                agent.wait_line("malformed frame")
        with hostile.accept()[0]:
            assert channel.status(place)["faults"] == 2


@pytest.mark.parametrize("role", ["agent", "worker"])
def test_half_a_frame_left_in_a_port_does_no_harm(place, role):
    with Port(place) as port:
        with channel.agent(port.guest, place,
                           fault="chan.half-frame:kill:3" if role == "agent" else None) as agent:
            with channel.worker(port.host, "--keepalive", "10ms",
                                fault="chan.half-frame:kill:3" if role == "worker" else None
                                ) as worker:
                if role == "worker":
                    assert worker.wait_end() == -signal.SIGKILL
                else:                    # its holder starts the successor
                    agent.wait_line("the next one starts")
                    worker.wait_line(channel.UP)
                    worker.wait_line("the peer started anew")
                    worker.wait_line(channel.UP)
            if role == "worker":
                assert channel.measure(port.host, 100)["lost"] == 0
                assert channel.status(place)["faults"] == 0


def test_second_worker_on_one_socket_is_refused(place):
    address = f"unix:{place}/c.sock"
    with channel.worker(address), channel.agent(address, place) as agent:
        agent.wait_line(channel.UP)
        with channel.worker(address) as second:
            assert second.wait_end() == 5


def test_nothing_to_measure_ends_in_time_with_a_clear_error(place):
    with pytest.raises(LabError, match="0 of 3 pings were answered"):
        channel.measure(f"unix:{place}/c.sock", 3, timeout_ms=200)
