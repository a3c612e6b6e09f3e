"""Puts every client to every server that it has to be put to; called by `run`.

The protocol between this and the programs it starts is in peers/README.md.
"""

import argparse
import atexit
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import variants
from relay import Relay, Wrong

PEERS = Path(__file__).parent / "peers"
PAIR_LIMIT = 300  # seconds for one client against one server
START_LIMIT = 20
REPORT_LIMIT = 5  # seconds from the end of a check to the server's report about it
DRIVERS = ["blocking", "async"]
# In buffers of 1 KiB, which messages pass through in parts.
FIXED_DRIVERS = ["blocking-fixed", "async-fixed"]
# Libraries that know permessage-deflate.
DEFLATE = {"sockling", "websockets", "aiohttp", "ws", "chromium"}
# Checks of messages of 16 MiB: slow, and of compression they say what those of 1 MiB say.
SLOW = ["16-mib", "16777216"]

# Not for two libraries of which one does not keep to RFC 7692, and the other minds: the window of 15 bits that a client
# asks for is not confirmed (section 7.1.2.1); a client takes back its hint if it is not confirmed (section 7.1.1.2).
AVOIDED = {
    ("websockets", "aiohttp"): ["offers-15"],
    ("ws", "aiohttp"): ["client_no_context_takeover", "alone"],
}

children = set()


class Child:
    """A program in a process group of its own that ends when its time is over, when it is stopped, or with this one."""

    def __init__(self, command):
        if timeout := shutil.which("timeout"):  # also if this program is killed
            command = [timeout, "-k", "2", str(PAIR_LIMIT), *command]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace", start_new_session=True
        )
        children.add(self)

    def lines(self):
        return (line.rstrip("\n") for line in self.process.stdout)

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        children.discard(self)
        return self.process.wait()


@atexit.register
def stop_all():
    for child in list(children):
        child.stop()


class Server(Child):
    def __init__(self, command):
        super().__init__(command)
        self.port = None
        self.extensions = {}  # by target
        self.closed = {}
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        with self.changed:
            self.changed.wait_for(lambda: self.port or self.process.poll() is not None, START_LIMIT)
        if not self.port:
            self.stop()
            raise RuntimeError("the server did not start")

    def read(self):
        for line in self.lines():
            with self.changed:
                if match := re.match(r"listening\b.*?(\d+)/?$", line):
                    self.port = int(match[1])
                elif match := re.match(r"opened (\S+) (.*)", line):
                    self.extensions[match[1]] = match[2]
                elif match := re.match(r"closed (\S+) (\d+) ?(.*)", line):
                    self.closed[match[1]] = match[2], match[3]
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def missed(self, target, code, reason):
        """What is wrong with the report about `target`, if anything."""
        with self.changed:
            self.changed.wait_for(lambda: target in self.closed, REPORT_LIMIT)
            seen = self.closed.get(target)
        if seen is None:
            return "the server did not report the end of the connection"
        if seen[0] != code or reason not in ("*", seen[1]):
            return f"the server saw {' '.join(seen)!r}, not {code} {reason!r}"
        return None


class Results:
    def __init__(self):
        self.passed = self.failed = 0
        self.lock = threading.Lock()

    def add(self, pair, name, error=None):
        with self.lock:
            if error is None:
                self.passed += 1
                print(f"ok   {pair}: {name}", flush=True)
            else:
                self.failed += 1
                print(f"FAIL {pair}: {name}: {error}", flush=True)


class Program:
    """How to start a client or a server.

    echo_only: a server without the paths of peers/README.md. skip: checks that it cannot be put to. offers, insists: of
    permessage-deflate's parameters those that this client offers, or this server insists on.
    """

    def __init__(
        self, name, library, command, echo_only=False, skip=(), offers=variants.as_is, insists=variants.as_is
    ):
        self.name, self.library, self.command, self.echo_only = name, library, command, echo_only
        self.skip, self.offers, self.insists = list(skip), offers, insists


def run_client(client, server, url, more, options, pair, results, done):
    """`done`: what is wrong with a check that the client says has passed, by its name and the report to expect."""
    skipped = [*client.skip, *server.skip, *AVOIDED.get((client.library, server.library), ())]
    skip = [word for part in skipped for word in ("--skip", part)]
    command = [*client.command, "--url", url, "--only", options.only, *skip, *more]
    running = Child(command + (["--echo-only"] if server.echo_only else []))
    expected, checks = None, 0
    for line in running.lines():
        word, _, rest = line.partition(" ")
        if word == "expect":
            expected = rest.split(" ", 2)
        elif word in ("ok", "FAIL"):
            checks += 1
            name, _, error = rest.partition(": ")
            results.add(pair, name, error if word == "FAIL" else done(name, expected))
            expected = None
    status = running.process.wait()
    running.stop()
    if status not in (0, 1) or (checks == 0 and not options.only):
        results.add(pair, "end", f"the client ended with {status} after {checks} checks")
    return checks


