"""Runs `wsdump` (argv[1]) against a server of `websockets`; each function `case_...` is a case, argv[2:] are some of them."""

import asyncio
import os
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import termios
import threading
import time

import websockets

WSDUMP = sys.argv[1]
PATIENCE = 30  # seconds, on a machine that does much else


class Server:
    """Sends everything back; some texts are orders. Notes how each connection was opened and closed."""

    def __init__(self, **options):
        self.options = options
        self.opened, self.closed = [], []
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_until_complete, args=(self.serve(),), daemon=True).start()
        assert self.ready.wait(PATIENCE)
        self.url = f"ws://127.0.0.1:{self.port}/"

    async def serve(self):
        async with websockets.serve(self.handle, "127.0.0.1", 0, max_size=None, **self.options) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await asyncio.Future()

    async def handle(self, ws):
        self.opened.append(ws)
        try:
            async for message in ws:
                match message:
                    case "close":
                        await ws.close(4001, "as you wish")
                    case "bye":
                        await ws.close()
                    case "drop":
                        ws.transport.abort()
                    case "ping":
                        await ws.ping(b"\x1b[31m")
                    case "deaf":
                        ws.transport.pause_reading()
                        await asyncio.sleep(PATIENCE)
                    case _:
                        await ws.send(message)
        except websockets.ConnectionClosed:
            pass
        self.closed.append((ws.close_code, ws.close_reason))

    def last_close(self):
        wait_for(lambda: self.closed)
        return self.closed[-1]


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def run(*args, lines=b"", url=None):
    url = [url] if url else []
    done = subprocess.run([WSDUMP, *args, *url], input=lines, capture_output=True, timeout=2 * PATIENCE)
    return done.returncode, done.stdout, done.stderr.decode()


