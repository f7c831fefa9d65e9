"""Foreign messages, judged: the names that they get, and what of them can be used."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clock import utc_now
from contracts.metrics import Quality
from ingest.foreign.join import Arrival, apart, batches, recipe, samples
from ingest.foreign.judge import Interpreter
from ingest.foreign.settings import Foreign
from ingest.inbox import Delivery
from storage.registry import Device

NOW = utc_now()
SOURCES = Foreign.model_validate(
    {
        "source": [
            {
                "name": "here",
                "pilot": "p",
                "format": "mapping",
                "topics": ["m/+"],
                "metrics": {"t": {"metric": "air.temperature", "factor": 2, "offset": 1}},
                "ignore": ["x"],
                "mapping": {
                    "time": "$.ts",
                    "time_unit": "us",
                    "values": [
                        {"path": "$.v", "metric": "v"},
                        {"path": "$.t", "metric": "t", "unit": "Cel"},
                        {"path": "$.x", "metric": "x"},
                        {"path": "$.w", "metric": "w"},
                    ],
                },
            }
        ]
    }
)


def delivery(payload: str, packet: int = 7, *, again: bool = False, topic: str = "m/a") -> Delivery:
    return Delivery(1, packet, topic, payload.encode(), {}, NOW, again)


@pytest.fixture
def interpreter() -> Interpreter:
    return Interpreter(SOURCES, ahead=300, session="ingest")


def arrivals(interpreter: Interpreter, *payloads: str) -> list[Arrival]:
    messages = [interpreter.judge(delivery(payload)) for payload in payloads]
    return [Arrival(Device(3, 1), part, message) for message in messages for part in message.parts]


def test_a_rule_names_and_scales(interpreter: Interpreter) -> None:
    [part] = interpreter.judge(delivery(f'{{"ts":{NOW},"v":1,"t":20,"x":3,"w":"on fire"}}')).parts
    assert (part.identity, part.names, part.values) == (
        "p/here-a",
        ["v", "air.temperature"],
        [1, 41],
    )
    assert (part.t, part.quality) == ([NOW, NOW], [0, 0])
    assert part.words == [(NOW, "mapping.w", "on fire")]
    assert not part.odd


def test_without_a_time_it_is_of_its_reception(interpreter: Interpreter) -> None:
    [part] = interpreter.judge(delivery('{"v":1}')).parts
    assert (part.t, part.quality) == ([NOW], [Quality.RECEPTION])


def test_a_delivery_is_named_by_its_packet(interpreter: Interpreter) -> None:
    first, again, next_, other = (
        interpreter.judge(one).parts[0].claim
        for one in (
            delivery('{"v":1}'),
            delivery('{"v":1}', again=True),
            delivery('{"v":1}', packet=8),
            delivery('{"v":1}', topic="m/b"),
        )
    )
    assert (first.key, first.delivery, first.again) == (again.key, True, False)
    assert again.again
    assert len({first.key, next_.key, other.key}) == 3
    never = [
        interpreter.judge(delivery('{"v":1}', packet=0)._replace(received=NOW + i)) for i in (0, 1)
    ]
    assert never[0].parts[0].claim.key != never[1].parts[0].claim.key


def listed(**more: str) -> Interpreter:
    """Judge messages that hold several records of one device."""
    mapping = {
        "records": "$.items[*]",
        "time": "$.ts",
        "time_unit": "us",
        "values": [{"path": "$.v", "metric": "v"}],
    }
    source = {"name": "here", "pilot": "p", "format": "mapping", "topics": ["m/+"]}
    sources = Foreign.model_validate({"source": [source | {"mapping": mapping | more}]})
    return Interpreter(sources, ahead=300, session="ingest")


@pytest.mark.parametrize("time", [f'"ts":{NOW},', ""], ids=["with a time", "without"])
def test_each_record_has_a_name_of_its_own(time: str) -> None:
    items = ",".join(f'{{{time}"v":{i}}}' for i in range(5))
    first, again = (
        [part.claim.key for part in listed().judge(delivery(f'{{"items":[{items}]}}')).parts]
        for _ in range(2)
    )
    assert len(set(first)) == 5
    assert again == first


def test_a_record_with_a_number_is_the_same_wherever_it_stands() -> None:
    one, other = f'{{"ts":{NOW},"id":1,"v":1}}', f'{{"ts":{NOW},"id":2,"v":2}}'
    keys = [
        {part.claim.key for part in listed(message_id="$.id").judge(delivery(payload)).parts}
        for payload in (f'{{"items":[{one},{other}]}}', f'{{"items":[{other},{one}]}}')
    ]
    assert len(keys[0]) == 2
    assert keys[0] == keys[1]


def test_only_the_door_takes_keys_of_senders() -> None:
    """A device that gives its MQTT messages such a property speaks for no other by it."""
    source = {"name": "s", "pilot": "p", "format": "senml", "topics": ["s/+"]}
    interpreter = Interpreter(Foreign.model_validate({"source": [source]}), ahead=300)
    pack = f'[{{"bn":"a:","bt":{NOW / 1e6},"n":"t","v":1}},{{"bn":"b:","n":"t","v":2}}]'
    sent = delivery(pack, topic="s/x")
    keyed = sent._replace(properties={"idempotency-key": "1"})
    [one, other], [plain, _] = (interpreter.judge(message).parts for message in (keyed, sent))
    assert (one.identity, other.identity) == ("p/s-a", "p/s-b")
    assert one.claim == plain.claim
    posted = keyed._replace(topic="POST /v1/uplinks/p/s/obs")
    assert [part.rows for part in interpreter.judge(posted).parts] == [2]


@pytest.mark.parametrize(
    "payload",
    [f'{{"v":1e308,"t":1e308,"ts":{NOW}}}', '{"v":1,"ts":5}', f'{{"v":1,"ts":{NOW + 10**10}}}'],
    ids=["value", "past", "future"],  # one name in every worker: the texts hold the present
)
def test_what_cannot_be_used_is_judged_by_the_row(interpreter: Interpreter, payload: str) -> None:
    [arrival] = arrivals(interpreter, payload)
    assert arrival.part.odd
    [judged] = apart(arrival)
    assert judged.delivery.topic == "tepna/1/p/here-a/up/obs"
    assert judged.letters or judged.held
    assert judged.boot is not None
    assert judged.boot.hex == arrival.part.claim.key


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("n/a", "{}", "unknown-topic"),
        ("m/a", "{", "not-json"),
        ("m/--", '{"v":1}', "unmapped-device"),
    ],
)
def test_letters(interpreter: Interpreter, topic: str, payload: str, reason: str) -> None:
    message = interpreter.judge(delivery(payload, topic=topic))
    assert [letter.reason for letter in message.letters] == [reason]
    assert message.letters[0].payload == payload.encode()
    assert message.parts == ()


def test_nothing_that_is_stored_is_nothing(interpreter: Interpreter) -> None:
    message = interpreter.judge(delivery('{"x":1}'))
    assert (message.parts, message.letters) == ((), ())


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1e6, 1e6)), min_size=1, max_size=20))
def test_joined_they_say_what_each_said(given_: list[tuple[int, float]]) -> None:
    interpreter = Interpreter(SOURCES, ahead=300)
    sent = [f'{{"ts":{NOW + i},"v":{value!r}}}' for i, (_, value) in enumerate(given_)]
    found = arrivals(interpreter, *sent)
    alone = [batch for a in found for batch in batches(a.part, a.message.delivery)]
    [joined] = samples(found)
    assert joined.batch.rows == len(given_)
    for name in ("t", "value", "quality"):
        assert joined.batch.columns[name].tolist() == [
            x for batch in alone for x in batch.columns[name].tolist()
        ]
    columns = {name: text.strip("{}").split(",") for name, text in recipe(found).items()}
    assert {len(column) for column in columns.values()} == {len(given_)}
    assert columns["boot"] == [batch.boot.hex for batch in alone]
    assert [int(t) for t in columns["first"]] == [NOW + i for i in range(len(given_))]
    assert columns["last"] == columns["first"]


def test_words_keep_their_own_batch(interpreter: Interpreter) -> None:
    found = arrivals(interpreter, f'{{"ts":{NOW},"w":"a"}}', f'{{"ts":{NOW},"w":"b","v":1}}')
    schemas: list[Any] = [(s.batch.schema, s.batch.names) for s in samples(found)]
    assert schemas == [
        ("obs/1", ["v"]),
        ("events/1", ["mapping.w", "a"]),
        ("events/1", ["mapping.w", "b"]),
    ]
    assert recipe(found)["stream"] == "{events,obs}"
