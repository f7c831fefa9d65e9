"""The systemd unit of one agent: it may do what its configuration needs, and nothing else."""

import re
import sys
from pathlib import Path
from typing import Final

from edge.config import AgentConfig

WATCHDOG: Final = 60
"""Silence after which systemd takes the agent for stuck and starts it anew. [s]"""
GOODBYE: Final = 30
"""How long an agent that is to stop may take. [s]"""

_DEVICES: Final = (
    # what a configuration names, which devices the system calls that, whose group may open them
    (re.compile(r"usb:\d+$"), ("char-video4linux",), "video"),
    (re.compile(r"/dev/(serial|tty)"), ("char-ttyUSB", "char-ttyACM", "char-ttyS"), "dialout"),
    (re.compile(r"/dev/gpiochip"), ("char-gpiochip",), "gpio"),
)

TEMPLATE: Final = """\
# {title}
# Save as /etc/systemd/system/{name}.service, then:
# systemctl daemon-reload; systemctl enable --now {name}
[Unit]
Description=Tepna agent {device}
Wants=network-online.target time-sync.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={python} -m tepna edge run {config}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=5
WatchdogSec={watchdog}
TimeoutStopSec={goodbye}
User={user}
EnvironmentFile=-{environment}
{groups}
# It writes where its outbox and its identity are; the rest of the system is closed to it.
ProtectSystem=strict
ReadWritePaths={writes}
ProtectHome=read-only
PrivateTmp=yes
PrivateMounts=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
{devices}
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
RemoveIPC=yes
UMask=0077
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def unit(config: AgentConfig, path: Path, user: str) -> str:
    """Text of the unit.

    Parameters
    ----------
    config
        What the agent is told.
    path
        The file that says so.
    user
        Who the agent runs as.
    """
    found = _devices(config)
    classes = [allowed for _, more, _ in found for allowed in more]
    groups = " ".join(group for _, _, group in found)
    policy = ["DevicePolicy=closed", *(f"DeviceAllow={name} rw" for name in classes)]
    name = f"tepna-{config.device.replace('/', '-')}"
    return TEMPLATE.format(
        title=f"The agent of {path}, by `tepna edge service`: make it anew when that changes.",
        name=name,
        device=config.device,
        python=_quoted(sys.executable),
        config=_quoted(str(path.absolute())),
        environment=_quoted(str(path.absolute().with_suffix(".env"))),
        watchdog=WATCHDOG,
        goodbye=GOODBYE,
        user=user,
        groups=f"SupplementaryGroups={groups}\n" if groups else "",
        writes=" ".join(_quoted(str(folder)) for folder in _folders(config)),
        devices="\n".join(["PrivateDevices=no", *policy] if classes else ["PrivateDevices=yes"]),
    )


def _folders(config: AgentConfig) -> list[Path]:
    """Folders that the agent writes to."""
    found = [config.outbox.path.absolute().parent]
    more = (config.uplink.identity, None if config.update is None else config.update.folder)
    return found + [folder for folder in more if folder is not None]


def _devices(config: AgentConfig) -> list[tuple[re.Pattern[str], tuple[str, ...], str]]:
    sensors = [*config.sensors, *([config.modem] if config.modem else [])]
    named = [str(getattr(sensor, key, "")) for sensor in sensors for key in ("port", "chip")]
    named += [config.camera.source] if config.camera is not None else []
    return [row for row in _DEVICES if any(row[0].match(name) for name in named)]


def _quoted(text: str) -> str:
    """Quote as systemd reads it; % begins a specifier there."""
    text = text.replace("%", "%%")
    return text if re.fullmatch(r"[\w./:@+%-]+", text) else '"' + text.replace('"', r"\"") + '"'
