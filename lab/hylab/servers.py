# SPDX-License-Identifier: GPL-2.0-or-later
"""Web servers that nobody changed, in the guest: plain, or under `hylics-guest run`.

    with Offload(net, net.guests[0]) as offload:
        site = Site(offload)
        site.file("body", 1 << 20)
        server = site.start("lighttpd", 8080, "hylics")
        ... "http://ADDRESS:8080/body" ...
        server.log()

Each has a directory of its own below the share, which guest and host both see, with its
configuration, its logs and what it keeps; nothing outside it is read but the modules.
"""

import dataclasses
import os
import pathlib
import random
import shutil
import signal
import socket

from hylab import LabError
from hylab.channel import program
from hylab.experiments.wire import in_namespace
from hylab.wait import wait_for

START_WITHIN_S = 60
BLOCK = 1 << 20
LOG_LOOK_S = 0.05
READY = "are-you-there"     # asked for at the start, and in no log that is told
WRITTEN_AT_S = 1700000000
MODES = ("plain", "hylics")
APACHE_MODULES = pathlib.Path("/usr/lib/apache2/modules")

_LIGHTTPD = """
{user}
server.modules = ("mod_accesslog")
server.document-root = "{root}"
server.bind = "0.0.0.0"
server.port = {port}
$SERVER["socket"] == "[::]:{port}" {{ }}
server.event-handler = "linux-sysepoll"
server.network-backend = "sendfile"
server.max-keep-alive-requests = 1000000
server.max-keep-alive-idle = 3600
server.max-write-idle = {limit_s}
server.max-connections = 2048
server.max-fds = 8192
server.errorlog = "{place}/error.log"
accesslog.filename = "{place}/access.log"
accesslog.format = "%r|%s|%b"
mimetype.assign = ("" => "application/octet-stream")
"""

_NGINX = """
daemon off;
pid {place}/pid;
error_log {place}/error.log;
{user}
worker_processes {workers};
worker_rlimit_nofile 8192;
events {{ use epoll; worker_connections 4096; }}
http {{
    default_type application/octet-stream;
    log_format bytes "$request|$status|$body_bytes_sent";
    access_log {place}/access.log bytes;
    sendfile on;
    sendfile_max_chunk {chunk};
    tcp_nopush on;
    keepalive_requests 1000000;
    keepalive_timeout 3600;
    send_timeout {limit_s};
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    server {{
        listen 0.0.0.0:{port};
        listen [::]:{port};
        root {root};
    }}
}}
"""

_APACHE = """
ServerRoot {place}
ServerName servers.invalid
PidFile {place}/pid
DefaultRuntimeDir {place}
Mutex fcntl:{place}
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
User www-data
Group www-data
Listen 0.0.0.0:{port}
Listen [::]:{port}
EnableSendfile on
EnableMMAP off
KeepAlive on
MaxKeepAliveRequests 0
KeepAliveTimeout 3600
TimeOut {limit_s}
{processes}
{threads}
ErrorLog {place}/error.log
LogFormat "%r|%>s|%B" bytes
CustomLog {place}/access.log bytes
DocumentRoot {root}
"""
# With enough of them at once, none has to be started while something is counted
_PREFORK = "StartServers 8\nMinSpareServers 1\nMaxSpareServers 150\nServerLimit 150\n" \
    "MaxRequestWorkers 150"
_THREADED = "StartServers 2\nServerLimit 6\nThreadsPerChild 25\nMaxRequestWorkers 150\n" \
    "MinSpareThreads 1\nMaxSpareThreads 150"
