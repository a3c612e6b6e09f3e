#!/usr/bin/env python3
"""Starts the peers, runs every check against them, ends the peers. Exit status 1 if a check failed."""
import argparse
import asyncio
import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import threading
import time

from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

USER, WORD = "prox@y", "wo:rd/%"
URL_USER = "prox%40y:wo%3Ard%2F%25@"
SECRETS = ["--basic", "origin:origin-word", "--cookie", "a=origin-cookie", "--header", "X-Key:origin-key"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def black_hole(host, port):
    """An address that swallows what comes: its queue of connections is full, and no one accepts."""
    listener = socket.socket(socket.AF_INET6)
    listener.bind((host, port))
    listener.listen(0)
    sockets = [listener]
    for _ in range(4):
        s = socket.socket(socket.AF_INET6)
        s.setblocking(False)
        s.connect_ex((host, port))
        sockets.append(s)
    time.sleep(0.1)
    return sockets


class Echo(threading.Thread):
    """The server that sends first what it knows of the client, then every message back; its paths redirect."""

    def __init__(self, name="echo"):
        super().__init__(daemon=True)
        self.port = free_port()
        self.routes = {}
        self.ready = threading.Event()

    def run(self):
        asyncio.run(self.main())

    async def main(self):
        async with serve(self.handle, "127.0.0.1", self.port, process_request=self.answer, max_size=None,
                         compression=None):
            self.ready.set()
            await asyncio.Future()

    def answer(self, connection, request):
        path = request.path
        if path in self.routes:
            status, fields = self.routes[path]
            headers = Headers({"Content-Length": "0"})
            for name, value in fields:
                headers[name] = value
            return Response(status, "As asked", headers, b"")
        if path == "/private" and request.headers.get("Authorization") != "Basic b3JpZ2luOm9yaWdpbi13b3Jk":
            return Response(401, "No", Headers({"Content-Length": "0", "WWW-Authenticate": "Basic realm=x"}), b"")

    async def handle(self, ws):
        known = {"peer": ws.remote_address[1], "path": ws.request.path, "headers": dict(ws.request.headers.raw_items())}
        await ws.send(json.dumps(known))
        async for message in ws:
            await ws.send(message)


class Peers:
    def __init__(self, tools, probe, scratch):
        self.root, self.probe_path, self.scratch = os.path.join(tools, "root"), probe, scratch
        self.processes = []
        self.environment = {k: v for k, v in os.environ.items()
                            if not k.lower().endswith("_proxy") and k != "WEBSOCKET_CLIENT_CA_BUNDLE"}

    def file(self, name, text=None):
        path = os.path.join(self.scratch, name)
        if text is not None:
            with open(path, "w") as f:
                f.write(text)
        return path

    def start(self, port, command, **more):
        name = os.path.basename(command[0])
        log = open(self.file(f"{name}-{port}.log"), "w")
        path = os.path.join(self.root, "usr")
        env = dict(self.environment, PATH=f"{path}/sbin:{path}/bin:{self.environment.get('PATH', '')}",
                   LD_LIBRARY_PATH=f"{path}/lib/{os.uname().machine}-linux-gnu")
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env, **more)
        self.processes.append((name, process, log.name))
        end = time.monotonic() + 20
        while time.monotonic() < end and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return port
            except OSError:
                time.sleep(0.05)
        with open(log.name) as f:
            raise SystemExit(f"{' '.join(command)} does not listen at {port}:\n{f.read()}")

    def stop(self):
        for _, process, _ in self.processes:
            process.terminate()
        for _, process, _ in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()

    def tinyproxy(self, auth, hosts=False):
        port = free_port()
        lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "Allow 127.0.0.1", "MaxClients 50"]
        if auth:
            lines.append("BasicAuth proxy word")
        command = ["tinyproxy", "-d", "-c", self.file(f"tinyproxy-{port}.conf", "\n".join(lines) + "\n")]
        return self.start(port, self.with_hosts(*command) if hosts else command)

    def microsocks(self, auth):
        port = free_port()
        more = ["-u", USER, "-P", WORD] if auth else []
        return self.start(port, ["microsocks", "-i", "127.0.0.1", "-p", str(port), *more])

    def dante(self):
        port, user = free_port(), pwd.getpwuid(os.getuid()).pw_name
        config = f"""
            logoutput: stderr
            internal: 127.0.0.1 port = {port}
            external: 127.0.0.1
            socksmethod: none
            clientmethod: none
            user.privileged: {user}
            user.unprivileged: {user}
            client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
            socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
        """
        return self.start(port, ["danted", "-f", self.file("danted.conf", config), "-p", self.file("danted.pid")])

    def twisted(self):
        port = free_port()
        listen = ["--interface", "127.0.0.1", "--port", str(port)]
        return self.start(port, [sys.executable, "-m", "twisted", "socks", *listen], cwd=self.scratch)

    def nginx(self, echo, proxy):
        """TLS in front of the echo, one port for each certificate; and TLS in front of a proxy."""
        self.tls = {name: free_port() for name in ("good", "expired", "stranger", "other", "asking", "moved")}
        self.https_proxy = free_port()
        server = """
            server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {cert}.pem;
                ssl_certificate_key {cert}.key;
                {more}
                location / {{
                    proxy_pass http://127.0.0.1:{echo};
                    proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection upgrade;
                    proxy_set_header Host $http_host;
                }}
            }}"""
        more = {
            "asking": f"ssl_verify_client on; ssl_client_certificate {self.file('ca.pem')};",
            "moved": f"rewrite ^/old(.*)$ https://127.0.0.1:{self.tls['good']}/new$1 permanent;"
                     f" rewrite ^/down$ http://127.0.0.1:{echo}/ redirect;",
        }
        servers = "".join(server.format(
            port=port, echo=echo, more=more.get(name, ""),
            cert=self.file(name if os.path.exists(self.file(name + ".pem")) else "good"),
        ) for name, port in self.tls.items())
        temporary = "".join(f"{kind}_temp_path {self.scratch}/{kind};" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        module = os.path.join(self.root, "usr/lib/nginx/modules/ngx_stream_module.so")
        config = f"""
            daemon off; pid {self.scratch}/nginx.pid; error_log stderr;
            load_module {module};
            events {{}}
            http {{ access_log off; {temporary} {servers} }}
            stream {{ server {{
                listen 127.0.0.1:{self.https_proxy} ssl;
                ssl_certificate {self.file('good.pem')}; ssl_certificate_key {self.file('good.key')};
                proxy_pass 127.0.0.1:{proxy};
            }} }}
        """
        self.start(self.https_proxy, ["nginx", "-e", "stderr", "-p", self.scratch, "-c", self.file("nginx.conf", config)])

    def with_hosts(self, *command):
        """A command for which two.example is ::1 and 127.0.0.1, and one.example the latter; None if this machine does not allow it."""
        hosts = self.file("hosts", "127.0.0.1 localhost one.example\n::1 two.example\n127.0.0.1 two.example\n")
        unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        prefix = [*unshare, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
        ask = "import socket; print(socket.getaddrinfo('two.example', 1, type=socket.SOCK_STREAM)[0][4][0])"
        try:
            run = subprocess.run([*prefix, sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True)
        except OSError:
            return None
        return [*prefix, *command] if run.returncode == 0 and run.stdout.strip() == "::1" else None

    def probe(self, url, *options, env=None, hosts=False):
        command = [self.probe_path, "connect", url, *options]
        if hosts:
            command = self.with_hosts(*command)
        run = subprocess.run(command, stdout=subprocess.PIPE, timeout=60,
                             env=dict(self.environment, **(env or {})), text=True)
        return run.returncode, run.stdout.strip()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", required=True)
    parser.add_argument("--probe", required=True)
    parser.add_argument("only", nargs="*")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sockling-proxies-") as scratch:
        subprocess.run([args.probe, "certificates", scratch], check=True)
        # For the workers of nginx, which are another user's.
        os.chmod(scratch, 0o755)
        peers = Peers(args.tools, args.probe, scratch)
        try:
            sys.exit(run(peers, args.only))
        finally:
            peers.stop()


def run(peers, only):
    echo, other = Echo(), Echo()
    for server in (echo, other):
        server.start()
        server.ready.wait()
    ws = f"ws://localhost:{echo.port}"
    tiny, tiny_auth = peers.tinyproxy(False), peers.tinyproxy(True)
    micro, micro_auth = peers.microsocks(False), peers.microsocks(True)
    dante, twisted = peers.dante(), peers.twisted()
    peers.nginx(echo.port, tiny_auth)
    root = ["--root", peers.file("ca.pem")]
    tls = {name: f"wss://127.0.0.1:{port}" for name, port in peers.tls.items()}
    failures, count = [], 0

    def check(name, url, *options, ok=True, expect="", behind=None, absent=(), env=None, hosts=False):
        """`behind`: whether something is between client and server, as the ports of the connection tell."""
        nonlocal count
        if only and not any(part in name for part in only):
            return None
        count += 1
        code, output = peers.probe(url, *options, env=env, hosts=hosts)
        wrong = []
        if (code == 0) != ok:
            wrong.append("unexpected outcome")
        if expect not in output:
            wrong.append(f"not there: {expect}")
        wrong += [f"there: {text}" for text in absent if text in output]
        known = None
        if code == 0:
            port, took, text = output.splitlines()[-1].split(" ", 2)
            known = dict(json.loads(text), took=int(took))
            if behind is not None and (known["peer"] != int(port)) != behind:
                wrong.append(f"behind a proxy: {not behind}")
        print(f"{'FAILED' if wrong else 'ok    '} {name}")
        if wrong:
            failures.append(name)
            print("   ", "; ".join(wrong), "\n   ", output[:2000])
        return known

    check("direct", f"{ws}/", behind=False)
    if peers.with_hosts():
        hole = black_hole("::1", echo.port)
        known = check("first address is a black hole", f"ws://two.example:{echo.port}/", behind=False, hosts=True)
        if known and not 200 <= known["took"] < 5000:
            failures.append(f"the black hole cost {known['took']} ms")
        for s in hole:
            s.close()
        http = f"http://127.0.0.1:{peers.tinyproxy(False, hosts=True)}"
        for name, value in [("http_proxy", http), ("ALL_PROXY", http), ("all_proxy", http.removeprefix("http://"))]:
            check(f"environment {name}", f"ws://one.example:{echo.port}/", env={name: value}, behind=True)
        check("environment https_proxy", f"wss://one.example:{peers.tls['good']}/", *root, "--server-name", "localhost",
              env={"https_proxy": http, "http_proxy": "http://127.0.0.1:1"}, behind=True)
        check("environment no_proxy", f"ws://one.example:{echo.port}/", ok=False, expect="Dns",
              env={"http_proxy": http, "NO_PROXY": "other.example,.example"})
        check("first address refuses", f"ws://two.example:{echo.port}/", behind=False, hosts=True)
    else:
        print("skipped first address is a black hole, or refuses: no file of hosts can be given here")

    http = f"http://127.0.0.1:{tiny}"
    check("tinyproxy ws", f"{ws}/", "--proxy", http, behind=True)
    check("tinyproxy wss", tls["good"], "--proxy", http, *root)
    check("tinyproxy by address", f"ws://127.0.0.1:{echo.port}/", "--proxy", http, behind=True)
    check("tinyproxy no_proxy", f"ws://127.0.0.1:{echo.port}/", "--proxy", http, "--no-proxy", "127.0.0.0/8", behind=False)
    check("tinyproxy no_proxy of the environment", f"{ws}/", "--proxy", http, env={"no_proxy": "localhost"}, behind=False)
    check("tinyproxy this host is exempt", f"{ws}/", env={"http_proxy": "http://127.0.0.1:1"}, behind=False)
    check("tinyproxy server refuses", f"ws://127.0.0.1:{free_port()}/", "--proxy", http, ok=False, expect="Status(")
    check("tinyproxy unknown name", "ws://nowhere.invalid/", "--proxy", http, ok=False, expect="Status(")
    auth = f"127.0.0.1:{tiny_auth}"
    known = check("tinyproxy auth", f"{ws}/private", "--proxy", f"http://proxy:word@{auth}", *SECRETS, behind=True)
    if known and any("Proxy" in name for name in known["headers"]):
        failures.append("the proxy's credentials reached the server")
    check("tinyproxy auth missing", f"{ws}/", "--proxy", f"http://{auth}", *SECRETS, ok=False, expect="status: 407",
          absent=["origin-"])
    check("tinyproxy auth wrong", f"{ws}/", "--proxy", f"http://proxy:wrong@{auth}", ok=False, expect="Status(",
          absent=["wrong"])

    https = f"https://proxy:word@127.0.0.1:{peers.https_proxy}"
    check("https proxy ws", f"{ws}/", "--proxy", https, *root, behind=True)
    check("https proxy wss", tls["good"], "--proxy", https, *root)
    check("https proxy not trusted", f"{ws}/", "--proxy", https, ok=False, expect="UnknownIssuer")
    check("https proxy not trusted, whatever the server may be", tls["good"], "--proxy", https, "--danger", "true",
          ok=False, expect="UnknownIssuer")

    for name, port, schemes in [
        ("microsocks", micro, ["socks5", "socks5h"]),
        ("dante", dante, ["socks4", "socks5", "socks5h"]),
        ("twisted", twisted, ["socks4", "socks4a"]),
    ]:
        for scheme in schemes:
            proxy = ["--proxy", f"{scheme}://127.0.0.1:{port}"]
            check(f"{name} {scheme} ws", f"{ws}/", *proxy, behind=True)
            check(f"{name} {scheme} wss", tls["good"].replace("127.0.0.1", "localhost"), *proxy, *root)
    proxy = ["--proxy", f"socks5h://127.0.0.1:{micro}"]
    check("microsocks server refuses", f"ws://127.0.0.1:{free_port()}/", *proxy, ok=False, expect="Refused(5)")
    check("microsocks unknown name", "ws://nowhere.invalid/", *proxy, ok=False, expect="Refused(")
    check("microsocks auth", f"{ws}/", "--proxy", f"socks5h://{URL_USER}127.0.0.1:{micro_auth}", behind=True)
    check("microsocks auth missing", f"{ws}/", "--proxy", f"socks5h://127.0.0.1:{micro_auth}", ok=False, expect="Unauthorized")
    check("microsocks auth wrong", f"{ws}/", "--proxy", f"socks5h://a:b@127.0.0.1:{micro_auth}", ok=False, expect="Unauthorized")
    check("proxy of another kind", f"{ws}/", "--proxy", f"http://127.0.0.1:{micro}", ok=False, expect="Proxy {")
    check("proxy is not there", f"{ws}/", "--proxy", f"http://127.0.0.1:{free_port()}", ok=False, expect="ConnectionRefused")

    check("nginx", tls["good"], *root, behind=True)
    check("nginx by name", f"wss://localhost:{peers.tls['good']}", *root)
    check("nginx unknown authority", tls["good"], ok=False, expect="UnknownIssuer")
    check("nginx stranger", tls["stranger"], *root, ok=False, expect="UnknownIssuer")
    check("nginx expired", tls["expired"], *root, ok=False, expect="Expired")
    check("nginx other host", tls["other"], *root, ok=False, expect="NotValidForName")
    check("nginx other host, as asked for", tls["other"], *root, "--server-name", "other.example")
    for name in ("stranger", "expired", "other"):
        check(f"nginx {name}, opted out", tls[name], "--danger", "true")
    check("nginx wants a certificate", tls["asking"], *root, "--identity", peers.file("client"))
    check("nginx wants a certificate, gets none", tls["asking"], *root, ok=False, expect="status: 400")
    check("nginx wants a certificate, gets another", tls["asking"], *root, "--identity", peers.file("strange-client"),
          ok=False, expect="status: 400")
    check("nginx roots of the environment", tls["good"], env={"WEBSOCKET_CLIENT_CA_BUNDLE": peers.file("ca.pem")})
    check("nginx plain to tls", tls["good"].replace("wss", "ws"), ok=False, expect="status: 400")
    check("tls to plain", ws.replace("ws:", "wss:"), "--danger", "true", ok=False, expect="UnexpectedEof")

    here, there = f"ws://localhost:{echo.port}", f"ws://127.0.0.1:{other.port}"
    echo.routes.update({
        "/301": (301, [("Location", "/302")]),
        "/302": (302, [("Location", f"http://localhost:{echo.port}/303")]),
        "/303": (303, [("Location", "/end?a=b")]),
        "/away": (307, [("Location", f"{there}/end")]),
        "/cookie": (308, [("Location", "/end"), ("Set-Cookie", "jar=1"), ("Set-Cookie", "a,b; c=\"")]),
        "/loop": (302, [("Location", "/loop")]),
        "/4": (302, [("Location", "/301")]),
        "/nowhere": (302, []),
        "/busy": (503, [("Retry-After", "7")]),
    })
    known = check("redirects", f"{here}/301", *SECRETS)
    if known:
        fields = json.dumps(known["headers"])
        if known["path"] != "/end?a=b" or not all(text in fields for text in ("b3JpZ2lu", "origin-cookie", "origin-key")):
            failures.append("redirects: what the server got")
    known = check("redirect to another origin", f"{here}/away", *SECRETS)
    if known:
        fields = known["headers"]
        if {"Authorization", "Cookie", "X-Key"} & set(fields) or fields["Host"] != f"127.0.0.1:{other.port}":
            failures.append("redirect to another origin: what the server got")
    known = check("redirect with a cookie", f"{here}/cookie", "--times", "2")
    if known and "jar=1" not in known["headers"].get("Cookie", ""):
        failures.append("redirect with a cookie: what the server got")
    check("redirects end", f"{here}/4", ok=False, expect="TooMany")
    check("redirects end later", f"{here}/4", "--redirects", "4")
    check("redirect in a circle", f"{here}/loop", ok=False, expect="Loop")
    check("redirect to nowhere", f"{here}/nowhere", ok=False, expect="Location")
    check("redirect not followed", f"{here}/301", "--redirects", "0", ok=False, expect="status: 301")
    check("redirect through a proxy", f"{here}/301", "--proxy", http, behind=True)
    check("redirect of nginx", f"{tls['moved']}/old?x=y", *root, expect="/new?x=y")
    check("redirect from wss to ws", f"{tls['moved']}/down", *root, ok=False, expect="Downgrade")
    check("refused for a while", f"{here}/busy", ok=False, expect="503")

    print(f"{count - len(failures)} of {count} checks passed" + (f"; FAILED: {', '.join(failures)}" if failures else ""))
    return 1 if failures or not count else 0


main()
