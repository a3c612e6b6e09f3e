"""Checks a server with Python's websockets."""

import asyncio
import sys

from checks import (
    ABNORMAL,
    FRAGMENTED,
    MAX_MESSAGE,
    NO_STATUS,
    TIME_LIMIT,
    compare,
    conversation,
    ensure,
    fragments,
    parse_arguments,
    pipelined_messages,
    report,
    report_failure,
    selected,
)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory


class Client:
    def __init__(self, deflate):
        self.deflate = deflate

    def connect(self, url, subprotocols=None, offer=None):
        return connect(
            url,
            # None: as by default, or none at all
            extensions=None if offer is None else [ClientPerMessageDeflateFactory(**{"client_max_window_bits": None, **offer})],
            compression="deflate" if self.deflate and offer is None else None,
            # or it reads no pong behind an echo of many frames
            max_queue=None,
            max_size=MAX_MESSAGE,
            ping_interval=None,
            proxy=None,
            subprotocols=subprotocols,
        )

    async def finish(self, ws):
        await ws.close(1000, "done")
        ensure(ws.close_code == 1000, f"1000 was answered with {ws.close_code} {ws.close_reason}")
        return 1000, "done"

    async def echo(self, url, data):
        async with self.connect(url) as ws:
            await ws.send(data)
            compare(data, await ws.recv())
            return await self.finish(ws)

    async def send_fragmented(self, ws, data):
        pong = None

        async def with_ping():
            nonlocal pong
            parts = fragments(data.encode() if isinstance(data, str) else data)
            for index, part in enumerate(parts):
                if index == len(parts) // 2:
                    pong = await ws.ping(b"in between")
                if index < len(parts) - 1:  # websockets adds the last, empty one
                    yield part

        await ws.send(with_ping(), text=isinstance(data, str))
        await pong

    async def conversation(self, url, offer, name):
        async with self.connect(url, offer=offer) as ws:
            for batch in conversation(name):
                for data, fragmented in batch:
                    await (self.send_fragmented(ws, data) if fragmented else ws.send(data))
                for data, _ in batch:
                    compare(data, await ws.recv())
            return await self.finish(ws)

    async def conversation_fragmented(self, url, offer):
        async with self.connect(url, offer=offer) as ws:
            for data in FRAGMENTED:
                await ws.send(data)
                compare(data, await ws.recv())
                compare("pong", await ws.recv())
            return await self.finish(ws)

    async def echo_fragmented(self, url, data):
        async with self.connect(url) as ws:
            await self.send_fragmented(ws, data)
            compare(data, await ws.recv())
            return await self.finish(ws)

    async def fragmented_by_server(self, url, data):
        async with self.connect(url) as ws:
            await ws.send(data)
            compare(data, await ws.recv())
            compare("pong", await ws.recv())
            return await self.finish(ws)

    async def pipelined(self, url):
        async with self.connect(url) as ws:
            messages = pipelined_messages()
            for message in messages:
                await ws.send(message)
            for message in messages:
                compare(message, await ws.recv())
            return await self.finish(ws)

    async def ping(self, url, payload):
        async with self.connect(url) as ws:
            await (await ws.ping(payload))
            return await self.finish(ws)

    async def answers_ping(self, url, payload):
        async with self.connect(url) as ws:
            await ws.send(payload)
            compare("pong", await ws.recv())
            return await self.finish(ws)

    async def close_by_client(self, url, close):
        async with self.connect(url) as ws:
            await ws.send("last words")
            compare("last words", await ws.recv())
            if close is None:
                # close() always has a code; this is what it does, without one
                async with ws.send_context():
                    ws.protocol.send_close()
            else:
                await ws.close(*close)
            code, reason = close or (NO_STATUS, "")
            ensure(ws.close_code == code, f"{code} was answered with {ws.close_code} {ws.close_reason}")
            return code, reason

    async def close_by_server(self, url, close):
        async with self.connect(url) as ws:
            await ws.send("close")
            compare("close", await ws.recv())
            try:
                ensure(False, f"got {await ws.recv()!r}")
            except ConnectionClosed:
                pass
            wanted = close or (NO_STATUS, "")
            got = ws.close_code, ws.close_reason
            ensure(got == wanted, f"got {got}, not {wanted}")
            return wanted[0], None

    async def drop_by_client(self, url):
        async with self.connect(url) as ws:
            await ws.send("drop")
            compare("drop", await ws.recv())
            ws.transport.abort()
            return ABNORMAL, None

    async def drop_by_server(self, url):
        async with self.connect(url) as ws:
            await ws.send("drop")
            try:
                ensure(False, f"got {await ws.recv()!r}")
            except ConnectionClosed as error:
                ensure(error.rcvd is None, f"got a close frame: {error.rcvd}")

    async def subprotocol(self, url, offered, chosen):
        async with self.connect(url, offered) as ws:
            ensure(ws.subprotocol == chosen, f"the subprotocol is {ws.subprotocol}, not {chosen}")
            return await self.finish(ws)


async def main():
    arguments = parse_arguments()
    all_passed = True
    for name, target, url, method, parameters in selected(Client(arguments.deflate), arguments):
        try:
            report(name, target, await asyncio.wait_for(method(url, *parameters), TIME_LIMIT))
        except Exception as error:  # whatever it is, the check failed
            report_failure(name, error)
            all_passed = False
    return 0 if all_passed else 1


sys.exit(asyncio.run(main()))
