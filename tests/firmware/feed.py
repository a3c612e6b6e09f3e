#!/usr/bin/env python3
"""A server that drops its client, again and again, in every way there is, and wants it back each time.

usage: feed.py DROPS, which prints its port, and exits with 0 if the client came back after each drop.
By the letter of RFC 6455, with no code of the library.
"""
import base64
import hashlib
import re
import socket
import struct
import sys
import time

PATIENCE = 20  # seconds for the client to do what it has to
WAYS = ["reset", "fin", "half a frame", "silence", "refused", "half a head"]


class Gone(Exception):
    pass


class Client:
    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def fill(self):
        more = self.connection.recv(4096)
        if not more:
            raise Gone("the client ended the connection")
        self.buffer += more

    def take(self, n):
        while len(self.buffer) < n:
            self.fill()
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def request(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return head

    def open(self):
        key = re.search(rb"(?m)^Sec-WebSocket-Key: (\S+)\r?$", self.request()).group(1)
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")

    def frame(self):
        """The next frame: first byte and payload. Pings are answered."""
        while True:
            first, second = self.take(2)
            assert second & 0x80, "a client's frame is masked"
            length = second & 0x7F
            assert length < 127, "no frame of this client's is that long"
            if length == 126:
                length, = struct.unpack(">H", self.take(2))
            key = self.take(4)
            payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(self.take(length)))
            if first != 0x89:
                return first, payload
            self.send(0x8A, payload)

    def text(self):
        """The next text that is no reading; readings are looked at, and go on from one to the next."""
        while True:
            first, payload = self.frame()
            if first == 0x8A:
                continue
            assert first == 0x81, "0x%x" % first
            if not payload.startswith(b"reading "):
                return payload
            reading = int(payload.split()[1])
            assert reading > Client.reading, "reading %d after %d" % (reading, Client.reading)
            Client.reading = reading

    reading = -1

    def send(self, first, payload):
        assert len(payload) < 126
        self.connection.sendall(bytes([first, len(payload)]) + payload)


def listen(port):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    server.settimeout(PATIENCE)
    return server


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def main():
    drops = int(sys.argv[1])
    server = listen(0)
    port = server.getsockname()[1]
    print(port, flush=True)
    begin = time.monotonic()
    for drop in range(drops + 1):
        client = Client(server.accept()[0])
        client.open()
        word = client.text()
        assert word == (b"resubscribe" if drop else b"subscribe"), word
        for event in range(3):
            said = b"event %d of connection %d" % (event, drop)
            client.send(0x81, said)
            assert client.text() == said
        if drop == drops:
            break
        way = WAYS[drop % len(WAYS)]
        print("%6.2f s  drop %d: %s" % (time.monotonic() - begin, drop + 1, way), flush=True)
        if way == "fin":
            client.connection.close()
        elif way == "half a frame":
            client.connection.sendall(bytes([0x81, 100]) + b"the rest of this will never")
            client.connection.close()
        elif way == "silence":
            # Nothing is read, nothing is written, and the connection stays: only the missing pong shows it.
            silent.append(client.connection)
        elif way == "refused":
            server.close()
            reset(client.connection)
            time.sleep(0.4)
            server = listen(port)
        elif way == "half a head":
            reset(client.connection)
            second = Client(server.accept()[0])
            second.request()
            second.connection.sendall(b"HTTP/1.1 101 Switching Proto")
            second.connection.close()
        else:
            reset(client.connection)
    client.send(0x81, b"finish")
    while True:
        first, payload = client.frame()
        if first == 0x88:
            break
    assert payload == struct.pack(">H", 1000) + b"done", payload
    client.send(0x88, payload[:2])
    client.connection.close()
    print("%6.2f s  %d drops, and back after each; the last reading was %d" % (
        time.monotonic() - begin, drops, Client.reading))


silent = []
if __name__ == "__main__":
    main()
