#!/usr/bin/env python3
"""An echo server over TLS 1.3, for certificates and against them. Who says "drop" is dropped; who offers to compress gets
compressed messages back.

usage: tls.py FOLDER
Puts ca.der, other.der (an authority that has signed nothing) and what goes with them into FOLDER, and prints its port.
A certificate is for server.test; the one for expired.test has ended.
By the letter of RFC 6455 and RFC 7692, with no code of the library; TLS is OpenSSL's, certificates are made by its command.
"""
import base64
import hashlib
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import zlib


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def authority(folder, name):
    key, pem, der = (os.path.join(folder, name + end) for end in (".key", ".pem", ".der"))
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", pem,
            "-days", "2", "-subj", "/CN=" + name, "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")
    openssl("x509", "-in", pem, "-outform", "der", "-out", der)


def certificate(folder, name, ca, *days):
    key, csr, pem, extensions = (os.path.join(folder, name + end) for end in (".key", ".csr", ".pem", ".ext"))
    with open(extensions, "w") as f:
        f.write("subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n" % name)
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", csr,
            "-subj", "/CN=" + name)
    ca = os.path.join(folder, ca)
    openssl("x509", "-req", "-in", csr, "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial", "-out", pem,
            "-extfile", extensions, *days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(pem, key)
    return context


class Echo(threading.Thread):
    def __init__(self, connection, context):
        super().__init__(daemon=True)
        self.connection, self.context, self.buffer = connection, context, b""

    def fill(self):
        more = self.stream.recv(16384)
        if not more:
            raise EOFError
        self.buffer += more

    def take(self, n):
        while len(self.buffer) < n:
            self.fill()
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def run(self):
        try:
            self.stream = self.context.wrap_socket(self.connection, server_side=True)
            print("%s, %s" % self.stream.cipher()[1::-1], flush=True)
            self.echo()
        except (EOFError, OSError) as error:
            print("%s: %s" % (type(error).__name__, error), flush=True)
        finally:
            self.connection.close()

    def echo(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        key = re.search(rb"(?m)^Sec-WebSocket-Key: (\S+)\r?$", head).group(1)
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        fields = b""
        if b"permessage-deflate; server_max_window_bits=10; client_max_window_bits=9" in head:
            fields = b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10; client_max_window_bits=9\r\n"
            inflate, deflate, tail = zlib.decompressobj(-9), zlib.compressobj(wbits=-10), b"\0\0\xff\xff"
        self.stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Accept: " + accept + b"\r\n" + fields + b"\r\n")
        message, kind = b"", 0
        while True:
            first, second = self.take(2)
            assert second & 0x80, "a client's frame is masked"
            length = second & 0x7F
            if length == 126:
                length, = struct.unpack(">H", self.take(2))
            elif length == 127:
                length, = struct.unpack(">Q", self.take(8))
            mask = self.take(4)
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.take(length)))
            if first & 0x0F == 8:
                self.stream.sendall(bytes([0x88, 2]) + payload[:2])
                # The server ends TCP first.
                self.stream.unwrap()
                return
            message += payload
            kind = kind or first & 0x4F
            if first & 0x80 and kind & 0x40:
                size = len(message)
                message = inflate.decompress(message + tail)
                print("%d bytes from %d" % (len(message), size), flush=True)
            if first & 0x80 and message == b"drop":
                # Neither a close frame nor an alert: what a server does that crashes.
                self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.stream.close()
                return
            if first & 0x80:
                if kind & 0x40:
                    message = (deflate.compress(message) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(tail)
                size = len(message)
                long = bytes([126]) + struct.pack(">H", size) if size < 65536 else bytes([127]) + struct.pack(">Q", size)
                self.stream.sendall(bytes([0x80 | kind]) + (bytes([size]) if size < 126 else long) + message)
                message, kind = b"", 0


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    authority(folder, "ca")
    authority(folder, "other")
    context = certificate(folder, "server.test", "ca", "-days", "2")
    # "-days -1" is refused by some versions; a certificate of a moment is as good, for clients that come later.
    expired = certificate(folder, "expired.test", "ca", "-days", "0")

    def choose(stream, name, _):
        if name == "expired.test":
            stream.context = expired

    context.sni_callback = choose
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    print(server.getsockname()[1], flush=True)
    while True:
        Echo(server.accept()[0], context).start()


if __name__ == "__main__":
    main()
