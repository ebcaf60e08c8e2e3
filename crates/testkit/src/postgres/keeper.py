"""Keeps one throw-away PostgreSQL cluster for all test processes of this checkout.

Whoever wants databases holds a connection to the socket that `run.json` names. A database goes with
the connection that asked for it; the cluster goes when nobody is connected and no test runner that a
client named is left. All changes of who keeps what happen under the lock of the folder.

Requests, one JSON object a line: {"runner": PID}, {"create": true} (answered), {"drop": NAME}.
"""

import ctypes
import fcntl
import json
import os
import pwd
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "error",
    "max_connections": "400",
    "max_wal_senders": "0",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "shared_buffers": "64MB",
    "synchronous_commit": "off",
    "wal_level": "minimal",
}
READY_WITHIN_S = 60
PR_SET_PDEATHSIG = 1


def main(folder, programs):
    forget_dead_keeper(folder)
    # Not TMPDIR for root: the user that PostgreSQL runs as has to reach it.
    root = tempfile.mkdtemp(prefix="bmpg", dir="/tmp" if os.geteuid() == 0 else None)
    keeper = None
    try:
        keeper = Keeper(folder, root, Cluster(root, programs))
        print("ready", flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        keeper.run()
    finally:
        if keeper:
            keeper.cluster.stop()
        shutil.rmtree(root, ignore_errors=True)


def forget_dead_keeper(folder):
    """Only called under the lock by a client that found nobody at the socket."""
    try:
        with open(os.path.join(folder, "run.json")) as file:
            root = json.load(file)["root"]
    except (OSError, ValueError, KeyError):
        return
    if os.path.basename(root).startswith("bmpg"):
        shutil.rmtree(root, ignore_errors=True)


class Cluster:
    def __init__(self, root, programs):
        self.programs = programs
        self.account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.data = os.path.join(root, "data")
        self.sockets = os.path.join(root, "sockets")
        self.password = secrets.token_hex(16)
        self.process = None
        os.chmod(root, 0o711)
        for path in (self.data, self.sockets):
            os.mkdir(path, 0o700)
            self.hand_over(path)
        self.log = open(os.path.join(root, "log"), "wb")
        self.initialize(root)
        for _ in range(5):
            self.port = free_port()
            if self.start():
                break
        else:
            raise SystemExit("PostgreSQL does not start")
        self.creator = self.psql(subprocess.PIPE)
        self.dropper = self.psql(subprocess.DEVNULL)

    def hand_over(self, path):
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def spawn(self, name, arguments, **more):
        """Starts a program of PostgreSQL as the user it accepts; it dies with us."""

        def become():
            if self.account:
                os.setgroups([])
                os.setgid(self.account.pw_gid)
                os.setuid(self.account.pw_uid)
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)

        return subprocess.Popen(
            [os.path.join(self.programs, name), *arguments],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            preexec_fn=become,
            stderr=self.log,
            **more,
        )

    def initialize(self, root):
        secret = os.path.join(root, "password")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.password)
        self.hand_over(secret)
        # md5: thousands of connections a run, and an unoptimized client feels each SCRAM round.
        arguments = ["-D", self.data, "-U", "postgres", f"--pwfile={secret}"]
        arguments += ["--auth-local=trust", "--auth-host=md5", "--no-sync", "--no-locale", "-EUTF8"]
        made = self.spawn("initdb", arguments, stdout=self.log).wait()
        os.unlink(secret)
        if made != 0:
            raise SystemExit(f"initdb failed with {made}")

    def start(self):
        settings = {**SETTINGS, "port": self.port, "unix_socket_directories": self.sockets}
        arguments = ["-D", self.data]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        self.process = self.spawn("postgres", arguments, stdout=self.log)
        end = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with open(os.path.join(self.data, "postmaster.pid")) as file:
                    lines = file.read().splitlines()
                if len(lines) > 7 and lines[7].strip() == "ready":
                    return True
            except OSError:
                pass
            time.sleep(0.01)
        self.stop()
        return False

    def psql(self, output):
        arguments = ["-qAtX", "-h", self.sockets, "-p", str(self.port), "-U", "postgres"]
        return self.spawn("psql", arguments, stdin=subprocess.PIPE, stdout=output)

    def create(self, name):
        order = f"CREATE DATABASE {name} TEMPLATE template0;\n"
        check = f"SELECT datname FROM pg_database WHERE datname = '{name}';\n\\echo end\n"
        self.creator.stdin.write((order + check).encode())
        self.creator.stdin.flush()
        lines = []
        while not lines or lines[-1] not in (b"end\n", b""):
            lines.append(self.creator.stdout.readline())
        return lines[0] == name.encode() + b"\n"

    def drop(self, name):
        self.dropper.stdin.write(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);\n".encode())
        self.dropper.stdin.flush()

    def url(self, name):
        return f"postgres://postgres:{self.password}@127.0.0.1:{self.port}/{name}"

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Client:
    def __init__(self):
        self.rest = b""
        self.databases = set()


class Keeper:
    def __init__(self, folder, root, cluster):
        self.folder = folder
        self.cluster = cluster
        self.run_file = os.path.join(folder, "run.json")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = os.path.join(root, "keeper")
        self.listener.bind(path)
        os.chmod(path, 0o600)
        self.listener.listen(64)
        self.clients = {}
        self.runners = {}
        self.count = 0
        self.mine = {"socket": path, "root": root, "pid": os.getpid()}
        with open(self.run_file + ".next", "w") as file:
            json.dump(self.mine, file)
        os.rename(self.run_file + ".next", self.run_file)

    def run(self):
        # The first client connects once it is told that we are ready.
        idle_since = time.monotonic() + 5
        while self.cluster.process.poll() is None:
            watched = [self.listener, *self.clients, *self.runners]
            ready, _, _ = select.select(watched, [], [], 0.2)
            for item in ready:
                if item is self.listener:
                    client, _ = self.listener.accept()
                    self.clients[client] = Client()
                elif item in self.runners:
                    os.close(item)
                    del self.runners[item]
                elif item in self.clients:
                    self.serve(item)
            if self.clients or self.runners:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > 0.3 and self.leave():
                return

    def serve(self, connection):
        client = self.clients[connection]
        try:
            received = connection.recv(4096)
        except OSError:
            received = b""
        if not received:
            connection.close()
            del self.clients[connection]
            for name in client.databases:
                self.cluster.drop(name)
            return
        *lines, client.rest = (client.rest + received).split(b"\n")
        for line in lines:
            self.answer(connection, client, json.loads(line))

    def answer(self, connection, client, request):
        if "runner" in request:
            self.watch(request["runner"])
        elif "drop" in request:
            client.databases.remove(request["drop"])
            self.cluster.drop(request["drop"])
        elif "create" in request:
            self.count += 1
            name = f"test_{self.count}"
            client.databases.add(name)
            made = self.cluster.create(name)
            answer = {"name": name, "url": self.cluster.url(name)} if made else {}
            try:
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                # It is gone; the next look at it tells so too.
                pass

    def watch(self, pid):
        if pid in self.runners.values() or not hasattr(os, "pidfd_open"):
            return
        try:
            self.runners[os.pidfd_open(pid)] = pid
        except OSError:
            pass

    def leave(self):
        """Gives up the place in the folder, unless somebody is just coming."""
        with open(os.path.join(self.folder, "lock"), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            if select.select([self.listener], [], [], 0)[0]:
                return False
            try:
                with open(self.run_file) as file:
                    if json.load(file) == self.mine:
                        os.unlink(self.run_file)
            except (OSError, ValueError):
                pass
            return True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(*sys.argv[1:])
