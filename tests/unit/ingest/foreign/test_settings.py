"""The file of the sources: what it says, and what it says when it is wrong."""

from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingsError
from ingest.foreign.reading import ForeignError
from ingest.foreign.settings import Foreign, ForeignConfigError, Metric, Subscription, read_foreign
from ingest.settings import ReplaySettings

GOOD = """
[[source]]
name = "zigbee"
format = "zigbee2mqtt"
topics = ["zigbee2mqtt/#"]
pilot = "usti"
account = "zigbee.bridge"
ignore = ["linkquality", "update*"]

[source.devices]
"0x00124b0006227235" = "air-1"

[source.metrics]
temperature = {metric = "air.temperature", unit = "Cel"}
pressure = {metric = "air.pressure", unit = "Pa", factor = 100}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "foreign.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_it_says(tmp_path: Path) -> None:
    [source] = read_foreign(write(tmp_path, GOOD)).source
    assert source.identity("0x00124b0006227235") == "usti/air-1"
    assert source.identity("Kitchen/Floor Light") == "usti/zigbee-kitchen-floor-light"
    assert source.metric("pressure") == Metric("air.pressure", "Pa", 100)
    assert source.metric("humidity") == Metric("zigbee2mqtt.humidity")
    assert source.metric("update.state") is None
    assert source.metric("linkquality") is None


def test_nothing_is_said() -> None:
    assert ReplaySettings(database_url="postgresql://").sources.source == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"zigbee2mqtt"\n', '"zigbee"\n', r"source\.0\.format is 'zigbee'"),
        ("zigbee2mqtt/#", "#", "takes in Tepna's own topics"),
        ("zigbee2mqtt/#", "+/+/+/+/up/obs", "takes in Tepna's own topics"),
        ("zigbee2mqtt/#", "+/1/#", "takes in Tepna's own topics"),
        ("zigbee2mqtt/#", "tepna/foreign/#", "takes in Tepna's own topics"),
        ("zigbee2mqtt/#", "+/+/+/+/command", "takes in Tepna's own topics"),
        ("zigbee2mqtt/#", "a/#/b", "is no topic filter"),
        ("zigbee2mqtt/#", "a+/b", "is no topic filter"),
        ("zigbee2mqtt/#", "$SYS/#", "is no topic filter"),
        ('"usti"', '"Ústí"', r"source\.0\.pilot is 'Ústí'"),
        ('"zigbee.bridge"', '"ingest"', r"source\.0\.account is 'ingest'.*give it a dot"),
        ('"air-1"', '"Air 1"', r"devices\.0x00124b0006227235 is 'Air 1'"),
        ("factor = 100", "factor = 'x'", r"pressure\.factor is 'x'"),
        ("[source.devices]", "[source.device]", "source.0.device: Input should be"),
        ("ignore", "ignored", "ignored"),
        ('format = "zigbee2mqtt"', 'format = "tasmota"', "set zone"),
        ('format = "zigbee2mqtt"', 'format = "mapping"', r"needs a \[source.mapping\]"),
        ("account = ", 'zone = "Prag"\naccount = ', "such time zone"),
        ("account = ", 'device = "{2}"\naccount = ', r"device has \{2\}"),
        ("[source.devices]", "[source.mapping]\nvalues = []\n[source.devices]", "mapping.values"),
        ("[[source]]", "[[source", "is no TOML"),
    ],
)
def test_what_is_wrong_is_told_with_key_value_and_fix(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in GOOD
    file = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ForeignConfigError, match=says) as caught:
        read_foreign(file)
    assert str(caught.value).startswith(str(file))


def test_a_path_that_is_none(tmp_path: Path) -> None:
    mapping = '[source.mapping]\nvalues = [{path = "$.a[", metric = "a"}]\n[source.devices]'
    text = GOOD.replace("[source.devices]", mapping).replace(
        'format = "zigbee2mqtt"', 'format = "mapping"'
    )
    with pytest.raises(ForeignConfigError, match="is no JSONPath"):
        read_foreign(write(tmp_path, text))


def test_names_are_used_once(tmp_path: Path) -> None:
    with pytest.raises(ForeignConfigError, match="used twice: zigbee"):
        read_foreign(write(tmp_path, GOOD + GOOD))


def test_ingest_does_not_start_with_a_wrong_file(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none.toml", "cannot be read"), (write(tmp_path, "x=1"), "x")):
        with pytest.raises(SettingsError, match=says):
            ReplaySettings.load(database_url="postgresql://", foreign=path)


def source(topic: str, **more: Any) -> Foreign:
    given = {"name": "s", "pilot": "p", "format": "senml", "topics": [topic]} | more
    return Foreign.model_validate({"source": [given]})


@pytest.mark.parametrize(
    ("topic", "given", "wild"),
    [
        ("a/+/c", "a/b/c", ("b",)),
        ("a/#", "a/b/c", ("b/c",)),
        ("a/+/#", "a/b/c/d", ("b", "c/d")),
        ("a.b/c", "a.b/c", ()),
        ("a.b/c", "axb/c", None),
        ("a/+/c", "a/b/d/c", None),
        ("a/+", "b/a", None),
    ],
)
def test_topics(topic: str, given: str, wild: tuple[str, ...] | None) -> None:
    route = source(topic).find(given)
    assert (route.wild if route else None) == wild


def test_identity_by_the_topic() -> None:
    [one] = source("city/+/air/+", device="{1}-air-{2}").source
    assert one.identity("whatever", ("Nord", "7")) == "p/nord-air-7"
    with pytest.raises(ForeignError, match="unmapped-device"):
        one.identity("x", ("", "x" * 80))


@pytest.mark.parametrize(
    ("topic", "births"),
    [
        ("spBv1.0/plant/#", ["spBv1.0/plant/NBIRTH/+", "spBv1.0/plant/DBIRTH/+/+"]),
        ("spBv1.0/#", ["spBv1.0/+/NBIRTH/+", "spBv1.0/+/DBIRTH/+/+"]),
        ("spBv1.0/+/#", ["spBv1.0/+/NBIRTH/+", "spBv1.0/+/DBIRTH/+/+"]),
        ("spBv1.0/plant/+/edge/#", ["spBv1.0/plant/NBIRTH/edge", "spBv1.0/plant/DBIRTH/edge/+"]),
        ("spBv1.0/plant/+/edge", ["spBv1.0/plant/NBIRTH/edge"]),
        ("spBv1.0/plant/+/+/oven", ["spBv1.0/plant/DBIRTH/+/oven"]),
        ("spBv1.0/plant/NDATA/+", []),
    ],
)
def test_births_are_heard_by_everybody(topic: str, births: list[str]) -> None:
    assert source(topic, format="sparkplug").subscriptions() == [
        Subscription(topic),
        *(Subscription(one, everybody=True) for one in births),
    ]


def test_a_filter_of_births_alone_is_everybody_s() -> None:
    topic = "spBv1.0/plant/NBIRTH/+"
    assert source(topic, format="sparkplug").subscriptions() == [
        Subscription(topic, everybody=True)
    ]


def test_accounts_and_their_topics() -> None:
    assert source("a/#", account="a.b").accounts() == {"a.b": ["a/#"]}
    assert source("a/#").accounts() == {}
