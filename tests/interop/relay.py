"""Stands between a client and a server, and keeps what passes, to look at it when the connection is over."""

import re
import socket
import struct
import threading
import zlib
from dataclasses import dataclass, field

TAIL = b"\x00\x00\xff\xff"
NAME = "permessage-deflate"
# Bytes inflated at a time: zlib takes a distance beyond its window for wrong only if it is not within these.
STEP = 32
HALF_CLOSED_LIMIT = 20  # seconds


class Wrong(Exception):
    """What a connection must not be."""


class Relay:
    """Listens on 127.0.0.1, hands everything on to another port there."""

    def __init__(self, port):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                client.close()
                continue
            connection = Connection()
            self.connections.append(connection)
            for args in [(client, server, connection.sent), (server, client, connection.received)]:
                args[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(*args, connection), daemon=True).start()

    @staticmethod
    def pump(source, to, kept, connection):
        try:
            while data := source.recv(1 << 16):
                kept += data
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            # A reset is handed on as one; closing alone would not, while the other thread reads.
            for end in (source, to):
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RD)
                except OSError:
                    pass
        if connection.one_is_over():
            source.close()
            to.close()

    def take(self, check):
        """The connection with this check in the query of its target; it is then forgotten."""
        found = [connection for connection in self.connections if connection.check() == check]
        if len(found) != 1:
            raise Wrong(f"there were {len(found)} connections")
        self.connections.remove(found[0])
        return found[0]

    def close(self):
        self.listener.close()


class Connection:
    def __init__(self):
        self.sent, self.received = bytearray(), bytearray()  # by the client
        self.directions = 2
        self.lock = threading.Lock()
        self.over = threading.Event()

    def one_is_over(self):
        with self.lock:
            self.directions -= 1
            if self.directions == 0:
                self.over.set()
            return self.directions == 0

    def check(self):
        line = bytes(self.sent[:1000]).split(b"\r\n")[0].decode()
        match = re.search(r"[?&]check=([^& ]*)", line)
        return match and match[1]

    def examine(self):
        """What was negotiated (nothing: no compression), and both directions, decompressed."""
        if not self.over.wait(HALF_CLOSED_LIMIT):
            raise Wrong("the connection was not closed")
        (request, sent), (response, received) = (split_head(data) for data in (self.sent, self.received))
        if not response.startswith(b"HTTP/1.1 101 "):
            raise Wrong(f"the answer was {response[:40]!r}")
        agreed, offer = negotiated(extensions(request), extensions(response))
        client, server = Direction(), Direction()
        if agreed is not None:
            for direction, of in ((client, "client"), (server, "server")):
                direction.deflate = True
                direction.bits = agreed[f"{of}_max_window_bits"] or 15
                direction.takeover = not agreed[f"{of}_no_context_takeover"]
            # What an offer says of the client holds, whatever the response is (sections 7.1.1.2 and 7.1.2.2).
            client.bits = min(client.bits, int(offer.get("client_max_window_bits") or 15))
            client.takeover &= "client_no_context_takeover" not in offer
        client.read(sent, True)
        server.read(received, False)
        return agreed, client, server


def split_head(data):
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    return head, rest


def extensions(head):
    values = []
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"sec-websocket-extensions":
            values.append(value.decode())
    result = []
    for element in filter(None, (element.strip() for element in ",".join(values).split(","))):
        name, *parameters = (part.strip() for part in element.split(";"))
        pairs = [parameter.partition("=") for parameter in parameters]
        pairs = [(key.strip(), value.strip().strip('"') if equals else None) for key, equals, value in pairs]
        if len(dict(pairs)) != len(pairs):
            raise Wrong(f"a parameter is there twice: {element}")
        result.append((name, dict(pairs)))
    return result


