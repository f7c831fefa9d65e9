"""The payload of Sparkplug B in Protocol Buffers, described by its fields.

The fields are those of the Sparkplug 3.0.0 specification, section 6.4; what no measurement is read
from (templates, data sets, files) is left out, and skipped by the parser as any unknown field.
"""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from ingest.foreign.reading import MAX_VALUES, ForeignError

FieldType: Final = descriptor_pb2.FieldDescriptorProto

# Name, number, type; "*" repeats, an upper-case type is a message of ours.
MESSAGES: Final = {
    "PropertyValue": "type:1:uint32 is_null:2:bool int_value:3:uint32 long_value:4:uint64"
    " float_value:5:float double_value:6:double boolean_value:7:bool string_value:8:string",
    "PropertySet": "keys:1:string* values:2:PropertyValue*",
    "Metric": "name:1:string alias:2:uint64 timestamp:3:uint64 datatype:4:uint32"
    " is_historical:5:bool is_transient:6:bool is_null:7:bool properties:9:PropertySet"
    " int_value:10:uint32 long_value:11:uint64 float_value:12:float double_value:13:double"
    " boolean_value:14:bool string_value:15:string bytes_value:16:bytes",
    "Payload": "timestamp:1:uint64 metrics:2:Metric* seq:3:uint64 uuid:4:string body:5:bytes",
}
PACKAGE: Final = "tepna.sparkplug"


def _payload() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="tepna/sparkplug.proto", package=PACKAGE, syntax="proto2"
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            label, number, kind = field.split(":")
            many, kind = kind.endswith("*"), kind.removesuffix("*")
            made = message.field.add(name=label, number=int(number))
            made.label = FieldType.LABEL_REPEATED if many else FieldType.LABEL_OPTIONAL
            if kind in MESSAGES:
                made.type, made.type_name = FieldType.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
            else:
                made.type = getattr(FieldType, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.Payload"))


Payload: Final = _payload()
"""The message; fields are set and read as of any generated class."""


def parse(payload: bytes) -> Any:
    """Read a payload.

    Raises
    ------
    ForeignError
        If it is none, or has more metrics than are taken.
    """
    try:
        found = Payload.FromString(payload)
    except (DecodeError, UnicodeDecodeError) as fault:
        raise ForeignError("not-sparkplug", str(fault)) from fault
    if len(found.metrics) > MAX_VALUES:
        detail = f"{len(found.metrics)} metrics, at most {MAX_VALUES} are taken"
        raise ForeignError("too-large", detail)
    if any(isinstance(text, bytes) for text in _texts(found)):  # the parser lets anything pass
        raise ForeignError("not-sparkplug", "a text is no UTF-8")
    return found


def _texts(found: Any) -> Iterator[str | bytes]:
    for metric in found.metrics:
        yield metric.name
        yield metric.string_value
        yield from metric.properties.keys
        yield from (value.string_value for value in metric.properties.values)
