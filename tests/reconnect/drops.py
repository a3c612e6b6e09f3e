"""Runs the example `app` against feed.py, and does to the latter what happens to servers. usage: drops.py APP"""

import atexit
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

here = os.path.dirname(os.path.abspath(__file__))
app_path = sys.argv[1]


class Program:
    """A process, and what it prints, line by line."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.lines = queue.Queue()
        self.all = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_for(self, text, timeout=30):
        """The next line with this in it."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise SystemExit(f"no line with {text!r} in {timeout} s; the last were {self.all[-10:]}") from None
            if line is None:
                raise SystemExit(f"it ended before {text!r}; the last were {self.all[-10:]}")
            self.all.append(line)
            if text in line:
                return line

    def kill(self):
        self.process.kill()
        self.process.wait()


def feed(port):
    server = Program(sys.executable, os.path.join(here, "feed.py"), str(port))
    server.wait_for("ready")
    return server


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(port, *options):
    return Program(app_path, f"ws://127.0.0.1:{port}/feed", "--ping-interval", "0.3", "--ping-timeout", "0.5", *options)


def main():
    port = free_port()
    server = feed(port)
    app = run(port, "--messages", "100000")
    app.wait_for("connected to")
    app.wait_for("number 3")

    # Killed, and away for a while.
    server.kill()
    app.wait_for("error:")
    app.wait_for("closed: the peer sent no close frame")
    app.wait_for("error: cannot connect to 127.0.0.1")
    server = feed(port)
    app.wait_for("connected again at attempt")
    # It has subscribed again: the feed begins anew.
    app.wait_for("number 1")
    print("killed, and away: ok")

    # Stopped: the kernel goes on to accept connections, so that only the missing pong shows it, and then the missing
    # answer to the handshake.
    app.wait_for("number 20")
    server.process.send_signal(signal.SIGSTOP)
    line = app.wait_for("error:")
    assert "sent nothing within the keepalive's timeout" in line, line
    server.process.send_signal(signal.SIGCONT)
    app.wait_for("connected again at attempt")
    app.wait_for("number 1")
    print("stopped, and gone on: ok")

    # Restarts, and says so.
    server.process.send_signal(signal.SIGUSR1)
    line = app.wait_for("closed:")
    assert "received 1012" in line, line
    app.wait_for("connected again at attempt")
    app.wait_for("number 1")
    print("1012: ok")

    # Pings go on after all this: the connection outlives several intervals of them.
    app.wait_for("number 100")
    assert not any("error" in line for line in app.all[-95:]), app.all[-95:]
    print("pings after reconnections: ok")

    server.process.send_signal(signal.SIGUSR2)
    app.wait_for("closed: received 1000")
    app.wait_for("the end: received 1000")
    assert app.process.wait(timeout=5) == 0
    print("1000 is the end: ok")

    # Closed from this side.
    app = run(port, "--messages", "5")
    app.wait_for("number 5")
    app.wait_for("closed: received 1000")
    app.wait_for("the end: received 1000, sent 1000")
    assert app.process.wait(timeout=5) == 0
    server.kill()
    print("closed by the client: ok")


main()