def negotiated(offers, response):
    """RFC 7692 section 7.1: what the response means, and the offer that it is to."""
    if not response:
        return None, None
    if len(response) != 1 or response[0][0] != NAME:
        raise Wrong(f"the response is {response}")
    agreed = dict.fromkeys(
        ("server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits")
    )
    for key, value in response[0][1].items():
        if key not in agreed or (value is None) != key.endswith("takeover"):
            raise Wrong(f"the response has {key}={value}")
        if value is not None and value not in map(str, range(8, 16)):
            raise Wrong(f"the response has {key}={value}")
        agreed[key] = int(value) if value else True
    for name, offer in offers:
        if name == NAME and fits(offer, agreed):
            return agreed, offer
    raise Wrong(f"the response {response} is one to none of the offers {offers}")


def fits(offer, agreed):
    if "server_no_context_takeover" in offer and not agreed["server_no_context_takeover"]:
        return False
    most = offer.get("server_max_window_bits")
    if most is not None and not (agreed["server_max_window_bits"] or 15) <= int(most):
        return False
    if agreed["client_max_window_bits"] and "client_max_window_bits" not in offer:
        return False
    return True


@dataclass
class Direction:
    deflate: bool = False
    bits: int = 15
    takeover: bool = True
    messages: list = field(default_factory=list)  # (payload, its size on the wire or None if it was not compressed)

    def read(self, data, masked):
        inflater = zlib.decompressobj(-max(self.bits, 9))
        at, opcode, compressed, parts = 0, None, False, []
        while at < len(data):
            header, at = data[at : at + 2], at + 2
            fin, rsv, code, length = header[0] & 0x80, header[0] & 0x70, header[0] & 0xF, header[1] & 0x7F
            if bool(header[1] & 0x80) != masked:
                raise Wrong("a frame is masked the wrong way")
            if length >= 126:
                size = 2 if length == 126 else 8
                length, at = int.from_bytes(data[at : at + size]), at + size
            key, at = (data[at : at + 4], at + 4) if masked else (None, at)
            payload, at = data[at : at + length], at + length
            if len(payload) < length:
                return  # broken off
            if masked:
                payload = unmask(payload, key)
            if rsv and (rsv != 0x40 or code not in (1, 2) or not self.deflate):
                raise Wrong(f"a frame of opcode {code} has reserved bits {rsv:#x}")
            if code >= 8:
                continue
            if (code == 0) != (opcode is not None):
                raise Wrong(f"a frame of opcode {code} out of order")
            if code:
                opcode, compressed, parts = code, bool(rsv), []
            parts.append(payload)
            if not fin:
                continue
            message, size = b"".join(parts), None
            if compressed:
                if not self.takeover:
                    inflater = zlib.decompressobj(-max(self.bits, 9))
                size = len(message)
                try:
                    message, inflater = inflate(inflater, message, self.bits)
                except zlib.error as error:
                    wrong = f"message {len(self.messages)} of {size} bytes ({self.bits} bits, takeover: {self.takeover})"
                    raise Wrong(f"{wrong}: {error}") from None
            if opcode == 1:
                message.decode()
            self.messages.append((message, size))
            opcode = None

    def compressed(self):
        return sum(size is not None for _, size in self.messages)

    def saved(self):
        """Of compressed messages that are short, where there is little to gain without those before it: the bytes that
        were sent, and those of zlib at its best with each on its own."""
        short = [(len(alone(message)), size) for message, size in self.messages if size is not None and 20 < len(message) < 300]
        return sum(size for _, size in short), sum(best for best, _ in short)


def unmask(payload, key):
    pad = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(pad, "little")).to_bytes(len(payload), "little")


def inflate(inflater, message, bits):
    """The message, and the inflater for the next one."""
    rest, parts = message + TAIL, []
    # With the largest window nothing is beyond it but what the format forbids anyway.
    step = STEP if bits < 15 else 1 << 20
    while rest:
        parts.append(inflater.decompress(rest, step))
        rest = inflater.unconsumed_tail
        if inflater.eof:
            # A block was the last one: what follows goes on, with the window of before, which zlib's has not got.
            rest = inflater.unused_data
            if rest in (TAIL, b"\x00" + TAIL):
                rest = b""
            inflater = zlib.decompressobj(-bits, zdict=b"".join(parts)[-(1 << bits) :])
    while more := inflater.decompress(b"", step):
        parts.append(more)
    return b"".join(parts), inflater


def alone(message):
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    return (compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
