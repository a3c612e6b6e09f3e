"""What the Python clients share: the command line, the payloads, and the list of checks.

The checks are those of `src/checks.rs`, under the same names.
"""

import argparse
import random
from urllib.parse import quote

MIB = 1 << 20
NO_STATUS = 1005
ABNORMAL = 1006
TIME_LIMIT = 60
MAX_MESSAGE = 64 << 20
BATCH = 16

# name, and code and reason if there is a body
CLOSES = [
    ("1000", (1000, "bye")),
    ("1000-without-reason", (1000, "")),
    ("1001", (1001, "going away")),
    ("1008", (1008, "policy")),
    ("3000", (3000, "registered")),
    ("4999", (4999, "private")),
    ("non-ascii", (4000, "Tschüß, 再见 👋")),
    ("longest-reason", (1000, "ö" * 61 + ".")),
    ("empty-body", None),
]


class Failed(Exception):
    """A check that did not hold."""


def ensure(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--echo-only", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", action="append", default=[])
    parser.add_argument("--variant", action="append", default=[])
    arguments = parser.parse_args()
    arguments.url = arguments.url.rstrip("/")
    return arguments


def octets(size):
    return random.Random(size).randbytes(size)


def characters(size):
    """`size` bytes of text of one to four bytes a character."""
    block = "".join(random.Random(size).choices("kö€😀\u07ff\uffff", k=4099))
    data = (block.encode() * (size // 4099 + 1))[:size]
    text = data.decode(errors="ignore")
    return text + "." * (size - len(text.encode()))


def fragments(data):
    size = len(data) // 50 + 1
    return [b""] + [data[at : at + size] for at in range(0, len(data), size)] + [b""]


def compare(wanted, got):
    if wanted == got and type(wanted) is type(got):
        return
    if type(wanted) is not type(got):
        raise Failed(f"sent {type(wanted).__name__}, got {got!r:.80}")
    at = next((n for n, (a, b) in enumerate(zip(wanted, got)) if a != b), min(len(wanted), len(got)))
    raise Failed(f"{len(wanted)} came back as {len(got)}, different from {at}: {got[at : at + 20]!r}")


def pipelined_messages():
    return [octets(n % 140) if n % 2 else f"message {n}" for n in range(1000)]


def telemetry(n):
    """The nth of many messages that resemble each other."""
    drift = n * 7919 % 101
    return (
        f'{{"device":"sensor-{n % 5:04}","time":{1764000000000 + 211 * n},"temperature":{21 + drift / 100:.2f},'
        f'"humidity":{40 + drift / 10:.1f},"state":"{"fault" if n % 17 == 0 else "ok"}","sequence":{n}}}'
    )


def readings(size):
    text = "".join(map(telemetry, range(size // 100 + 1)))
    return text[:size]


def conversation(name):
    """Batches of messages for one connection: each is (what, whether it is to be sent in fragments)."""
    if name.endswith("mib"):
        for data in [readings(MIB), octets(MIB), characters(MIB), readings(MIB).encode()]:
            yield [(data, False)]
        return
    for batch in range(12):
        yield [(telemetry(batch * BATCH + n), False) for n in range(BATCH)]
    for size in [0, 1, 2, 3, 125, 126, 127, 1000, 4096, 65_536]:
        for data in [octets(size), readings(size).encode(), bytes(size), characters(size), readings(size)]:
            yield [(data, False)]
    for data in ["", telemetry(0), characters(1000), octets(4096), readings(65_536), b"", readings(20_000).encode()]:
        yield [(data, True)]
    for batch in range(3):
        yield [(telemetry(1000 + batch * BATCH + n), n == 0) for n in range(BATCH)]


FRAGMENTED = [telemetry(1), "", characters(1000), octets(65_536), readings(65_536), b"", readings(5000).encode()]


def checks(client, echo_only):
    """(name, path, method of the client, its arguments)"""
    for name, text in [
        ("ascii", "Hello, World"),
        ("utf-8", "\ufeffGrüße, 世界 \0 😀 \U0010ffff"),
        ("empty", ""),
        ("16-mib", characters(16 * MIB)),
    ]:
        yield f"text-{name}", "/", client.echo, (text,)
    for size in [0, 1, 125, 126, 127, 65_535, 65_536, MIB, 16 * MIB]:
        yield f"binary-{size}", "/", client.echo, (octets(size),)
    for name, data in [
        ("text", characters(1000)),
        ("empty-text", ""),
        ("binary-65536", octets(65_536)),
        ("binary-1-mib", octets(MIB)),
    ]:
        yield f"fragments-sent-{name}", "/", client.echo_fragmented, (data,)
        if not echo_only:
            yield f"fragments-received-{name}", "/fragmented", client.fragmented_by_server, (data,)
    yield "pipelined-1000", "/", client.pipelined, ()
    for size in [0, 5, 125]:
        yield f"ping-{size}", "/", client.ping, (octets(size),)
        if not echo_only:
            yield f"ping-by-server-{size}", "/ping", client.answers_ping, (octets(size),)
    for name, close in CLOSES:
        yield f"close-by-client-{name}", "/", client.close_by_client, (close,)
        if not echo_only:
            path = "/close" if close is None else f"/close/{close[0]}/{quote(close[1], safe='')}"
            yield f"close-by-server-{name}", path, client.close_by_server, (close,)
    yield "drop-by-client", "/", client.drop_by_client, ()
    if not echo_only:
        for how in ["fin", "inside", "reset"]:
            yield f"drop-by-server-{how}", f"/drop/{how}", client.drop_by_server, ()
        yield "subprotocol-chosen", "/", client.subprotocol, (["other", "superchat", "chat"], "superchat")
        yield "subprotocol-none-in-common", "/", client.subprotocol, (["other"], None)
    yield "subprotocol-not-offered", "/", client.subprotocol, (None, None)


def parse_offer(text):
    """permessage-deflate's parameters, as they are in the header."""
    pairs = (parameter.strip().partition("=") for parameter in text.split(";") if parameter.strip())
    return {name: int(value) if value else True for name, _, value in pairs}


def variants(client, arguments):
    """(name, path, query, method, its arguments)"""
    for variant in arguments.variant:
        name, offer, query = variant.split("|")
        yield f"deflate-{name}", "/", query, client.conversation, (parse_offer(offer), name)
        if not (arguments.echo_only or name.endswith("mib")):
            yield f"deflate-{name}-fragmented", "/fragmented", query, client.conversation_fragmented, (parse_offer(offer),)


def selected(client, arguments):
    """(name, target, URL, method, its arguments) of the checks asked for."""
    chosen = variants(client, arguments)
    if not arguments.variant:
        chosen = ((name, path, "", *rest) for name, path, *rest in checks(client, arguments.echo_only))
    for name, path, query, method, parameters in chosen:
        if arguments.only in name and not any(part in name for part in arguments.skip):
            target = f"{path}?check={name}" + (f"&{query}" if query else "")
            yield name, target, arguments.url + target, method, parameters


def report(name, target, seen):
    """`seen`: what the server must report about the end: code and reason, or nothing."""
    if seen is not None:
        code, reason = seen
        print("expect", target, code, "*" if reason is None else reason, flush=True)
    print("ok", name, flush=True)


def report_failure(name, error):
    why = " ".join(str(error).split())
    if not isinstance(error, Failed):
        why = f"{type(error).__name__}: {why}"
    print(f"FAIL {name}: {why}", flush=True)