# With a place for core files apache's children may look at their own threads, though they have
# changed their user: so libhylics sees at once whether one of them is at the socket.
_LOOKED_AT = "CoreDumpDirectory /"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A server in one way of using it."""
    program: str
    package: str
    about: str
    template: str
    argv: tuple                 # behind the program; {place} is filled in
    values: dict = dataclasses.field(default_factory=dict)
    needs: tuple = ()           # files beside the program
    user: str = ""              # it must find www-data
    changes: str = ""           # how it is told to change its user, as installed ones do
    stays: str = ""             # how, to stay root
    looked_at: str = ""         # how, to let its threads be looked at, as installed ones do not

    def missing(self):
        """Why it cannot be started here, or None."""
        for file in (self.program, *self.needs):
            if not os.access(file, os.R_OK):
                return f"no {file}: package {self.package} is not installed"
        if self.user and os.geteuid() == 0 and _mapped_users() < 1000:
            return f"{pathlib.Path(self.program).name} wants the user {self.user}, which a user" \
                   " namespace with one user does not have"
        return None

    def user_line(self):
        """For its configuration."""
        changes = os.geteuid() == 0 and _mapped_users() >= 1000
        return self.changes if changes else self.stays


def _mapped_users():
    text = pathlib.Path("/proc/self/uid_map").read_text(encoding="ascii")
    return sum(int(line.split()[2]) for line in text.splitlines())


def _nginx(about, chunk):
    return Kind("/usr/sbin/nginx", "nginx-light", about, _NGINX,
                ("-p", "{place}", "-c", "{place}/conf", "-e", "{place}/error.log"),
                {"chunk": chunk, "workers": 2}, changes="user www-data;", stays="user root;")


def _apache(mpm, about, processes):
    return Kind("/usr/sbin/apache2", "apache2-bin", about, _APACHE,
                ("-D", "FOREGROUND", "-d", "{place}", "-f", "{place}/conf"),
                {"mpm": mpm, "modules": APACHE_MODULES, "processes": processes},
                (APACHE_MODULES / f"mod_mpm_{mpm}.so",), user="www-data",
                looked_at="" if mpm == "prefork" else _LOOKED_AT)


KINDS = {
    "lighttpd": Kind("/usr/sbin/lighttpd", "lighttpd", "one process, level-triggered epoll",
                     _LIGHTTPD, ("-D", "-f", "{place}/conf"), changes='server.username = '
                     '"www-data"\nserver.groupname = "www-data"'),
    "nginx": _nginx("processes with edge-triggered epoll, sendfile() to the end of the file", "0"),
    "nginx-chunk": _nginx("the same, at most 512 KB in a turn", "512k"),
    "prefork": _apache("prefork", "a blocking process for each connection", _PREFORK),
    "worker": _apache("worker", "a blocking thread for each connection", _THREADED),
    "event": _apache("event", "threads; connections that wait belong to an epoll", _THREADED),
}


class Server:
    """A server that runs: its port, its process, its logs."""

    def __init__(self, kind, mode, port, process, place, address):
        self.kind, self.mode, self.port = kind, mode, port
        self.process = process
        self.address = address
        self._place = place

    @property
    def where(self):
        """(address, port) for a client."""
        return self.address, self.port

    def url(self, name=""):
        """Of a file of the site."""
        return f"http://{self.address}:{self.port}/{name}"

    def log(self):
        """Its access log: (request line, status, bytes of the body) of each answer."""
        text = (self._place / "access.log").read_text(encoding="utf-8", errors="replace")
        whole = text[:text.rfind("\n") + 1]
        return [tuple(line.split("|")) for line in whole.splitlines() if READY not in line]

    def wait_log(self, lines, timeout_s=START_WITHIN_S):
        """The access log once it has so many lines."""
        def reached():
            if self.kind == "lighttpd":     # else it writes it every four seconds
                self.process.kill(signal.SIGHUP)
            found = self.log()
            return found if len(found) >= lines else None
        return wait_for(reached, f"{lines} lines in the access log of {self.kind}", timeout_s,
                        LOG_LOOK_S)

    def errors(self):
        """Its error log."""
        path = self._place / "error.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def pids(self):
        """The server's processes, its first one and all below it; not of a VM."""
        found, left = [], [self.process.pid]
        while left:
            pid = left.pop()
            found.append(pid)
            for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                left += map(int, path.read_text(encoding="ascii").split())
        return found

    def stop(self, timeout_s=START_WITHIN_S):
        """End it as an administrator does; its exit code."""
        self.process.kill(signal.SIGTERM)
        return self.process.wait_end(timeout_s)


class Site:
    """Files of the share that servers of the guest serve."""

    def __init__(self, offload):
        self.offload = offload
        self.root = offload.share / "site"
        self.root.mkdir(exist_ok=True)
        self.sizes = {}
        # servers that are not root reach files and agent through it
        os.chmod(offload.directory, 0o755)

    def file(self, name, size, seed=1):
        """A file of bytes by chance; every 8 bytes of it differ, as far as chance goes."""
        chance = random.Random(f"{name} {seed}")
        with open(self.root / name, "wb") as file:
            for begin in range(0, size, BLOCK):
                file.write(chance.randbytes(min(BLOCK, size - begin)))
        # apache's tags of files that have just changed are weak
        os.utime(self.root / name, (WRITTEN_AT_S, WRITTEN_AT_S))
        self.sizes[name] = size
        return self.root / name

    def start(self, kind, port, mode="plain", limit_s=360, node=None, within_s=START_WITHIN_S,
              looked_at=True):
        """Start a server; it listens when this returns. Ends with the offload.

        limit_s: after so long without a byte that could be sent it leaves a client.
        within_s: it has to answer.
        looked_at: its threads may be, where that is a question.
        """
        if mode not in MODES:
            raise LabError(f"a server runs {' or '.join(MODES)}, not '{mode}'")
        what = KINDS[kind]
        offload = self.offload
        place = offload.share / f"{kind}-{port}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        place.chmod(0o777)      # some open their logs when they have changed their user
        seen, root = (place, self.root) if node else map(offload.in_guest, (place, self.root))
        (place / "conf").write_text(what.template.format(
            place=seen, root=root, port=port, limit_s=limit_s,
            user=what.user_line(), threads=what.looked_at if looked_at else "", **what.values))
        argv = [what.program, *(word.format(place=seen) for word in what.argv)]
        process = offload.start_program(self._wrapped(argv, mode), node)
        address = node.v4 if node else offload.net.endpoint(offload.guest, port)[0]
        server = Server(kind, mode, port, process, place, address)
        self._wait_answer(server, within_s)
        return server

    def _wrapped(self, argv, mode):
        environment = [f"{name}={value}" for name, value in self.offload.environment.items()
                       if name != "LD_LIBRARY_PATH"]
        run = [program("hylics-guest"), "run", "--"] if mode == "hylics" else []
        # apache ends with its whole process group
        return ["setsid", "env", *environment, *run, *argv]

    def _wait_answer(self, server, within_s):
        """A server that listens may not yet be what it will be: it has answered when it is."""
        def reached():
            if not server.process.alive():
                raise LabError(f"{server.kind} ended at once: {server.errors()}")
            with in_namespace(self.offload.net.client.namespace, socket.socket) as sock:
                sock.settimeout(within_s)
                if sock.connect_ex(server.where):
                    return False
                sock.sendall(f"HEAD /{READY} HTTP/1.0\r\n\r\n".encode())
                return bool(sock.recv(1))
        wait_for(reached, f"{server.kind} answers on port {server.port}", within_s)
