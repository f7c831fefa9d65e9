"""Scalar metrics by name: unit, title and the range a true value lies in.

A name that is not here is kept by ingest too, as pending, until somebody explains it.
"""

from enum import IntFlag
from math import inf
from typing import Final, NamedTuple

from contracts.classes import RoadUser


class Quality(IntFlag):
    """Bits of an observation's `quality`; the number crosses the wire and rests in the database."""

    GOOD = 0
    OUT_OF_RANGE = 1  # the device says: outside the metric's range; kept, but not to be trusted
    IMPLAUSIBLE = 2  # ingest says: outside the range that the registry gives the metric
    DOUBTED = 4  # the device says: not good, for a reason of its own
    RECEPTION = 8  # captured is when it was received: the device names no time


UNUSABLE: Final = Quality.OUT_OF_RANGE | Quality.IMPLAUSIBLE | Quality.DOUBTED
"""A value with any of these is kept and counted, and nothing is computed from it."""


class Metric(NamedTuple):
    """One scalar quantity."""

    name: str
    unit: str  # UCUM
    cs: str
    en: str
    low: float = -inf
    high: float = inf

    def quality(self, value: float) -> Quality:
        """Judge a value by the range.

        >>> METRICS["modem.rsrp"].quality(-90.0), METRICS["modem.rsrp"].quality(12.0)
        (<Quality.GOOD: 0>, <Quality.OUT_OF_RANGE: 1>)
        """
        return Quality.GOOD if self.low <= value <= self.high else Quality.OUT_OF_RANGE


CAMERA_OBSERVED: Final = "camera.observed"
CAMERA_FRAMES: Final = "camera.frames"
CAMERA_DROPPED: Final = "camera.dropped"
CAMERA_PROCESSING: Final = "camera.processing_ms"
DETECTOR_RATE: Final = "camera.detector_rate"
DETECTOR_TIME: Final = "camera.detector_ms"
CAMERA_UNMAPPED: Final = "camera.unmapped_events"
OUTBOX_BYTES: Final = "agent.outbox_bytes"
BACKLOG_AGE: Final = "agent.backlog_age_s"
DROPPED_BATCHES: Final = "agent.dropped_batches"
BAD_LINES: Final = "agent.bad_lines"
UPLINK_ROUND_TRIP: Final = "uplink.round_trip"
PROBE_ROUND_TRIP: Final = "probe.round_trip"
PROBE_JITTER: Final = "probe.jitter"
PROBE_LOST: Final = "probe.lost"
PROBE_DELAY_UP: Final = "probe.delay_up"
PROBE_DELAY_DOWN: Final = "probe.delay_down"
PROBE_DELAY_ERROR: Final = "probe.delay_error"
PROBE_UPLINK: Final = "probe.uplink"
PROBE_UPLINK_SD: Final = "probe.uplink_sd"
PROBE_BYTES: Final = "probe.bytes"
PICTURE_BYTES: Final = {name: f"pictures.{name}_bytes" for name in ("still", "live", "snapshot")}
UPLINK_BYTES: Final = "uplink.bytes"
"""Beginning of the names of what was sent of each stream since that was last told."""

