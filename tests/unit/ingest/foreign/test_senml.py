"""SenML, by the examples of RFC 8428 and its rules."""

from contextlib import suppress
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ucum import check
from ingest.foreign.reading import ForeignError, Value
from ingest.foreign.senml import ABSOLUTE, CBOR_LABELS, CBOR_TYPE, Record, decode, resolve
from ingest.foreign.units import ucum

RECEIVED = 1_795_464_000_000_000
BASE = "urn:dev:ow:10e2073a0108006"
CURRENT = [(f"{BASE}:", "current", "A", 1276020076.001 + t, 1.7 + t / 10) for t in range(-5, 1)]


def told(records: list[Any]) -> list[tuple[Any, ...]]:
    return [(r.base, r.name, r.unit, r.time, pytest.approx(r.value)) for r in records]


def test_the_resolved_records_are_those_of_the_rfc(payloads: Any) -> None:
    example = payloads("senml")["multiple"]
    expected = [(f"{BASE}:", "voltage", "V", 1276020076.001, 120.1), *CURRENT]
    assert told(resolve(decode(example["json"].encode()))) == expected
    binary = bytes.fromhex(example["cbor"])
    assert resolve(decode(binary)) == resolve(decode(example["json"].encode()))
    assert decode(binary, CBOR_TYPE) == decode(example["json"].encode())


def test_a_pack_is_read(payloads: Any, make_source: Any, read: Any) -> None:
    source = make_source("senml", "senml/+")
    [reading] = read(source, "senml/x", payloads("senml")["multiple"]["json"])
    assert reading.source == BASE
    assert reading.values[0] == Value(1276020076_001000, "voltage", 120.1, "V")
    assert [value.t for value in reading.values[1:]] == [
        1276020076_001000 + t * 1_000_000 for t in range(-5, 1)
    ]
    # A pack that is delivered again is the same, one that says something else is another.
    again, other = (
        read(source, "senml/x", payloads("senml")["multiple"]["json"].replace("120.1", volts))
        for volts in ("120.1", "120.2")
    )
    assert again[0].key == reading.key
    assert other[0].key != reading.key


def test_one_sensor_with_several_units(payloads: Any, make_source: Any, read: Any) -> None:
    [reading] = read(
        make_source("senml", "senml/+"), "senml/x", payloads("senml")["several-units"]["json"]
    )
    assert [(v.name, v.unit) for v in reading.values[:3]] == [
        ("%RH", "%"),
        ("lon", "deg"),
        ("lat", "deg"),
    ]


def test_each_base_name_is_a_device(payloads: Any, make_source: Any, read: Any) -> None:
    readings = read(
        make_source("senml", "senml/+"), "senml/x", payloads("senml")["several-devices"]["json"]
    )
    assert [(r.source, [v.value for v in r.values]) for r in readings] == [
        ("2001:db8::2", [25.2, 30]),
        ("2001:db8::1", [12.3, 67]),
    ]


def test_a_listed_name_wins(payloads: Any, make_source: Any, read: Any) -> None:
    name = "urn:dev:ow:10e2073a01080063"
    source = make_source("senml", "senml/+", devices={name: "thermometer", "urn": "else"})
    [reading] = read(source, "senml/x", payloads("senml")["single"]["json"])
    assert (reading.source, source.identity(reading.source)) == (name, "pilot/thermometer")
    assert reading.values == [Value(None, "Cel", 23.1, "Cel")]


@pytest.mark.parametrize(
    ("bn", "n", "listed", "told"),
    [
        ("meter-1:", "power", "meter-1", ("meter-1", "power")),
        ("meter-1", "", "meter-1", ("meter-1", "W")),
        ("meter-10:", "power", "meter-1", ("meter-10", "power")),
        ("meter-10:", "power", "meter-", ("meter-", "10:power")),
        ("urn:dev:ow:1", "_power", "urn:dev:ow:1", ("urn:dev:ow:1", "power")),
        ("", "meter-10.power", "meter-1", ("", "meter-10.power")),
    ],
)
def test_a_listed_name_ends_where_a_name_ends(
    bn: str, n: str, listed: str, told: tuple[str, str], make_source: Any, read: Any
) -> None:
    source = make_source("senml", "senml/+", devices={listed: "meter"})
    [reading] = read(source, "senml/x", f'[{{"bn":"{bn}","n":"{n}","u":"W","v":1}}]')
    assert (reading.source, reading.values[0].name) == told


# RFC 8428, section 12.1, and RFC 8798: primary and secondary units.
REGISTERED = """
m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2
m3/s l/s W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats
S/m B VA VAs var vars J/m kg/m3 deg
ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3
mm/h m/h ppm /100 /1000 hPa mm cm km km/h VAh
"""


@pytest.mark.parametrize("unit", REGISTERED.split())
def test_every_registered_unit_has_a_ucum_code(unit: str) -> None:
    assert check(ucum(unit))


def test_a_pack_that_declares_secondary_units(make_source: Any, read: Any) -> None:
    """As RFC 9100 says: 10 and 2 to the power of the feature's number, 4."""
    pack = '[{"bver":26,"bn":"a:","n":"energy","u":"kWh","v":3.5}]'
    [reading] = read(make_source("senml", "senml/+"), "senml/x", pack)
    assert [v[1:4] for v in reading.values] == [("energy", 3.5, "kW.h")]


