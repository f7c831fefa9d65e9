"""Explain a configuration, and look through its camera once."""

from collections.abc import Callable
from itertools import islice

from contracts.clock import from_micros, utc_now
from contracts.metrics import METRICS
from edge.config import AgentConfig
from edge.configuration.camera import Camera
from edge.errors import DetectorError, SourceError
from edge.sensors.plugin import Sensor
from edge.sources import open_video


def check_config(config: AgentConfig, say: Callable[[str], None]) -> bool:
    """Say what an agent with this configuration does; open its camera once.

    Returns
    -------
    bool
        Whether the camera gave a picture, and its detector can be used; True without a camera.
    """
    broker = config.uplink.broker(config.device)
    kind = "simulated" if config.simulated else "measured"
    secure = "with TLS" if broker.tls else "without TLS"
    password = "with a password" if broker.password else "without a password"
    say(f"device    {config.device}: everything it says is marked as {kind}")
    say(f"uplink    {broker.host}:{broker.port} {secure}, as {broker.user} {password}")
    say(f"outbox    {config.outbox.path}, at most {config.outbox.max_bytes >> 20} MiB")
    for sensor in config.sensors:
        _explain("sensor", sensor, say)
    if config.modem is not None:
        _explain("modem", config.modem, say)
    if config.pictures is not None:
        say(f"pictures  pixelated ones on {config.pictures.listen}, for who has the token")
    return config.camera is None or _check_camera(config.camera, say)


def _explain(what: str, sensor: Sensor, say: Callable[[str], None]) -> None:
    say(f"{what:<10}{sensor.kind} {sensor.place}")
    for metric, unit in sensor.units().items():
        say(f"          {metric} [{unit}]")
        if metric not in METRICS:
            command = f"`tepna registry metric {metric} --unit {unit}`"
            say(f"          ... which the platform does not know until its operator says {command}")


def _check_camera(camera: Camera, say: Callable[[str], None]) -> bool:
    say(f"camera    {camera.shown}, lines {[line.id for line in camera.lines] or 'none'}")
    if camera.zones:
        say(f"          zones {[zone.id for zone in camera.zones]}")
    if camera.calibration:
        say(f"          on the ground by {len(camera.calibration)} points")
    else:
        say("          not calibrated: crossings are counted, no tracks are sent")
    if camera.events:
        say("          listens to the camera's own events: see `tepna edge cameras events`")
    able = camera.detector is None or _check_detector(camera, say)
    try:
        with open_video(camera, utc_now) as video:
            first = list(islice(video.frames, 2))
    except SourceError as fault:
        say(f"          NO PICTURE: {fault}")
        return False
    if not first:
        say("          NO PICTURE: the source ended before its first frame")
        return False
    rate = f"{video.rate:.3g} frames/s" if video.rate else "at an unknown rate"
    captured = from_micros(first[0].captured).isoformat()
    say(f"          {video.width}x{video.height}, {rate}, first frame captured {captured}")
    told = video.sender and video.sender.told
    if told and told.reason:
        say(f"          timed by arrival: {told.reason}")
    elif told:
        say(f"          timed by its own clock, {told.delay / 1000:.0f} ms before arrival")
    if camera.drawn_on == "stream" and (camera.lines or camera.zones or camera.masks):
        size = f"[{video.width}, {video.height}]"
        say(f"          drawn in pixels: write drawn_on = {size}, and it may change its resolution")
    return able


def _check_detector(camera: Camera, say: Callable[[str], None]) -> bool:
    from edge.models.check import explain_detector  # noqa: PLC0415  # heavy, and for few

    try:
        lines = explain_detector(camera)
    except DetectorError as fault:
        say(f"          NO DETECTOR: {fault}")
        return False
    for line in lines:
        say(f"          {line}")
    return True