METRICS: Final = {
    metric.name: metric
    for metric in (
        # What was seen at all: coverage is computed from it. Captured at the interval's last
        # microsecond, so a minute that was seen whole sums to 60.
        Metric(CAMERA_OBSERVED, "s", "Zpracované video", "Video processed", 0, 60),
        Metric(CAMERA_FRAMES, "{frame}", "Snímky", "Frames", 0),
        Metric(CAMERA_DROPPED, "{frame}", "Vynechané snímky", "Frames left out", 0),
        Metric(CAMERA_PROCESSING, "ms", "Zpracování snímku", "Processing of a frame", 0),
        Metric(DETECTOR_RATE, "Hz", "Dotazy na detektor", "Detector requests", 0, 1000),
        Metric(DETECTOR_TIME, "ms", "Doba dotazu na detektor", "Detector request time", 0),
        # What the camera itself said since the agent started, and nobody knows what to make of.
        Metric(CAMERA_UNMAPPED, "{event}", "Nevyužité události kamery", "Unused camera events", 0),
        Metric(OUTBOX_BYTES, "By", "Čeká na uložení", "Waiting to be stored", 0),
        Metric(BACKLOG_AGE, "s", "Stáří nejstarší dávky", "Age of the oldest batch", 0),
        Metric(DROPPED_BATCHES, "{batch}", "Ztracené dávky", "Batches dropped", 0),
        Metric(BAD_LINES, "{line}", "Nečitelné řádky snímačů", "Unreadable sensor lines", 0),
        Metric(UPLINK_ROUND_TRIP, "ms", "Odezva brokeru", "Round trip to the broker", 0),
        # Of probes (edge.probing). A lost one is 1, one that came back in time 0: the mean is the
        # share. A delay may be below 0 by as much as its error.
        Metric(PROBE_ROUND_TRIP, "ms", "Sonda: odezva přes broker", "Probe round trip", 0),
        Metric(PROBE_JITTER, "ms", "Sonda: kolísání odezvy", "Probe jitter", 0),
        Metric(PROBE_LOST, "1", "Sonda: ztráta", "Probe lost", 0, 1),
        Metric(PROBE_DELAY_UP, "ms", "Sonda: zpoždění k platformě", "Probe delay up"),
        Metric(PROBE_DELAY_DOWN, "ms", "Sonda: zpoždění od platformy", "Probe delay down"),
        Metric(PROBE_DELAY_ERROR, "ms", "Sonda: chyba hodin", "Probe clock error", 0),
        Metric(PROBE_UPLINK, "Mbit/s", "Sonda: rychlost odesílání", "Probe uplink rate", 0),
        Metric(PROBE_UPLINK_SD, "Mbit/s", "Sonda: chyba rychlosti", "Probe uplink rate error", 0),
        Metric(PROBE_BYTES, "By", "Sondy: spotřeba dat", "Bytes of probes", 0),
        # Of pictures that were sent since the agent started, by stream.
        Metric(PICTURE_BYTES["still"], "By", "Odeslané snímky", "Pictures sent", 0),
        Metric(PICTURE_BYTES["live"], "By", "Odeslaný živý obraz", "Live view sent", 0),
        Metric(PICTURE_BYTES["snapshot"], "By", "Odeslané záběry událostí", "Snapshots sent", 0),
        Metric(f"{UPLINK_BYTES}_obs", "By", "Odesláno: skaláry", "Sent: scalars", 0),
        Metric(f"{UPLINK_BYTES}_tracks", "By", "Odesláno: trajektorie", "Sent: trajectories", 0),
        Metric(f"{UPLINK_BYTES}_events", "By", "Odesláno: události", "Sent: events", 0),
        Metric(f"{UPLINK_BYTES}_signal", "By", "Odesláno: signály", "Sent: signal events", 0),
        # The modem's; ranges of 3GPP TS 38.133 (reported RSRP, RSRQ, SINR).
        Metric("modem.rsrp", "dB[mW]", "RSRP", "RSRP", -156, -31),
        Metric("modem.rsrq", "dB", "RSRQ", "RSRQ", -43, 20),
        Metric("modem.sinr", "dB", "SINR", "SINR", -23, 40),
        Metric("modem.cell", "1", "Obsluhující buňka", "Serving cell", 0),
        Metric("modem.round_trip", "ms", "Odezva sítě", "Round trip", 0),
        Metric("modem.uplink", "Mbit/s", "Rychlost odesílání", "Uplink throughput", 0),
        Metric("air.temperature", "Cel", "Teplota vzduchu", "Air temperature", -60, 60),
        Metric("noise.level", "dB[SPL]", "Hluk", "Noise level", 0, 140),
        Metric("air.humidity", "%", "Vlhkost vzduchu", "Air humidity", 0, 100),
        Metric("air.pm2_5", "ug/m3", "Prach PM2,5", "Fine dust PM2.5", 0, 10_000),
        Metric("air.pm10", "ug/m3", "Prach PM10", "Dust PM10", 0, 10_000),
        Metric("rain.amount", "mm", "Srážky", "Rain", 0, 500),
        # A meter's counters, and the power at the moment: drawn from the grid is positive.
        Metric("meter.energy_import", "kW.h", "Odběr ze sítě", "Energy drawn", 0),
        Metric("meter.energy_export", "kW.h", "Dodávka do sítě", "Energy fed in", 0),
        Metric("meter.power", "kW", "Okamžitý výkon", "Power"),
        # A GNSS receiver's (NMEA 0183); fix is GGA's quality indicator, 0 is none.
        Metric("gnss.latitude", "deg", "Zeměpisná šířka", "Latitude", -90, 90),
        Metric("gnss.longitude", "deg", "Zeměpisná délka", "Longitude", -180, 180),
        Metric("gnss.altitude", "m", "Nadmořská výška", "Altitude", -500, 20_000),
        Metric("gnss.speed", "m/s", "Rychlost", "Speed", 0, 600),
        Metric("gnss.course", "deg", "Kurz", "Course over ground", 0, 360),
        Metric("gnss.satellites", "{satellite}", "Družice", "Satellites", 0, 100),
        Metric("gnss.hdop", "1", "Rozptyl polohy HDOP", "HDOP", 0, 100),
        Metric("gnss.fix", "1", "Druh určení polohy", "Fix quality", 0, 8),
        # A drone's (MAVLink); height is above where it took off, fix is GPS_FIX_TYPE, 3 is 3D.
        Metric("drone.latitude", "deg", "Zeměpisná šířka dronu", "Drone latitude", -90, 90),
        Metric("drone.longitude", "deg", "Zeměpisná délka dronu", "Drone longitude", -180, 180),
        Metric("drone.altitude", "m", "Nadmořská výška dronu", "Drone altitude", -500, 20_000),
        Metric("drone.height", "m", "Výška dronu nad vzletem", "Drone height", -500, 20_000),
        Metric("drone.speed", "m/s", "Rychlost dronu", "Drone speed", 0, 600),
        Metric("drone.heading", "deg", "Směr dronu", "Drone heading", 0, 360),
        Metric("drone.battery", "%", "Baterie dronu", "Drone battery", 0, 100),
        Metric("drone.voltage", "V", "Napětí dronu", "Drone voltage", 0, 65.5),
        Metric("drone.current", "A", "Proud dronu", "Drone current", 0, 328),
        Metric("drone.satellites", "{satellite}", "Družice dronu", "Drone satellites", 0, 254),
        Metric("drone.fix", "1", "Určení polohy dronu", "Drone fix type", 0, 8),
    )
}

