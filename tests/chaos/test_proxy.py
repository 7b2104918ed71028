"""The proxy does to a connection what its mode says."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.chaos.proxy import Mode, Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """In front of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve_echo, args=(server,), daemon=True).start()
        with Proxy(server.getsockname()[1]) as proxy:
            yield proxy
        server.shutdown(socket.SHUT_RDWR)


def serve_echo(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def echo(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(100):
                connection.sendall(data)
        except OSError:
            return


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=1)


def ask(connection: socket.socket) -> bytes:
    connection.sendall(b"?")
    return connection.recv(1)


def is_closed(connection: socket.socket) -> bool:
    try:
        return ask(connection) == b""
    except ConnectionError:
        return True


def test_it_passes_bytes_in_both_directions(proxy: Proxy) -> None:
    with closing(connect(proxy)) as connection:
        assert ask(connection) == b"?"


def test_slow_bytes_arrive_late_on_both_ways(proxy: Proxy) -> None:
    with closing(connect(proxy)) as connection:
        proxy.set_mode(Mode.SLOW, 0.05)
        started = time.monotonic()
        assert ask(connection) == b"?"
        assert time.monotonic() - started >= 0.1


def test_a_cut_closes_connections_and_refuses_new_ones_until_it_is_over(proxy: Proxy) -> None:
    with closing(connect(proxy)) as connection:
        assert ask(connection) == b"?"
        proxy.set_mode(Mode.CUT)
        assert is_closed(connection)
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
    proxy.set_mode(Mode.PASS)
    with closing(connect(proxy)) as connection:
        assert ask(connection) == b"?"


def test_half_open_connections_swallow_bytes_and_stay_dead_while_new_ones_work(proxy: Proxy) -> None:
    with closing(connect(proxy)) as old:
        assert ask(old) == b"?"
        proxy.set_mode(Mode.HALF_OPEN)
        with pytest.raises(TimeoutError):
            ask(old)
        with closing(connect(proxy)) as born_dead, pytest.raises(TimeoutError):
            ask(born_dead)
        proxy.set_mode(Mode.PASS)
        with pytest.raises(TimeoutError):
            ask(old)
        with closing(connect(proxy)) as new:
            assert ask(new) == b"?"