def start(*args):
    return subprocess.Popen([WSDUMP, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Terminal:
    """`wsdump` on a terminal of its own."""

    def __init__(self, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execv(WSDUMP, [WSDUMP, *args])
        self.before = termios.tcgetattr(self.fd)
        self.seen = b""

    def type(self, text):
        os.write(self.fd, text.encode())

    def read(self):
        try:
            self.seen += os.read(self.fd, 4096) if select.select([self.fd], [], [], 0.05)[0] else b""
            return True
        except OSError:  # the other end is closed
            return False

    def expect(self, text):
        end = time.monotonic() + PATIENCE
        while text.encode() not in self.seen:
            assert self.read() and time.monotonic() < end, f"{text!r} is not in {self.seen!r}"
        at = self.seen.index(text.encode()) + len(text.encode())
        skipped, self.seen = self.seen[:at], self.seen[at:]
        return skipped

    def end(self):
        """Waits for the exit; the terminal is as it was."""
        end = time.monotonic() + PATIENCE
        while True:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            assert time.monotonic() < end, f"it does not end: {self.seen!r}"
        try:
            after = termios.tcgetattr(self.fd)
        except termios.error:
            after = self.before
        assert after == self.before, "the terminal is left in another mode"
        return os.waitstatus_to_exitcode(status)


def case_lines_of_a_pipe():
    server = Server()
    code, out, err = run(lines="hello\r\ngrößer\n\nlast".encode(), url=server.url)
    assert (code, out.decode(), err) == (0, "hello\ngrößer\n\nlast\n", ""), (code, out, err)
    assert server.last_close() == (1000, ""), server.closed


def case_more_than_the_queue_holds():
    server = Server()
    lines = b"".join(b"line %d\n" % n for n in range(20_000))
    code, out, err = run(lines=lines, url=server.url)
    assert (code, out == lines, err) == (0, True, ""), (code, len(out), err)


def case_long_lines():
    server = Server()
    lines = b"x" * 3_000_000 + b"\n" + b"y" * 5_000_000 + b"\n"
    code, out, err = run("--eof-wait", "5", "--deflate", lines=lines, url=server.url)
    assert (code, out == lines, err) == (0, True, ""), (code, len(out), err)


def case_binary_is_hexadecimal():
    server = Server()
    code, out, err = run("--binary", lines=b"\x00\x1b\xff\n", url=server.url)
    assert (code, out, err) == (0, b"001bff\n", ""), (code, out, err)
    code, out, err = run(lines=b"\xff\n", url=server.url)
    assert code == 1 and "--binary" in err, (code, err)


def case_options_reach_the_server():
    server = Server(subprotocols=["chat"])
    code, _, err = run(
        "-H", "X-A: b, c: d", "--header", "X-E:f", "-s", "other", "-s", "chat", "-o", "http://o", "-t", "t",
        "--deflate", url=server.url,
    )
    assert code == 0, err
    request = server.opened[0].request
    headers = request.headers
    assert (headers["X-A"], headers["X-E"], headers["Origin"]) == ("b, c: d", "f", "http://o"), headers
    assert server.opened[0].subprotocol == "chat"
    assert "permessage-deflate" in headers["Sec-WebSocket-Extensions"]


def case_texts_first_and_kinds_and_timings():
    server = Server()
    code, out, err = run("-v", "--timings", "-t", "one", "-t", "ping", lines=b"two\n", url=server.url)
    assert code == 0, err
    lines = [line.split(" ", 1) for line in out.decode().splitlines()]
    assert all(re.fullmatch(r"\d+\.\d{3}", time) for time, _ in lines), lines
    assert [line for _, line in lines][:3] == ["text: one", "ping: \\x1b[31m", "text: two"], lines
    assert lines[-1][1].startswith("close: received 1000"), lines


def case_trace():
    server = Server()
    code, out, err = run("-vv", "-t", "hello", url=server.url)
    assert code == 0 and out.startswith(b"text: hello\n"), (code, out)
    assert "sent GET / HTTP/1.1" in err and "Sec-WebSocket-Accept" in err, err


def case_pings():
    server = Server()
    code, out, err = run("-v", "--ping", "0.2", "--eof-wait", "1.5", url=server.url)
    assert code == 0 and out.count(b"pong: ") >= 2, (code, out, err)


def case_exit_codes():
    server = Server()
    for order, want in [("bye", 0), ("close", 4), ("drop", 3)]:
        # It does not wait for the end of its input.
        process = start(server.url, "-t", order)
        assert process.wait(PATIENCE) == want, (order, process.stderr.read())
        process.communicate()
    free = socket.socket()
    free.bind(("127.0.0.1", 0))
    refusing = f"ws://127.0.0.1:{free.getsockname()[1]}/"
    assert run(url=refusing)[0] == 1
    assert run(url="http://h/")[0] == 1
    assert run()[0] == 2
    assert run("--no-such-option", url=server.url)[0] == 2
    # No one reads what it shows.
    process = start(server.url)
    process.stdout.close()
    process.stdin.write(b"a\nb\n")
    process.stdin.flush()
    assert process.wait(PATIENCE) == 1, process.stderr.read()
    assert server.last_close()[0] == 1000, server.closed


def case_signals_close():
    for number, code in [(signal.SIGINT, 1000), (signal.SIGTERM, 1001)]:
        server = Server()
        process = start(server.url, "-t", "hello")
        assert process.stdout.readline() == b"hello\n"
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert server.last_close() == (code, ""), server.closed


def case_a_second_signal_does_not_wait():
    server = Server()
    process = start(server.url, "-t", "hello", "-t", "deaf")
    assert process.stdout.readline() == b"hello\n"
    time.sleep(0.2)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert time.monotonic() - begin < 4


def case_interrupted_while_it_connects():
    silent = socket.create_server(("127.0.0.1", 0))
    process = start(f"ws://127.0.0.1:{silent.getsockname()[1]}/")
    held, _ = silent.accept()  # held: closed at once, it would be an answer
    process.send_signal(signal.SIGINT)
    code = process.wait(PATIENCE)
    assert code == 130, (code, process.stderr.read())
    held.close()


def case_reconnect():
    server = Server()
    process = start(server.url, "--reconnect", "-t", "subscribe", "-v")
    assert process.stdout.readline() == b"text: subscribe\n"
    process.stdin.write(b"drop\n")
    process.stdin.flush()
    while (line := process.stdout.readline()) != b"text: subscribe\n":
        assert line.startswith(b"close: "), line
    process.stdin.write(b"again\n")
    process.stdin.close()
    assert process.stdout.readline() == b"text: again\n"
    assert process.wait(PATIENCE) == 0
    assert len(server.opened) == 2
    assert "lost" in process.stderr.read().decode()


def case_a_certificate_that_is_not_trusted(directory="/tmp"):
    directory = os.environ.get("TMPDIR", directory)
    key, pem = (os.path.join(directory, f"wsdump-{os.getpid()}.{end}") for end in ("key", "pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE",
         "-keyout", key, "-out", pem], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    port, ready, loop = [], threading.Event(), asyncio.new_event_loop()

    async def serve():
        async def echo(ws):
            async for message in ws:
                await ws.send(message)

        async with websockets.serve(echo, "127.0.0.1", 0, ssl=context) as server:
            port.append(server.sockets[0].getsockname()[1])
            ready.set()
            await asyncio.Future()

    threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True).start()
    assert ready.wait(PATIENCE)
    url = f"wss://localhost:{port[0]}/"
    code, out, err = run(lines=b"hello\n", url=url)
    assert code == 1 and "not to be trusted" in err, (code, err)
    code, out, err = run("--ca", pem, lines=b"hello\n", url=url)
    assert (code, out, err) == (0, b"hello\n", ""), (code, out, err)
    for file in [pem + ".not", __file__]:
        code, out, err = run("--ca", file, url=url)
        assert code == 1 and f"wsdump: {file}: " in err, (code, err)
    code, out, err = run("--danger-accept-invalid-certificates", lines=b"hello\n", url=url)
    assert (code, out) == (0, b"hello\n") and "WARNING" in err, (code, out, err)
    os.remove(key)
    os.remove(pem)


def case_a_terminal():
    server = Server()
    terminal = Terminal(server.url)
    terminal.expect("> ")
    # Edited: the cursor goes back over "lo", which is written before the "w".
    terminal.type("helworld\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Dlo \r")
    terminal.expect("< hello world")
    terminal.expect("> ")
    # From the history.
    terminal.type("\x1b[A\r")
    terminal.expect("< hello world")
    # What is being typed is still there after a message; a server cannot move the cursor.
    terminal.type("\x16\x1b[2J\r")
    terminal.expect("\\u{1b}[2J")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert server.last_close() == (1000, ""), server.closed


def case_a_terminal_while_the_server_closes():
    server = Server()
    terminal = Terminal(server.url, "-v")
    terminal.expect("> ")
    terminal.type("close\r")
    terminal.expect("close: received 4001")
    # At once, although a line is being read, and with the terminal as it was.
    assert terminal.end() == 4


def case_a_terminal_and_control_c():
    server = Server()
    terminal = Terminal(server.url)
    terminal.expect("> ")
    terminal.type("half a line\x03")
    assert terminal.end() == 0
    assert server.last_close() == (1000, ""), server.closed


def main():
    cases = {name: case for name, case in globals().items() if name.startswith("case_")}
    failed = []
    for name, case in cases.items():
        if sys.argv[2:] and not any(wanted in name for wanted in sys.argv[2:]):
            continue
        begin = time.monotonic()
        try:
            case()
            verdict = "ok"
        except Exception as error:  # the others are run all the same
            verdict = f"FAILED: {type(error).__name__}: {error}"
            failed.append(name)
        print(f"{name[5:]}: {verdict} ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"wsdump: {len(failed)} failed")
    sys.exit(bool(failed))


main()
