"""Checks a server with aiohttp. It has no way to send fragments, or a close frame without a code."""

import asyncio
import sys

import aiohttp
from aiohttp import WSMsgType
from checks import (
    ABNORMAL,
    FRAGMENTED,
    MAX_MESSAGE,
    NO_STATUS,
    TIME_LIMIT,
    compare,
    conversation,
    ensure,
    parse_arguments,
    pipelined_messages,
    report,
    report_failure,
    selected,
)
from yarl import URL

UNABLE = ["fragments-sent", "close-by-client-empty-body"]


class Connected:
    def __init__(self, session, opening):
        self.session, self.opening = session, opening

    async def __aenter__(self):
        self.ws = await self.opening
        return self.ws

    async def __aexit__(self, *_):
        await self.ws.close()


async def send(ws, data):
    await (ws.send_str(data) if isinstance(data, str) else ws.send_bytes(data))


async def recv(ws):
    """The next message that is no ping."""
    while True:
        message = await ws.receive()
        if message.type == WSMsgType.PING:
            await ws.pong(message.data)
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return message.data
        else:
            ensure(False, f"got {message}")


class Client:
    def __init__(self, session, deflate):
        self.session, self.deflate = session, deflate

    def connect(self, url, subprotocols=(), offer=None):
        offer = offer or {}
        opening = self.session.ws_connect(
            URL(url, encoded=True),  # as it is
            autoclose=False,
            autoping=False,
            # of the server's window; the offer always says client_max_window_bits
            compress=offer.get("server_max_window_bits", 15) if self.deflate else 0,
            max_msg_size=MAX_MESSAGE,
            protocols=subprotocols or (),
        )
        return Connected(self.session, opening)

    async def finish(self, ws):
        await ws.close(code=1000, message=b"done")
        ensure(ws.close_code == 1000, f"1000 was answered with {ws.close_code}")
        return 1000, "done"

    async def echo(self, url, data):
        async with self.connect(url) as ws:
            await send(ws, data)
            compare(data, await recv(ws))
            return await self.finish(ws)

    async def echo_fragmented(self, *_):
        raise NotImplementedError

    async def conversation(self, url, offer, name):
        async with self.connect(url, offer=offer) as ws:
            for batch in conversation(name):
                for data, _ in batch:
                    await send(ws, data)
                for data, _ in batch:
                    compare(data, await recv(ws))
            return await self.finish(ws)

    async def conversation_fragmented(self, url, offer):
        async with self.connect(url, offer=offer) as ws:
            for data in FRAGMENTED:
                await send(ws, data)
                compare(data, await recv(ws))
                compare("pong", await recv(ws))
            return await self.finish(ws)

    async def fragmented_by_server(self, url, data):
        async with self.connect(url) as ws:
            await send(ws, data)
            compare(data, await recv(ws))
            compare("pong", await recv(ws))
            return await self.finish(ws)

    async def pipelined(self, url):
        async with self.connect(url) as ws:
            messages = pipelined_messages()
            for message in messages:
                await send(ws, message)
            for message in messages:
                compare(message, await recv(ws))
            return await self.finish(ws)

    async def ping(self, url, payload):
        async with self.connect(url) as ws:
            await ws.ping(payload)
            message = await ws.receive()
            ensure((message.type, message.data) == (WSMsgType.PONG, payload), f"got {message} for a pong")
            return await self.finish(ws)

    async def answers_ping(self, url, payload):
        async with self.connect(url) as ws:
            await send(ws, payload)
            compare("pong", await recv(ws))
            return await self.finish(ws)

    async def close_by_client(self, url, close):
        code, reason = close
        async with self.connect(url) as ws:
            await send(ws, "last words")
            compare("last words", await recv(ws))
            await ws.close(code=code, message=reason.encode())
            ensure(ws.close_code == code, f"{code} was answered with {ws.close_code}")
            return code, reason

    async def close_by_server(self, url, close):
        async with self.connect(url) as ws:
            await send(ws, "close")
            compare("close", await recv(ws))
            message = await ws.receive()
            wanted = close or (NO_STATUS, "")
            ensure(message.type == WSMsgType.CLOSE, f"got {message}")
            got = (message.data or NO_STATUS), message.extra or ""
            ensure(got == wanted, f"got {got}, not {wanted}")
            await ws.close(code=1000)
            return 1000, None

    async def drop_by_client(self, url):
        async with self.connect(url) as ws:
            await send(ws, "drop")
            compare("drop", await recv(ws))
            ws.get_extra_info("socket").shutdown(2)
            return ABNORMAL, None

    async def drop_by_server(self, url):
        async with self.connect(url) as ws:
            await send(ws, "drop")
            message = await ws.receive()
            ensure(message.type in (WSMsgType.CLOSED, WSMsgType.ERROR), f"got {message}")

    async def subprotocol(self, url, offered, chosen):
        async with self.connect(url, offered) as ws:
            ensure(ws.protocol == chosen, f"the subprotocol is {ws.protocol}, not {chosen}")
            return await self.finish(ws)


async def main():
    arguments = parse_arguments()
    arguments.skip += UNABLE
    all_passed = True
    async with aiohttp.ClientSession() as session:
        for name, target, url, method, parameters in selected(Client(session, arguments.deflate), arguments):
            try:
                report(name, target, await asyncio.wait_for(method(url, *parameters), TIME_LIMIT))
            except Exception as error:  # whatever it is, the check failed
                report_failure(name, error)
                all_passed = False
    return 0 if all_passed else 1


sys.exit(asyncio.run(main()))
