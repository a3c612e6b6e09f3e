"""Checks a server with Chromium: a page on 127.0.0.1 does it (chromium_page.js) and reports back.

CHROMIUM: the program, if it is not called chromium. What a page has no way to do is left out: fragments, pings, most
status codes, an end without a close frame, and any say in permessage-deflate, which it always offers.
"""

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from checks import parse_arguments

LIMIT = 240  # seconds for all checks
PAGE = "<!doctype html><meta charset=utf-8><title>sockling</title><script src=/page.js></script>"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--password-store=basic",
    "--no-proxy-server",
]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        what = {
            "/": ("text/html", PAGE),
            "/page.js": ("text/javascript", (Path(__file__).parent / "chromium_page.js").read_text()),
            "/arguments": ("application/json", self.server.arguments),
        }.get(self.path)
        if what is None:
            return self.send_error(404)
        self.answer(what[0], what[1].encode())

    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer("text/plain", b"")
        if lines == "end":
            self.server.ended.set()
        else:
            self.server.failed |= "FAIL " in lines
            print(lines, flush=True)

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    arguments = parse_arguments()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("FAIL start: no chromium here")
        return 2
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.arguments = json.dumps(vars(arguments))
    server.ended, server.failed = threading.Event(), False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [chromium, *FLAGS, f"--user-data-dir={home}/data", f"http://127.0.0.1:{server.server_port}/"]
        with open(Path(home) / "log", "w") as log:
            browser = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"HOME": home}
            )
        waited = 0
        while not server.ended.wait(1) and browser.poll() is None and waited < LIMIT:
            waited += 1
        if not server.ended.is_set():
            print("FAIL end: chromium ended early, or too late:", *(Path(home) / "log").read_text().split()[-50:])
        browser.terminate()
        try:
            browser.wait(10)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait()
    return 0 if server.ended.is_set() and not server.failed else 1


sys.exit(main())