CAMERA_INPUT: Final = "camera.input"
"""Beginning of the names of the states of a camera's digital inputs: 1 active, 0 not."""

ZONE_OCCUPANCY: Final = "zone.occupancy"
"""Beginning of the names of how many road users of a class stand in a zone."""


def zone_occupancy(zone: str, user: RoadUser) -> str:
    """Name of the metric of one zone and one class.

    >>> zone_occupancy("bus-stop", RoadUser.PEDESTRIAN)
    'zone.occupancy.bus-stop.pedestrian'
    """
    return f"{ZONE_OCCUPANCY}.{zone}.{user.name.lower()}"


def explain(name: str) -> Metric | None:
    """Give a metric by its name; None where nobody has explained it.

    >>> explain("zone.occupancy.bus-stop.pedestrian").en
    'Road users in zone bus-stop: pedestrian'
    >>> explain("camera.input.door-1").en
    'Camera input door-1'
    """
    known = METRICS.get(name)
    if name.startswith(f"{CAMERA_INPUT}."):
        token = name.removeprefix(f"{CAMERA_INPUT}.")
        return Metric(name, "1", f"Vstup kamery {token}", f"Camera input {token}", 0, 1)
    zone, _, kind = name.removeprefix(f"{ZONE_OCCUPANCY}.").partition(".")
    if known or not name.startswith(f"{ZONE_OCCUPANCY}.") or kind not in _KINDS or not zone:
        return known
    cs, en = f"Účastníci v zóně {zone}: {kind}", f"Road users in zone {zone}: {kind}"
    return Metric(name, "{user}", cs, en, 0)


_KINDS: Final = frozenset(user.name.lower() for user in RoadUser)
