"""A server of websockets that sends a number every 20 ms to those who subscribe. usage: feed.py PORT

SIGUSR1: closes its connections with 1012. SIGUSR2: with 1000. `subscribe` is what it wants to hear first.
"""

import asyncio
import signal
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

connections = set()


async def feed(ws):
    if await ws.recv() != "subscribe":
        return
    connections.add(ws)
    number = 0
    try:
        while True:
            number += 1
            await ws.send(f"number {number}")
            await asyncio.sleep(0.02)
    except ConnectionClosed:
        pass
    finally:
        connections.discard(ws)


def close(code):
    for ws in list(connections):
        asyncio.get_running_loop().create_task(ws.close(code, "as the signal says"))


async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, close, 1012)
    loop.add_signal_handler(signal.SIGUSR2, close, 1000)
    async with serve(feed, "127.0.0.1", int(sys.argv[1]), ping_interval=None) as server:
        print("ready", flush=True)
        await server.serve_forever()


asyncio.run(main())
