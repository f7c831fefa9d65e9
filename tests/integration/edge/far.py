"""A broker that is far away: a relay with a delay and a rate of its own, each way."""

import queue
import socket
import threading
import time
from contextlib import suppress

SEGMENT = 1300
UP, DOWN = "up", "down"


class Far:
    """Listens on a port of its own; what it does to bytes may be changed at any time."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.up = self.down = 0.0  # delay [s]
        self.rate = 0.0  # upwards, 0: no limit [byte/s]
        self._target = target
        self._open = threading.Event()  # nothing arrives while it is not set
        self._open.set()
        self._closing = threading.Event()
        self._ends: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._door.getsockname()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def stall(self) -> None:
        """Let nothing arrive from now on; nothing is lost either."""
        self._open.clear()

    def go_on(self) -> None:
        """Let everything arrive that is on the way."""
        self._open.set()

    def close(self) -> None:
        """Let go of everybody."""
        self._closing.set()
        self._open.set()
        for end in (self._door, *self._ends):
            with suppress(OSError):  # who has left already
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._door, *self._ends):
            end.close()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._door.accept()
                broker = socket.create_connection(self._target)
                self._ends += [near, broker]
                for end in (near, broker):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for ends, way in (((near, broker), UP), ((broker, near), DOWN)):
                    flying: queue.Queue[tuple[float, bytes]] = queue.Queue()
                    for work in (
                        threading.Thread(target=self._take, args=(ends[0], flying, way)),
                        threading.Thread(target=self._land, args=(flying, ends[1])),
                    ):
                        self._threads.append(work)
                        work.start()

    def _take(
        self, source: socket.socket, flying: "queue.Queue[tuple[float, bytes]]", way: str
    ) -> None:
        """Take bytes in; many of them may be on the way at the same time."""
        free = 0.0  # when the link has sent what it has
        with suppress(OSError):
            while piece := source.recv(SEGMENT):
                rate = self.rate if way == UP else 0.0
                free = max(free, time.monotonic()) + (len(piece) / rate if rate else 0)
                flying.put((free + (self.up if way == UP else self.down), piece))
        flying.put((0.0, b""))

    def _land(self, flying: "queue.Queue[tuple[float, bytes]]", sink: socket.socket) -> None:
        with suppress(OSError):
            while (found := flying.get())[1]:
                self._closing.wait(max(0.0, found[0] - time.monotonic()))
                self._open.wait()
                sink.sendall(found[1])
            sink.shutdown(socket.SHUT_WR)
