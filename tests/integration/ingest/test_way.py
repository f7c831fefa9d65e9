"""From the device through broker and ingest into the database."""

from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("ingest")


def test_every_stream_arrives(street: Any, eventually: Any) -> None:
    device = street.device("cam-1")
    obs = device.batch(rows=500, value=range(500), names=["a", "b"], metric=[0, 1] * 250)
    event = device.batch(
        "events/1", 2, names=["crossing", "line-1"], object=1, value=[12.5, "nan"], direction=-1
    )
    signal = device.batch("signal/1", 4, code=[1, 8, 10, 1], parameter=40_000)
    tracks = device.batch("tracks/1", 5, track=[7, 7, 7, 9, 9], x=[1, 2, 3, 4, 5], cls=5)
    for batch in (obs, event, signal, tracks):
        device.send(batch)
    eventually("durable", lambda: device.is_durable(3))
    assert device.durable[-1].ranges == [(0, 4)]
    assert street.rows(
        "SELECT name, count(*), sum(value) FROM observation JOIN metric USING (metric)"
        " GROUP BY name ORDER BY name"
    ) == [("a", 250, 249 * 250.0), ("b", 250, 250 * 250.0)]
    found = street.rows("SELECT kind, object, direction, value, boot FROM event")
    assert {row[:3] for row in found} == {("crossing", "line-1", -1)}
    assert sorted(str(row[3]) for row in found) == ["12.5", "nan"]
    assert {row[4] for row in found} == {device.boot}
    assert len(street.rows("SELECT FROM signal_event WHERE parameter = 40000")) == 4
    pieces = street.rows("SELECT track, x, class FROM track_piece ORDER BY track, captured")
    assert {track for track, _, _ in pieces} == {7, 9}
    assert [x for _, xs, _ in pieces for x in xs] == [1, 2, 3, 4, 5]
    assert street.letters() == []