def run_pair(client, server, options, results):
    pair = f"{client.name} -> {server.name}"
    deflate = ["--deflate"] if options.deflate else []
    try:
        serving = Server([*server.command, "--port", "0", *deflate])
    except RuntimeError as error:
        return results.add(pair, "start", error)
    started = time.monotonic()

    def done(_, expected):
        return serving.missed(*expected) if expected and not server.echo_only else None

    more = [word for part in SLOW for word in ("--skip", part)] if options.deflate else []
    url = f"ws://127.0.0.1:{serving.port}"
    checks = run_client(client, server, url, [*deflate, *more], options, pair, results, done)
    both = options.deflate and {client.library, server.library} <= DEFLATE
    # sockling's server does not say what was negotiated: that is seen on the wire.
    if serving.extensions and not (both and server.library == "sockling"):
        wrong = [seen for seen in serving.extensions.values() if ("permessage-deflate" in seen) != both]
        results.add(pair, f"extensions-{'permessage-deflate' if both else 'none'}", f"got {wrong[0]}" if wrong else None)
    if both:
        checks += run_variants(client, server, serving, options, pair, results, done)
    if serving.process.poll() is not None:
        results.add(pair, "end", f"the server ended with {serving.process.returncode}")
    serving.stop()
    print(f"# {pair}: {checks} checks in {time.monotonic() - started:.1f} s", flush=True)


def run_variants(client, server, serving, options, pair, results, done):
    chosen = list(variants.for_pair(client, server))
    by_name = {f"deflate-{variant.split('|')[0]}": variant for variant in chosen}
    relay = Relay(serving.port)

    def seen(name, expected):
        if error := done(name, expected):
            return error
        try:
            of = name.removesuffix("-fragmented")
            variants.check(by_name[of], relay.take(name), echo=name == of)
        except (Wrong, UnicodeError) as error:
            return f"on the wire: {error}"
        return None

    more = ["--deflate", *(word for variant in chosen for word in ("--variant", variant))]
    more += [word for part in variants.UNFRAGMENTED for word in ("--skip", part)]
    checks = run_client(client, server, f"ws://127.0.0.1:{relay.port}", more, options, pair, results, seen)
    relay.close()
    return checks


def matrix(options):
    python, target = [str(options.tools / "venv/bin/python")], options.bin

    def ours(program, library, driver="blocking"):
        return [str(target / program), "--library", library, "--driver", driver]

    def theirs(library, role):
        return [*python, str(PEERS / f"{library}_{role}.py")]

    clients = [
        Program("websockets", "websockets", theirs("websockets", "client")),
        Program("websocket-client", "websocket-client", theirs("websocket_client", "client")),
        Program("aiohttp", "aiohttp", theirs("aiohttp", "client"), offers=variants.of_aiohttp_client),
        Program("ws", "ws", ["node", str(PEERS / "ws_client.mjs")]),
        Program("tungstenite", "tungstenite", ours("interop_client", "tungstenite")),
        Program("chromium", "chromium", theirs("chromium", "client"), offers=variants.of_chromium),
    ]
    servers = [
        Program("websockets", "websockets", theirs("websockets", "server")),
        Program(
            "aiohttp",
            "aiohttp",
            theirs("aiohttp", "server"),
            # no fragments, no close frame without a code
            skip=["fragmented", "fragments-received", "empty-body"],
            insists=variants.nothing,
        ),
        Program(
            "ws",
            "ws",
            ["node", str(PEERS / "ws_server.mjs")],
            # where others decline to compress, it refuses the handshake
            skip=["deflate-declined", "insists-12"],
        ),
        Program("tungstenite", "tungstenite", ours("interop_server", "tungstenite")),
    ]
    if options.peers_only:
        return [(client, server) for server in servers for client in clients]
    drivers = DRIVERS + (FIXED_DRIVERS if options.deflate else [])
    pairs = []
    for driver in [*drivers, "tokio"]:
        command = ours("interop_client", "sockling", driver)
        sockling = Program(f"sockling {driver}", "sockling", command, offers=variants.of_sockling_client)
        pairs += [(sockling, server) for server in servers]
    in_tasks = Program("sockling tokio", "sockling", ours("interop_server", "sockling", "tokio"))
    pairs += [(client, in_tasks) for client in clients]
    for driver in drivers:
        sockling = Program(f"sockling {driver}", "sockling", ours("interop_server", "sockling", driver))
        name, fixed = re.subn("-fixed$", "", driver)
        example = [str(target / "echo_server"), "--driver", name, *(["--buffer", "1024"] if fixed else [])]
        example = Program(f"echo_server {driver}", "sockling", example, echo_only=True, insists=variants.nothing)
        pairs += [(client, server) for server in (sockling, example) for client in clients]
    return pairs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--peers-only", action="store_true")
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--pair", default="")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))

    results = Results()
    pairs = [(c, s) for c, s in matrix(options) if options.pair in f"{c.name} -> {s.name}"]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = [pool.submit(run_pair, *pair, options, results) for pair in pairs]
        try:
            for one in running:
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise
    print(f"{results.passed} passed, {results.failed} failed")
    return 0 if results.passed and not results.failed else 1


sys.exit(main())
