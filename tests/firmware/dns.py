#!/usr/bin/env python3
"""A name server on the loopback that knows one name.

usage: dns.py NAME ADDRESS QUERIES, which prints its port, and ends with 0 when it was asked so often for the name, with 1
when nobody has asked for a while. The port is 53: embassy-net asks at no other. By the letter of RFC 1035.
"""
import socket
import struct
import sys

PATIENCE = 60  # seconds
A, IN = 1, 1
NO_SUCH_NAME = 3


def main():
    name, address, queries = sys.argv[1].lower(), socket.inet_aton(sys.argv[2]), int(sys.argv[3])
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 53))
    server.settimeout(PATIENCE)
    print(server.getsockname()[1], flush=True)
    seen = set()  # one that is sent again is no other query
    while len(seen) < queries:
        query, client = server.recvfrom(512)
        identity, = struct.unpack(">H", query[:2])
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("ascii").lower())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind, family = struct.unpack(">HH", question[-4:])
        print("%04x: %s, type %d" % (identity, ".".join(labels), kind), flush=True)
        found = ".".join(labels) == name
        answer = found and (kind, family) == (A, IN)
        flags = 0x8180 | (0 if found else NO_SUCH_NAME)
        response = struct.pack(">6H", identity, flags, 1, int(answer), 0, 0) + question
        if answer:
            # The name is that of the question; nobody is to remember the answer.
            response += struct.pack(">HHHIH", 0xC00C, A, IN, 0, len(address)) + address
            seen.add(identity)
        server.sendto(response, client)


if __name__ == "__main__":
    main()
