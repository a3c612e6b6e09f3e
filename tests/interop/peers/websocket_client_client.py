"""Checks a server with Python's websocket-client. It has no permessage-deflate."""

import struct
import sys

import websocket
from checks import (
    ABNORMAL,
    NO_STATUS,
    TIME_LIMIT,
    compare,
    ensure,
    fragments,
    parse_arguments,
    pipelined_messages,
    report,
    report_failure,
    selected,
)
from websocket import ABNF


def close_from(frame):
    if not frame.data:
        return NO_STATUS, ""
    return struct.unpack("!H", frame.data[:2])[0], frame.data[2:].decode()


def recv(ws):
    """The next message or close frame; pings are answered on the way."""
    opcode, data = ws.recv_data()
    if opcode == ABNF.OPCODE_TEXT:
        return data.decode()
    if opcode == ABNF.OPCODE_CLOSE:
        frame = ABNF(fin=1, opcode=opcode, data=data)
        return close_from(frame)
    return bytes(data)


def recv_pong(ws, payload):
    opcode, frame = ws.recv_data_frame(control_frame=True)
    ensure((opcode, frame.data) == (ABNF.OPCODE_PONG, payload), f"got {frame} for a pong")


class Client:
    def connect(self, url, subprotocols=None):
        return websocket.create_connection(url, timeout=TIME_LIMIT, subprotocols=subprotocols)

    def finish(self, ws):
        ws.close(1000, "done")
        answer = close_from(ws.close_frame) if ws.close_frame else None
        ensure(answer and answer[0] == 1000, f"1000 was answered with {answer}")
        return 1000, "done"

    def send(self, ws, data):
        ws.send(data) if isinstance(data, str) else ws.send_binary(data)

    def echo(self, url, data):
        ws = self.connect(url)
        self.send(ws, data)
        compare(data, recv(ws))
        return self.finish(ws)

    def echo_fragmented(self, url, data):
        ws = self.connect(url)
        opcode = ABNF.OPCODE_TEXT if isinstance(data, str) else ABNF.OPCODE_BINARY
        parts = fragments(data.encode() if isinstance(data, str) else data)
        for index, part in enumerate(parts):
            if index == len(parts) // 2:
                ws.ping(b"in between")
            ws.send_frame(ABNF.create_frame(part, opcode, fin=int(index + 1 == len(parts))))
            opcode = ABNF.OPCODE_CONT
        recv_pong(ws, b"in between")
        compare(data, recv(ws))
        return self.finish(ws)

    def conversation(self, *_):
        raise NotImplementedError

    conversation_fragmented = conversation

    def fragmented_by_server(self, url, data):
        ws = self.connect(url)
        receive, opcodes = ws.recv_frame, []

        def recv_frame():
            frame = receive()
            opcodes.append(frame.opcode)
            return frame

        ws.recv_frame = recv_frame
        self.send(ws, data)
        compare(data, recv(ws))
        # the other clients do not show whether it really was fragments with a ping in their midst
        ensure(
            opcodes.count(ABNF.OPCODE_CONT) > bool(data) and ABNF.OPCODE_PING in opcodes[1:-1],
            f"the opcodes of the frames are {opcodes}",
        )
        compare("pong", recv(ws))
        return self.finish(ws)

    def pipelined(self, url):
        ws = self.connect(url)
        messages = pipelined_messages()
        for message in messages:
            self.send(ws, message)
        for message in messages:
            compare(message, recv(ws))
        return self.finish(ws)

    def ping(self, url, payload):
        ws = self.connect(url)
        ws.ping(payload)
        recv_pong(ws, payload)
        return self.finish(ws)

    def answers_ping(self, url, payload):
        ws = self.connect(url)
        ws.send_binary(payload)
        opcode, frame = ws.recv_data_frame(control_frame=True)
        ensure((opcode, frame.data) == (ABNF.OPCODE_PING, payload), f"got {frame} for a ping")
        compare("pong", recv(ws))
        return self.finish(ws)

    def close_by_client(self, url, close):
        ws = self.connect(url)
        ws.send("last words")
        compare("last words", recv(ws))
        if close is None:
            # close() always has a code
            ws.send(b"", ABNF.OPCODE_CLOSE)
            frame = ws.recv_frame()
            ws.shutdown()
        else:
            ws.close(*close)
            frame = ws.close_frame
        ensure(frame is not None and frame.opcode == ABNF.OPCODE_CLOSE, f"answered with {frame}")
        code, reason = close or (NO_STATUS, "")
        ensure(close_from(frame)[0] == code, f"{code} was answered with {close_from(frame)}")
        return code, reason

    def close_by_server(self, url, close):
        ws = self.connect(url)
        ws.send("close")
        compare("close", recv(ws))
        got, wanted = recv(ws), close or (NO_STATUS, "")
        ensure(got == wanted, f"got {got}, not {wanted}")
        ws.shutdown()
        # websocket-client answers every close frame with 1000
        return 1000, None

    def drop_by_client(self, url):
        ws = self.connect(url)
        ws.send("drop")
        compare("drop", recv(ws))
        ws.shutdown()
        return ABNORMAL, None

    def drop_by_server(self, url):
        ws = self.connect(url)
        ws.send("drop")
        try:
            ensure(False, f"got {recv(ws)!r}")
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            pass

    def subprotocol(self, url, offered, chosen):
        try:
            ws = self.connect(url, offered)
        except websocket.WebSocketException:
            # websocket-client insists on one of those it offered
            ensure(offered and chosen is None, "refused")
            return None
        ensure(ws.getsubprotocol() == chosen, f"the subprotocol is {ws.getsubprotocol()}, not {chosen}")
        return self.finish(ws)


def main():
    arguments = parse_arguments()
    all_passed = True
    for name, target, url, method, parameters in selected(Client(), arguments):
        try:
            report(name, target, method(url, *parameters))
        except Exception as error:  # whatever it is, the check failed
            report_failure(name, error)
            all_passed = False
    return 0 if all_passed else 1


sys.exit(main())
