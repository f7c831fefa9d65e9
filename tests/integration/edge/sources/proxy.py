"""A bad link between a camera and the agent: what the camera sends is delayed or damaged."""

import random
import select
import socket
import threading
import time
from collections import deque
from typing import Self

INTERLEAVED = ord("$")


class Link:
    """Carries connections to a port; `delay` holds back what comes from there. [s]

    From `damage` on, that share of the bytes of RTP packets is altered, by a seed. Where the
    packets begin and end stays right, as it does on a real link: TCP would not deliver less.
    """

    def __init__(self, port: int, *, delay: float = 0.0, seed: int = 0) -> None:
        self.delay = delay
        self.damage = 0.0
        self.damaged = 0
        self._port = port
        self._random = random.Random(seed)  # noqa: S311  # repeatable, no secret
        self._stopping = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._thread = threading.Thread(target=self._serve)
        self.port = self._server.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        carriers: list[threading.Thread] = []
        while not self._stopping.is_set():
            try:
                client, _ = self._server.accept()
            except TimeoutError:
                continue
            carriers.append(threading.Thread(target=self._carry, args=(client,)))
            carriers[-1].start()
        for carrier in carriers:
            carrier.join()

    def _carry(self, client: socket.socket) -> None:
        with client:
            try:
                camera = socket.create_connection(("127.0.0.1", self._port), 1.0)
            except OSError:
                return  # the camera is off: so is the connection to it
            with camera:
                self._relay(client, camera)

    def _relay(self, client: socket.socket, camera: socket.socket) -> None:
        late: deque[tuple[float, bytes]] = deque()
        rest = bytearray()
        try:
            while not self._stopping.is_set():
                ready, _, _ = select.select([client, camera], [], [], 0.005)
                if client in ready:
                    asked = client.recv(1 << 16)
                    if not asked:
                        return
                    camera.sendall(asked)
                if camera in ready:
                    said = camera.recv(1 << 16)
                    if not said:
                        return
                    rest += said
                    late.append((time.monotonic() + self.delay, self._altered(rest)))
                while late and late[0][0] <= time.monotonic():
                    client.sendall(late.popleft()[1])
        except OSError:
            return  # one of the two has gone: the other learns it by the end of its connection

    def _altered(self, rest: bytearray) -> bytes:
        """Take whole packets and answers from what came, and damage packets."""
        out = bytearray()
        while rest:
            if rest[0] != INTERLEAVED:  # an answer: it goes as it is
                end = rest.find(b"$")
                end = len(rest) if end < 0 else end
                out += rest[:end]
                del rest[:end]
                continue
            if len(rest) < 4 or len(rest) < 4 + int.from_bytes(rest[2:4], "big"):
                break
            size = 4 + int.from_bytes(rest[2:4], "big")
            packet = rest[:size]
            del rest[:size]
            if packet[1] == 0 and self._random.random() < self.damage:
                self.damaged += 1
                for _ in range(8):  # behind the headers of TCP framing and RTP
                    packet[self._random.randrange(4 + 12, size)] ^= 1 << self._random.randrange(8)
            out += packet
        return bytes(out)