def test_words_switches_and_data(payloads: Any, make_source: Any, read: Any) -> None:
    [reading] = read(make_source("senml", "senml/+"), "senml/x", payloads("senml")["kinds"]["json"])
    assert [(v.name, v.value) for v in reading.values] == [("temp", 23.1), ("open", 0.0)]
    assert [t[1:] for t in reading.texts] == [("label", "Machine Room"), ("nfv-reader", "aGkgCg==")]
    assert reading.key is None  # nothing in it tells it from the next one


def test_relative_times_are_of_the_reception(make_source: Any, read: Any) -> None:
    pack = '[{"bn":"a:","bt":-10,"n":"x","v":1},{"n":"y","t":10,"v":2},{"n":"z","t":4,"v":3}]'
    [reading] = read(make_source("senml", "senml/+"), "senml/x", pack, RECEIVED)
    assert [v.t for v in reading.values] == [
        RECEIVED - 10_000_000,
        None,  # roughly now
        RECEIVED - 6_000_000,
    ]
    assert reading.key is None


def test_sums_are_metrics_of_their_own(make_source: Any, read: Any) -> None:
    pack = '[{"bn":"a:","bs":5,"bv":1,"n":"p","u":"W","v":2,"s":10},{"n":"q"}]'
    [reading] = read(make_source("senml", "senml/+"), "senml/x", pack)
    assert [v[1:4] for v in reading.values] == [
        ("p", 3.0, "W"),
        ("p.sum", 15.0, "W.s"),
        ("q", 1.0, ""),
        ("q.sum", 5.0, "s"),
    ]


@pytest.mark.parametrize(
    ("pack", "says"),
    [
        ("[{", "truncated"),
        ("{}", "array"),
        ('[{"n":"a"}]', "neither a value nor a sum"),
        ('[{"v":1}]', "no name"),
        ('[{"n":"a b","v":1}]', "no name"),
        ('[{"n":"-a","v":1}]', "no name"),
        ('[{"n":"a","v":1,"vs":"x"}]', "2 values"),
        ('[{"n":"a","v":"1"}]', "float"),
        ('[{"bver":11,"n":"a","v":1}]', "version 11"),
        ('[{"bver":16,"n":"a","v":1}]', "version 16"),
        ('[{"bver":58,"n":"a","v":1}]', "version 58"),
        ('[{"bver":9,"n":"a","v":1},{"bver":10,"n":"a","v":1}]', "versions 9 and 10"),
        ('[{"n":"a","v":1,"must_":true}]', "must be understood"),
        ('[{"n":"a","vd":"*"}]', "base64"),
        ("[" * 3000, "not-senml"),
    ],
)
def test_what_is_no_senml(pack: str, says: str, make_source: Any, read: Any) -> None:
    with pytest.raises(ForeignError, match=says):
        read(make_source("senml", "senml/+"), "senml/x", pack)


@pytest.mark.parametrize(
    "payload", [b"", b"\x81", b"\x81\x01", b"\xa1\x01\x02", b"\x81\xa1\x63xy_\x01", b"\xff" * 9]
)
def test_what_is_no_cbor(payload: bytes) -> None:
    with pytest.raises(ForeignError):
        resolve(decode(payload, CBOR_TYPE))


def test_unknown_fields_are_ignored() -> None:
    assert resolve(decode(b'[{"n":"a","v":1,"later":[2]}]'))[0].value == 1


finite = st.floats(-1e6, 1e6)
names = st.from_regex(r"[a-z0-9][a-z0-9:._/-]{0,5}", fullmatch=True)
records = st.lists(
    st.builds(
        Record,
        bn=st.none() | names,
        bt=st.none() | st.floats(0, 2e9),
        bu=st.none() | st.sampled_from(["Cel", "A"]),
        bv=st.none() | finite,
        bs=st.none() | finite,
        n=names,
        u=st.none() | st.sampled_from(["V", "%RH"]),
        v=finite,
        s=st.none() | finite,
        t=st.floats(-100, 100),
    ),
    min_size=1,
    max_size=6,
)


@given(records)
def test_resolved_records_need_nobody(pack: list[Record]) -> None:
    """Each of them, read alone and with the bases written out, is what it was in the pack."""
    for one in resolve(pack):
        alone = Record(bn=one.base, n=one.name, u=one.unit, t=one.time, v=one.value, s=one.sum)
        assert resolve([alone]) == [one]


@given(records)
def test_json_and_cbor_say_the_same(pack: list[Record]) -> None:
    labels = {name: label for label, name in CBOR_LABELS.items()}
    plain = [{k: v for k, v in msgspec.structs.asdict(r).items() if v is not None} for r in pack]
    binary = cbor2.dumps([{labels[k]: v for k, v in record.items()} for record in plain])
    assert decode(binary) == decode(msgspec.json.encode(plain)) == pack


@given(st.floats(ABSOLUTE, 4e9), st.floats(-100, 100))
def test_times_are_absolute_from_the_border_on(base: float, offset: float) -> None:
    [record] = resolve([Record(bn="a", bt=base, t=offset, v=1)])
    assert record.time == base + offset


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    with suppress(ForeignError):
        assert all(record.name or record.base for record in resolve(decode(payload)))
