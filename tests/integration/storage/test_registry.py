"""The registry: sites, devices, metrics and keys."""

import hashlib
from collections.abc import Iterator

import pytest

from contracts.site import Camera, Name, Site
from storage import registry
from storage.pool import Connection, StorageSettings, connect
from storage.registry import (
    Device,
    UnknownSiteError,
    create_api_key,
    find_devices,
    metric_numbers,
    register_device,
    register_site,
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(StorageSettings(database_url=database_url)) as connection:
        yield connection


def plan(*cameras: str, limit: float = 50) -> Site:
    name = Name(cs="Bělehradská", en="Belehradska")
    return Site(
        id="belehradska",
        pilot="usti",
        name=name,
        latitude=50.6,
        longitude=14,
        speed_limit_km_h=limit,
        cameras=[
            Camera(
                device=camera,
                name=name,
                position=(0, 0, 6),
                target=(10, 0, 0),
                fov_deg=90,
                width=640,
                height=360,
                fps=10,
            )
            for camera in cameras
        ],
    )


def test_site_is_registered_with_its_devices_and_updated(connection: Connection) -> None:
    site = register_site(connection, plan("cam-1", "cam-2"))
    assert register_site(connection, plan("cam-1", "cam-3", limit=30)) == site
    found = find_devices(connection, [f"usti/cam-{i}" for i in range(1, 5)])
    assert sorted(found) == ["usti/cam-1", "usti/cam-2", "usti/cam-3"]
    assert {device.site for device in found.values()} == {site}
    (stored,) = connection.execute("SELECT plan FROM site").fetchone() or ()
    assert Site.model_validate(stored) == plan("cam-1", "cam-3", limit=30)


def test_device_by_itself(connection: Connection) -> None:
    with pytest.raises(UnknownSiteError, match="usti has no site 'belehradska'"):
        register_device(connection, pilot="usti", site="belehradska", name="meter-1")
    site = register_site(connection, plan())
    number = register_device(connection, pilot="usti", site="belehradska", name="meter-1")
    assert register_device(connection, pilot="usti", site="belehradska", name="meter-1") == number
    assert find_devices(connection, ["usti/meter-1"]) == {"usti/meter-1": Device(number, site)}


def test_unknown_metric_waits_for_its_meaning(connection: Connection) -> None:
    first = metric_numbers(connection, ["a", "b"])
    assert metric_numbers(connection, ["b", "c"])["b"] == first["b"]
    assert connection.execute("SELECT bool_and(pending), count(*) FROM metric").fetchone() == (
        True,
        3,
    )


def test_metrics_are_bounded(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_METRICS", 3)
    assert metric_numbers(connection, ["a", "b"]).keys() == {"a", "b"}
    assert metric_numbers(connection, ["b", "c", "d"]).keys() == {"b", "c"}
    assert metric_numbers(connection, ["e"]) == {}


def test_key_is_kept_as_its_digest(connection: Connection) -> None:
    key = create_api_key(connection, "console")
    assert key != create_api_key(connection, "console")
    digests = [digest for (digest,) in connection.execute("SELECT digest FROM api_key")]
    assert hashlib.sha256(key.encode()).digest() in digests
    assert len(key) >= 43  # 256 bits
