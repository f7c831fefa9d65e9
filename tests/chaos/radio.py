"""A link of packets between two network namespaces that loses, delays, doubles and reorders them.

Two TUN devices, one of them in a namespace of its own, and this process between them: what netem
does, on kernels that have none, and by a seed. TCP on either side lives with it as on a radio link.
Needs root.
"""

import fcntl
import heapq
import itertools
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

TUNSETIFF: Final = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET: Final = 1 << 16
_numbers = itertools.count()


class Weather(NamedTuple):
    """What happens to packets on their way."""

    lost: float = 0.0  # share
    doubled: float = 0.0  # share
    late: tuple[float, float] = (0.0, 0.0)  # from, to [s]: they overtake each other


SILENCE: Final = Weather(lost=1.0)


class Radio:
    """The link; `within` starts a command on its far side, where `address` is this side."""

    def __init__(self, seed: int) -> None:
        number = next(_numbers)
        tag = f"{os.getpid() % 100_000}n{number}"
        self._namespace = f"tepna{tag}"
        net = f"10.{200 + number % 50}.{os.getpid() // 250 % 250}.{os.getpid() % 62 * 4}"
        base, _, last = net.rpartition(".")
        self.address = f"{base}.{int(last) + 1}"
        self.within = ["ip", "netns", "exec", self._namespace]
        self._dice = random.Random(seed)  # noqa: S311
        self.weather = Weather()
        _ip("netns", "add", self._namespace)
        self._ends = [_tun(f"tn{tag}a"), _tun(f"tn{tag}b")]
        _ip("link", "set", f"tn{tag}b", "netns", self._namespace)
        _ip("addr", "add", f"{self.address}/30", "dev", f"tn{tag}a")
        _ip("link", "set", f"tn{tag}a", "up")
        far = ["-n", self._namespace]
        _ip(*far, "addr", "add", f"{base}.{int(last) + 2}/30", "dev", f"tn{tag}b")
        _ip(*far, "link", "set", f"tn{tag}b", "up")
        _ip(*far, "link", "set", "lo", "up")
        self._wake, self._wakes = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take the link and the namespace away."""
        os.write(self._wakes, b"x")
        self._thread.join()
        for end in (*self._ends, self._wake, self._wakes):
            os.close(end)
        _ip("netns", "del", self._namespace)

    def _carry(self) -> None:
        other = dict(zip(self._ends, reversed(self._ends), strict=True))
        flying: list[tuple[float, int, int, bytes]] = []  # due, order, to, packet
        order = itertools.count()
        while True:
            wait = max(0.0, flying[0][0] - time.monotonic()) if flying else None
            ready, _, _ = select.select([*self._ends, self._wake], [], [], wait)
            if self._wake in ready:
                return
            for end in ready:
                packet = os.read(end, PACKET)
                for due in self._fates():
                    heapq.heappush(flying, (due, next(order), other[end], packet))
            while flying and flying[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(flying)
                _write(end, packet)

    def _fates(self) -> list[float]:
        """Say when a packet arrives: never, once or twice."""
        weather, now = self.weather, time.monotonic()
        if self._dice.random() < weather.lost:
            return []
        copies = 1 + (self._dice.random() < weather.doubled)
        return [now + self._dice.uniform(*weather.late) for _ in range(copies)]


def may_make() -> bool:
    """Whether this process may make namespaces and devices."""
    if os.geteuid() != 0 or shutil.which("ip") is None or not Path("/dev/net/tun").exists():
        return False
    probe = subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True)  # noqa: S607
    return probe.returncode == 0


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)  # noqa: S603, S607


def _tun(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return end


def _write(end: int, packet: bytes) -> None:
    try:
        os.write(end, packet)
    except OSError:
        return  # the device is down or full: one more packet that a link loses
