"""The echo server of README.md with Python's websockets."""

import argparse
import asyncio
import socket
import struct
from urllib.parse import parse_qsl, unquote

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

MAX_MESSAGE = 64 << 20
PONG_TIMEOUT = 10


def report(*words):
    print(*words, flush=True)


def fragments(data):
    size = len(data) // 50 + 1
    return [b""] + [data[at : at + size] for at in range(0, len(data), size)] + [b""]


async def send_fragmented(ws, message):
    data = message.encode() if isinstance(message, str) else message
    pong = None

    async def with_ping():
        nonlocal pong
        parts = fragments(data)
        for index, part in enumerate(parts):
            if index == len(parts) // 2:
                pong = await ws.ping(b"in between")
            if index < len(parts) - 1:  # websockets adds the last, empty one
                yield part

    await ws.send(with_ping(), text=isinstance(message, str))
    await asyncio.wait_for(pong, PONG_TIMEOUT)
    await ws.send("pong")


def drop(ws, how):
    transport = ws.transport
    if how == "reset":
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
        return
    if how == "inside":
        transport.write(bytes([0x82, 100, 1, 2, 3]))
    transport.close()


async def answer(ws, path, message):
    match path.removeprefix("/").split("/"):
        case ["fragmented"]:
            await send_fragmented(ws, message)
        case ["ping"]:
            pong = await ws.ping(message)
            await asyncio.wait_for(pong, PONG_TIMEOUT)
            await ws.send("pong")
        case ["close"]:
            await ws.send(message)
            # close() always has a code; this is what it does, without one
            async with ws.send_context():
                ws.protocol.send_close()
        case ["close", code, reason]:
            await ws.send(message)
            await ws.close(int(code), unquote(reason))
        case ["drop", how]:
            drop(ws, how)
        case _:
            await ws.send(message)


async def handle(ws):
    target = ws.request.path
    report("opened", target, ",".join(e.name for e in ws.protocol.extensions) or "-")
    try:
        async for message in ws:
            await answer(ws, target.split("?")[0], message)
    except ConnectionClosed:
        pass
    except TimeoutError:
        await ws.close(4000, "no pong")
    await ws.wait_closed()
    report("closed", target, ws.close_code, ws.close_reason)


def select_subprotocol(_connection, offered):
    return next((name for name in offered if name in ("chat", "superchat")), None)


def insist(connection, request):
    """On what the query says of permessage-deflate."""
    query = dict(parse_qsl(request.path.partition("?")[2], keep_blank_values=True))
    query.pop("check", None)
    if query and connection.protocol.available_extensions:
        parameters = {name: int(value) if value else True for name, value in query.items()}
        required = "client_max_window_bits" in parameters
        connection.protocol.available_extensions = [
            ServerPerMessageDeflateFactory(**parameters, require_client_max_window_bits=required)
        ]


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--deflate", action="store_true")
    arguments = parser.parse_args()
    async with serve(
        handle,
        "127.0.0.1",
        arguments.port,
        compression="deflate" if arguments.deflate else None,
        max_size=MAX_MESSAGE,
        ping_interval=None,
        process_request=insist,
        select_subprotocol=select_subprotocol,
    ) as server:
        report("listening", server.sockets[0].getsockname()[1])
        await server.serve_forever()


asyncio.run(main())
