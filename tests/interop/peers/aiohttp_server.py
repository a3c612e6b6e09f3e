"""The echo server of README.md with aiohttp. It has no way to send fragments, to close without a code, or to choose how
it compresses: it takes the client's first offer as it is.
"""

import argparse
import asyncio
import socket
import struct
from urllib.parse import unquote

from aiohttp import WSMsgType, web

MAX_MESSAGE = 64 << 20
PONG_TIMEOUT = 10


def report(*words):
    print(*words, flush=True)


def send(ws, message):
    return ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message)


def drop(request, how):
    transport = request.transport
    if how == "reset":
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
        return
    if how == "inside":
        transport.write(bytes([0x82, 100, 1, 2, 3]))
    transport.close()


async def answer(ws, request, message):
    match request.path.removeprefix("/").split("/"):
        case ["ping"]:
            await ws.ping(message)
            pong = await ws.receive(timeout=PONG_TIMEOUT)
            if (pong.type, pong.data) != (WSMsgType.PONG, message):
                await ws.close(code=4000, message=b"no pong")
            await ws.send_str("pong")
        case ["close", code, reason]:
            await send(ws, message)
            await ws.close(code=int(code), message=unquote(reason).encode())
        case ["drop", how]:
            drop(request, how)
        case _:
            await send(ws, message)


async def handle(request, deflate):
    ws = web.WebSocketResponse(
        autoclose=False, autoping=False, compress=deflate, max_msg_size=MAX_MESSAGE, protocols=("chat", "superchat")
    )
    await ws.prepare(request)
    target = request.raw_path
    report("opened", target, "permessage-deflate" if ws.compress else "-")
    code, reason = None, ""
    try:
        while not ws.closed:
            message = await ws.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await answer(ws, request, message.data)
            elif message.type == WSMsgType.PING:
                await ws.pong(message.data)
            elif message.type == WSMsgType.CLOSE:
                code, reason = message.data or 1005, message.extra or ""
                await ws.close(code=message.data or 1000, message=reason.encode())
            elif message.type != WSMsgType.PONG:
                code = 1006
                break
    except ConnectionError:
        code = 1006
    report("closed", target, code or ws.close_code or 1005, reason)
    return ws


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--deflate", action="store_true")
    arguments = parser.parse_args()
    application = web.Application()
    application.router.add_get("/{path:.*}", lambda request: handle(request, arguments.deflate))
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", arguments.port)
    await site.start()
    report("listening", runner.addresses[0][1])
    await asyncio.Event().wait()


asyncio.run(main())
