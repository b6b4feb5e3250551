"""A process that shakes hands by TLS on many ports of loopback, until its standard input ends.

``python -m benchmarks.certificates.endpoints COUNT PAIR``: PAIR is a PEM file of key and certificate. Prints the
ports as JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys


async def serve(count: int, pair: str) -> None:
    """See above."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    servers = [await asyncio.start_server(_hang_up, "127.0.0.1", 0, ssl=context, backlog=64) for _ in range(count)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
