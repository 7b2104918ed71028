"""A TCP proxy on loopback that can be slow, cut or half-open: the bad network between worker and broker."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from enum import Enum
from typing import Any, Final, Self

from tests.chaos.cluster import find_free_ports

CHUNK_BYTES: Final = 65_536


class Mode(Enum):
    """What the network does."""

    PASS = "pass"
    SLOW = "slow"
    """Every chunk of bytes is late, in both directions."""
    CUT = "cut"
    """Connections are closed, new ones refused."""
    HALF_OPEN = "half-open"
    """Connections stay open, and what is sent is swallowed; nobody is told. One that has lost bytes stays dead."""


class Proxy:
    """Forwards connections to one port on loopback while it is entered; runs in a thread of its own."""

    def __init__(self, target_port: int) -> None:
        [self.port] = find_free_ports(1)
        self._target_port = target_port
        self._mode = Mode.PASS
        self._delay_seconds = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set_mode(self, mode: Mode, delay_seconds: float = 0.0) -> None:
        """Change what the network does, for connections that are open too."""
        self._delay_seconds = delay_seconds
        self._mode = mode
        if mode is Mode.CUT:
            self._call(self._close())
        elif self._server is None:
            self._call(self._listen())

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        # The connections' tasks see the end of their streams before the loop may stop.
        while self._writers:
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.HALF_OPEN:
            await self._swallow(reader, writer)
            return
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        await _Connection(self).run((reader, writer), (upstream_reader, upstream_writer))

    async def _swallow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError):
            while await reader.read(CHUNK_BYTES):
                pass
        writer.transport.abort()
        self._writers.discard(writer)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """One connection of the worker, and the one to the broker that belongs to it."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._is_dead = False

    async def run(self, client: _Stream, broker: _Stream) -> None:
        """Forward in both directions until one side ends."""
        writers = {client[1], broker[1]}
        self._proxy._writers |= writers
        pumps = [
            asyncio.create_task(self._pump(client[0], broker[1])),
            asyncio.create_task(self._pump(broker[0], client[1])),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*pumps)
        self._proxy._writers -= writers

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if self._proxy._mode is Mode.HALF_OPEN:
                    self._is_dead = True
                if self._is_dead:
                    continue
                if self._proxy._mode is Mode.SLOW:
                    await asyncio.sleep(self._proxy._delay_seconds)
                writer.write(chunk)
                await writer.drain()
