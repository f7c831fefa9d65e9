"""What editors show for the keys of a configuration whose models say nothing themselves.

A model's own description, beside the key, goes before what stands here.
"""

from typing import Any, Final, NamedTuple


class Words(NamedTuple):
    """What a key means, and values that it may have."""

    description: str
    examples: tuple[Any, ...] = ()


WORDS: Final = {
    # the whole
    "AgentConfig.device": Words(
        "pilot/device: who it is, to the broker and to the platform", ("usti-belehradska/cam-1",)
    ),
    "AgentConfig.simulated": Words("everything it says is marked as simulated, not as measured"),
    "AgentConfig.uplink": Words("the way to the platform"),
    "AgentConfig.outbox": Words("where batches wait until the platform has stored them"),
    "AgentConfig.batches": Words("when a batch is closed"),
    "AgentConfig.camera": Words("the one camera, and what is to be seen on it"),
    "AgentConfig.sensors": Words(
        "sources of samples", ([{"kind": "nmea", "port": "/dev/ttyACM0"}],)
    ),
    "AgentConfig.modem": Words("the modem", ({"kind": "mmcli"},)),
    "AgentConfig.probes": Words("probes of the link to the platform", ({"bytes_per_day": 0},)),
    "AgentConfig.update": Words(
        "how a new version comes onto the box", ({"command": ["/opt/tepna/update.sh"]},)
    ),
    "AgentConfig.pictures": Words("server of pixelated pictures", ({"listen": "127.0.0.1:0"},)),
    # uplink, outbox, batches, pictures
    "Uplink.url": Words(
        "mqtt://host:port, or mqtts://host:port for TLS", ("mqtts://broker.example:8883",)
    ),
    "Uplink.ca": Words(
        "certificates that the broker's is signed by; none: those of the system",
        ("/etc/tepna/ca.pem",),
    ),
    "Uplink.password": Words("of the broker's account; file:PATH reads it there", ("file:pw",)),
    "Uplink.resend_after_s": Words("a batch that is not stored by then is sent again [s]"),
    "Uplink.keepalive_s": Words("a link that is silent for so long is asked [s]"),
    "Outbox.path": Words("SQLite file; an agent's own", ("cam-1.sqlite",)),
    "Outbox.max_bytes": Words("when full, trajectories are dropped first, events last"),
    "Batches.max_age_s": Words("a batch is closed when its first sample is so old [s]"),
    "Pictures.listen": Words("host:port; port 0 is a free one", ("127.0.0.1:8443",)),
    # camera
    "Camera.source": Words(
        "file, folder of pictures, URL or usb:N",
        ("rtsp://192.168.1.10/stream1", "usb:0", "street.avi"),
    ),
    "Camera.user": Words("of the camera's account", ("tepna",)),
    "Camera.password": Words("of the camera's account; file:PATH reads it there", ("file:pw",)),
    "Camera.clock": Words(
        "capture times: the stream's own stamps, those of arrival, or RTSP's sender reports"
    ),
    "Camera.start": Words("when a recording began, with its zone", ("2026-05-04T07:00:00Z",)),
    "Camera.pace": Words("a recording in its own time, or as fast as it can be read"),
    "Camera.lost_after_s": Words("a camera that is silent for so long is opened anew [s]"),
    "Camera.drawn_on": Words(
        "width and height of the picture whose pixels all coordinates are [px]; without it they "
        "are shares of the picture, 0 to 1. `stream`: the stream's own pixels when it is opened",
        ([768, 576],),
    ),
    "Camera.calibration": Words(
        "points [u, v, x, y]: u, v on the picture, x, y on the ground, east and north of the "
        "site's origin [m]; none, or at least four, no three of them on a line",
        ([[0.1, 0.9, 0, 0], [0.9, 0.9, 12, 0], [0.3, 0.4, 0, 30], [0.7, 0.4, 12, 30]],),
    ),
    "Camera.detector": Words("ONNX file of a detector; none: motion only", ("yolox-nano.onnx",)),
    "Camera.detector_sha256": Words(
        "SHA-256 that `tepna edge model check` tells of it, in hex; another is refused",
        ("0" * 64,),
    ),
    "Camera.detector_every": Words(
        "asked every n-th frame, or as often as the budget allows: `auto`", (5,)
    ),
    "Camera.detector_share": Words("share of a core that the detector may use on average"),
    "Camera.detector_threads": Words("threads of the detector"),
    "Camera.lens": Words("what the lens does to straight lines", ({"k1": -0.2},)),
    "Camera.incidents": Words(
        "incidents that are looked for",
        ({"stopped": [{"zone": "carriageway"}]},),
    ),
    "Camera.anchor": Words("point of a box that is on the ground: centre if seen from above"),
    "Camera.masks": Words(
        "polygons that are never looked at and never shown", ([[[0, 0], [0.2, 0], [0.2, 0.1]]],)
    ),
    "Camera.lines": Words(
        "where to count", ([{"id": "main-road", "a": [0.1, 0.6], "b": [0.8, 0.6]}],)
    ),
    "Camera.zones": Words(
        "where to count who stands there, and for how long",
        ([{"id": "stop", "corners": [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]]}],),
    ),
    "Camera.longest_stop_s": Words("a standing road user is kept apart for so long [s]"),
    "LineSettings.id": Words("name of the line", ("main-road",)),
    "LineSettings.a": Words("one end [x, y]; `in` is from the left of a->b", ([0.1, 0.6],)),
    "LineSettings.b": Words("other end [x, y]; on a border it goes on beyond", ([0.8, 0.6],)),
    "ZoneSettings.id": Words("name of the zone", ("bus-stop",)),
    "ZoneSettings.corners": Words(
        "corners [x, y] in order", ([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]],)
    ),
    "LensSettings.k1": Words("radial distortion, of the radius squared; below 0: a barrel"),
    "LensSettings.k2": Words("radial distortion, of the radius to the power of 4"),
    # incidents
    "IncidentSettings.stopped": Words("vehicles that stand on a carriageway"),
    "IncidentSettings.wrong_way": Words("road users that go against the way"),
    "IncidentSettings.pedestrian": Words("pedestrians on a carriageway"),
    "IncidentSettings.queue": Words("queues that reach the upstream end of their zone"),
    "IncidentSettings.health": Words("the camera itself: dark, covered, out of focus, moved"),
    "HealthSettings.enabled": Words("whether the camera itself is looked after"),
    # sensors
    "kind": Words("how it is read"),
    "port": Words("serial port", ("/dev/ttyUSB0",)),
    "baud": Words("speed of the serial port [bit/s]"),
    "period_s": Words("time between two readings [s]"),
    "timeout_s": Words("how long an answer may take [s]"),
    "metric": Words("name under which it is stored", ("air.temperature",)),
    "scale": Words("metric = number * scale + offset"),
    "offset": Words("metric = number * scale + offset"),
    "GpioSensor.chip": Words("GPIO chip; see gpioinfo"),
    "GpioSensor.line": Words("line of the chip; see gpioinfo", (17,)),
    "GpioSensor.edge": Words("what counts as a pulse"),
    "GpioSensor.bias": Words("resistor of the input"),
    "HttpSensor.values": Words("what to take from the answer"),
    "HttpSensor.time_unit": Words("of the capture time"),
    "HttpSensor.user": Words("of Basic authentication", ("tepna",)),
    "HttpSensor.password": Words("of Basic authentication; file:PATH reads it", ("file:pw",)),
    "MavlinkSensor.system": Words("system id of the drone"),
    "ModbusSensor.parity": Words("of the serial port"),
    "ModbusSensor.stop_bits": Words("of the serial port"),
    "ModbusSensor.unit_id": Words("address of the meter"),
    "ModbusSensor.registers": Words(
        "what to read", ([{"address": 52, "type": "float32", "metric": "meter.power"}],)
    ),
    "Register.table": Words("holding registers (4xxxx) or input registers (3xxxx)"),
    "Register.type": Words("of the number"),
    "Register.words": Words("order of its words; a nonsensical value means to try the other"),
    "NmeaSensor.clock": Words("capture times: the receiver's own, or those of arrival"),
}
