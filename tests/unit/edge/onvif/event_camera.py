"""An ONVIF camera with events, as an HTTP service that is as strict as the WSDL allows it to be.

No simulator of the registries has events, so this one speaks as cameras are documented to: topics,
tokens, prefixes and places of namespaces are those of a Hikvision (gBillal/ex_onvif, test/fixtures/
pull_messages.xml, get_event_properties.xml) and of Axis, which names a subscription by a reference
parameter (axis.com/2009/event); a line that comes as "Initialized" is one of a real camera, too
(openvideolibs/onvif-parsers, tests/test_generic.py). RaySharp's addresses lack the host.

What it wants of requests is in events.wsdl (ONVIF 24.12), b-2.xsd (WS-BaseNotification 1.3) and the
WS-Security UsernameToken Profile 1.0; what is wrong is refused, and kept in `violations`.
"""

import base64
import hashlib
import re
import threading
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from edge.onvif.soap import SPACES

TEV, WSNT, WSA, SOAP = (f"{{{SPACES[prefix]}}}" for prefix in ("tev", "wsnt", "wsa", "s"))
AXIS = "{http://www.axis.com/2009/event}"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
MANAGER = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager"
DURATION = r"PT(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?"  # of xs:duration what makes sense here

OPERATIONS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    f"{TEV}GetEventProperties": (f"{EVENTS}/EventPortType/GetEventPropertiesRequest", []),
    f"{TEV}CreatePullPointSubscription": (
        f"{EVENTS}/EventPortType/CreatePullPointSubscriptionRequest",
        [(f"{TEV}InitialTerminationTime", DURATION)],
    ),
    f"{TEV}PullMessages": (
        f"{EVENTS}/PullPointSubscription/PullMessagesRequest",
        [(f"{TEV}Timeout", DURATION), (f"{TEV}MessageLimit", r"\d+")],
    ),
    f"{WSNT}Renew": (f"{MANAGER}/RenewRequest", [(f"{WSNT}TerminationTime", DURATION)]),
    f"{WSNT}Unsubscribe": (f"{MANAGER}/UnsubscribeRequest", []),
}
"""Action of each operation, and its elements in order, with what they hold."""

NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "env": SPACES["s"], "tt": SPACES["tt"], "tds": SPACES["tds"], "tev": SPACES["tev"],
        "wsnt": SPACES["wsnt"], "wsa": SPACES["wsa"], "wstop": SPACES["wstop"],
        "tns1": "http://www.onvif.org/ver10/topics", "ter": "http://www.onvif.org/ver10/error",
        "tnshik": "http://www.hikvision.com/2011/event/topics",
        "wsrf-r": "http://docs.oasis-open.org/wsrf/r-2",
    }.items()
)  # fmt: skip

TOPICS = """
<tns1:VideoSource wstop:topic="false">
  <MotionAlarm wstop:topic="true"><tt:MessageDescription IsProperty="true"><tt:Data>
    <tt:SimpleItemDescription Name="State" Type="xs:boolean"/>
  </tt:Data></tt:MessageDescription></MotionAlarm>
  <ImageTooDark wstop:topic="false"><ImagingService wstop:topic="true"/></ImageTooDark>
</tns1:VideoSource>
<tns1:Device wstop:topic="false"><HardwareFailure wstop:topic="false">
  <tnshik:HardDiskFull wstop:topic="true"/>
</HardwareFailure><Trigger><DigitalInput wstop:topic="true"/></Trigger></tns1:Device>
<tns1:RuleEngine wstop:topic="false">
  <TamperDetector wstop:topic="false"><Tamper wstop:topic="true"/></TamperDetector>
</tns1:RuleEngine>"""


class Said(NamedTuple):
    """An event of the camera."""

    topic: str
    source: dict[str, str]
    data: dict[str, str]
    operation: str = "Changed"
    at: datetime | None = None  # by its clock; None: now


RULE = {
    "VideoSourceConfigurationToken": "VideoSourceToken",
    "VideoAnalyticsConfigurationToken": "VideoAnalyticsToken",
}
INITIAL = [
    Said("tns1:VideoSource/MotionAlarm", {"Source": "VideoSource_1"}, {"State": "false"}),
    Said(
        "tns1:RuleEngine/CellMotionDetector/Motion",
        RULE | {"Rule": "MyMotionDetectorRule"},
        {"IsMotion": "false"},
    ),
    Said(
        "tns1:RuleEngine/TamperDetector/Tamper",
        RULE | {"Rule": "MyTamperDetectorRule"},
        {"IsTamper": "false"},
    ),
    Said(
        "tns1:VideoSource/ImageTooDark/ImagingService",
        {"Source": "VideoSourceToken"},
        {"State": "false"},
    ),
    Said(
        "tns1:RuleEngine/LineDetector/Crossed",
        RULE | {"Rule": "MyLineDetectorRule"},
        {"ObjectId": "0"},
    ),
    Said("tns1:Device/Trigger/DigitalInput", {"InputToken": "0"}, {"LogicalState": "false"}),
    Said("tns1:Monitoring/OperatingTime/LastReboot", {}, {"Status": "2025-04-17T15:31:49Z"}),
]
"""How it is when somebody subscribes."""


class _Point:
    def __init__(self, ends: datetime, waiting: list[Said]) -> None:
        self.ends = ends
        self.waiting = waiting


class EventCamera:
    """The camera; a context.

    Parameters
    ----------
    ahead
        Of its clock.
    lifetime
        Of a subscription, whatever is asked for. [s]
    axis
        It names subscriptions by a reference parameter, all at one address.
    hostless
        It leaves its host out of the address of a subscription.
    renews
        It knows Renew.
    extends
        It extends a subscription with each pull.
    limit
        Subscriptions at a time.
    """

    def __init__(
        self, *, ahead: timedelta = timedelta(0), lifetime: float = 60.0, axis: bool = False,
        hostless: bool = False, renews: bool = True, extends: bool = False, limit: int = 2,
        account: tuple[str, str] = ("admin", "p@ss:w/d"),
    ) -> None:  # fmt: skip
        self.ahead, self.lifetime, self.limit = ahead, timedelta(seconds=lifetime), limit
        self.axis, self.hostless, self.renews, self.extends = axis, hostless, renews, extends
        self.account = account
        self.points: dict[str, _Point] = {}
        self.violations: list[str] = []
        self.asked: list[str] = []
        self.instead: bytes | None = None
        """Whole answer to PullMessages and Renew, in place of a right one."""
        self.hangs = threading.Event()
        self._state = {each.topic: each._replace(operation="Initialized") for each in INITIAL}
        self._change = threading.Condition()
        self._closing = threading.Event()
        self._nonces: set[str] = set()
        self._next = 0
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code, answer = camera._answer(self.path, self.headers["Content-Type"], body)
                self.send_response(code)
                self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

            def handle(self) -> None:
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):  # who hung up waits no more
                    self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with self._change:
            self._change.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def say(self, said: Said) -> None:
        """Tell all subscribers of an event."""
        with self._change:
            if said.operation == "Changed" and "ObjectId" not in said.data:
                self._state[said.topic] = said._replace(operation="Initialized")
            for point in self.points.values():
                point.waiting.append(said)
            self._change.notify_all()

    def forget(self) -> None:
        """Lose all subscriptions, as when it restarts."""
        with self._change:
            self.points.clear()
            self._change.notify_all()

    def await_asked(self, operation: str, times: int, patience: float = 10.0) -> None:
        with self._change:
            done = self._change.wait_for(
                lambda: self.asked.count(operation) >= times, timeout=patience
            )
        assert done, self.asked

    # what it answers

    def _answer(self, path: str, kind: str, body: bytes) -> tuple[int, bytes]:
        envelope = ET.fromstring(body)  # noqa: S314  # of our own client
        operation = envelope.find(f"{SOAP}Body/*")
        assert operation is not None
        name = operation.tag.rpartition("}")[2]
        with self._change:
            self.asked.append(name)
            self._change.notify_all()
        if self.hangs.is_set():
            self._closing.wait(20)
        if name == "GetSystemDateAndTime":
            return _told(_date(self.now()))
        if not self._knows(envelope):
            return _fault("ter:NotAuthorized", "Sender not authorized")
        if name == "GetCapabilities":
            address = "http://10.0.0.9/onvif/Events"  # where it believes to be
            return _told(
                "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Events>"
                f"<tt:XAddr>{address}</tt:XAddr></tt:Events></tds:Capabilities>"
                "</tds:GetCapabilitiesResponse>"
            )
        if wrong := self._wrong(path, kind, envelope, operation):
            self.violations.append(wrong)
            return _fault("ter:InvalidArgs", wrong)
        return self._events(name, path, envelope, operation)

    def _events(  # noqa: PLR0911  # an answer for each operation
        self, name: str, path: str, envelope: ET.Element, operation: ET.Element
    ) -> tuple[int, bytes]:
        if name == "GetEventProperties":
            return _told(
                "<tev:GetEventPropertiesResponse><wsnt:FixedTopicSet>true</wsnt:FixedTopicSet>"
                f"<wstop:TopicSet>{TOPICS}</wstop:TopicSet></tev:GetEventPropertiesResponse>"
            )
        with self._change:
            self.points = {k: p for k, p in self.points.items() if p.ends > self.now()}
            if name == "CreatePullPointSubscription":
                return self._create()
            id_ = self._named(path, envelope)
            point = self.points.get(id_)
            if point is None:
                return _fault("wsrf-r:ResourceUnknownFault", "The resource is unknown")
            if name == "Unsubscribe":
                del self.points[id_]
                return _told("<wsnt:UnsubscribeResponse/>")
            if self.instead is not None:
                return 200, self.instead
            if name == "Renew":
                return self._renew(point)
            return self._pull(id_, point, operation)

    def _create(self) -> tuple[int, bytes]:
        if len(self.points) >= self.limit:
            return _fault("wsnt:SubscribeCreationFailedFault", "Too many pull points")
        self._next += 1
        id_ = str(self._next)
        self.points[id_] = _Point(self.now() + self.lifetime, list(self._state.values()))
        parameters = ""
        if self.axis:
            named = f'<dom0:SubscriptionId xmlns:dom0="{AXIS[1:-1]}">{id_}</dom0:SubscriptionId>'
            parameters = f"<wsa:ReferenceParameters>{named}</wsa:ReferenceParameters>"
        return _told(
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
            f"<wsa:Address>{self._address(id_)}</wsa:Address>{parameters}"
            f"</tev:SubscriptionReference>{self._times('wsnt', self.points[id_])}"
            "</tev:CreatePullPointSubscriptionResponse>"
        )

    def _renew(self, point: _Point) -> tuple[int, bytes]:
        if not self.renews:
            return _fault("ter:ActionNotSupported", "Optional Action Not Implemented")
        point.ends = self.now() + self.lifetime
        return _told(f"<wsnt:RenewResponse>{self._times('wsnt', point)}</wsnt:RenewResponse>")

    def _pull(self, id_: str, point: _Point, operation: ET.Element) -> tuple[int, bytes]:
        seconds = float(operation.findtext(f"{TEV}Timeout", "")[2:-1])
        self._change.wait_for(
            lambda: point.waiting or id_ not in self.points or self._closing.is_set(), seconds
        )
        limit = int(operation.findtext(f"{TEV}MessageLimit", ""))
        told, point.waiting = point.waiting[:limit], point.waiting[limit:]
        if self.extends:
            point.ends = self.now() + self.lifetime
        return _told(
            f"<tev:PullMessagesResponse>{self._times('tev', point)}"
            f"{''.join(map(self._message, told))}</tev:PullMessagesResponse>"
        )

    def _message(self, said: Said) -> str:
        parts = "".join(
            f"<tt:{part}>"
            + "".join(f'<tt:SimpleItem Name="{n}" Value="{v}"/>' for n, v in items.items())
            + f"</tt:{part}>"
            for part, items in (("Source", said.source), ("Data", said.data))
        )
        at = (said.at or self.now()).isoformat().replace("+00:00", "Z")
        dialect = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
        return (
            f'<wsnt:NotificationMessage><wsnt:Topic Dialect="{dialect}">{said.topic}</wsnt:Topic>'
            f'<wsnt:Message><tt:Message UtcTime="{at}" PropertyOperation="{said.operation}">'
            f"{parts}</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )

    def _address(self, id_: str) -> str:
        if self.axis:
            return "http://10.0.0.9/onvif/services"
        host = "" if self.hostless else "10.0.0.9"
        return f"http://{host}/onvif/Events/PullSubManager_{id_}"

    def _times(self, space: str, point: _Point) -> str:
        return "".join(
            f"<{space}:{name}>{at.isoformat().replace('+00:00', 'Z')}</{space}:{name}>"
            for name, at in (("CurrentTime", self.now()), ("TerminationTime", point.ends))
        )

    # what it wants

    def _named(self, path: str, envelope: ET.Element) -> str:
        if self.axis:
            return envelope.findtext(f"{SOAP}Header/{AXIS}SubscriptionId", "")
        return path.rpartition("_")[2]

    def _knows(self, envelope: ET.Element) -> bool:
        fields: dict[str, Any] = {e.tag.rpartition("}")[2]: e.text or "" for e in envelope.iter()}
        if "Nonce" not in fields or fields["Nonce"] in self._nonces:
            return False
        self._nonces.add(fields["Nonce"])
        created = fields["Created"]
        whole = base64.b64decode(fields["Nonce"]) + (created + self.account[1]).encode()
        digest = base64.b64encode(hashlib.sha1(whole).digest()).decode()  # noqa: S324
        fresh = abs(datetime.fromisoformat(created) - self.now()) < timedelta(minutes=5)
        return (fields["Username"], fields["Password"], fresh) == (self.account[0], digest, True)

    def _wrong(  # noqa: PLR0911  # each rule by itself
        self, path: str, kind: str, envelope: ET.Element, operation: ET.Element
    ) -> str:
        """Say in what a request differs from what the WSDL wants; nothing if it does not."""
        if not kind.startswith("application/soap+xml"):
            return f"{kind} is not SOAP 1.2"
        if operation.tag not in OPERATIONS:
            return f"{operation.tag} is unknown"
        action, wanted = OPERATIONS[operation.tag]
        header = envelope.find(f"{SOAP}Header")
        assert header is not None
        texts = {each.tag: each.text or "" for each in header}
        if texts.get(f"{WSA}Action") != action:
            return f"action {texts.get(f'{WSA}Action')}, not {action}"
        if not re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", texts.get(f"{WSA}MessageID", "")):
            return "no MessageID"
        if wrong := self._wrong_address(path, texts.get(f"{WSA}To", ""), header, operation):
            return wrong
        if [child.tag for child in operation] != [tag for tag, _ in wanted]:
            return f"{operation.tag} has {[child.tag for child in operation]}"
        for child, (tag, pattern) in zip(operation, wanted, strict=True):
            if not re.fullmatch(pattern, child.text or ""):
                return f"{tag} is {child.text!r}"
        return ""

    def _wrong_address(self, path: str, to: str, header: ET.Element, operation: ET.Element) -> str:
        if operation.tag in {f"{TEV}GetEventProperties", f"{TEV}CreatePullPointSubscription"}:
            return "" if to == f"http://127.0.0.1:{self.port}/onvif/Events" else f"to {to}"
        address = self._address(path.rpartition("_")[2])
        expected = f"http://127.0.0.1:{self.port}{path}" if self.hostless else address
        if to != expected or path != urlsplit(address).path:
            return f"to {to} at {path}, not {expected}"
        named = header.find(f"{AXIS}SubscriptionId")
        if self.axis and (named is None or named.get(f"{WSA}IsReferenceParameter") != "true"):
            return "no reference parameter"
        return ""


def envelope(body: str) -> bytes:
    """An answer with a body."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><env:Envelope {NAMESPACES}>'
        f"<env:Body>{body}</env:Body></env:Envelope>"
    ).encode()


def _told(body: str) -> tuple[int, bytes]:
    return 200, envelope(body)


def _fault(subcode: str, reason: str) -> tuple[int, bytes]:
    return 400, envelope(
        "<env:Fault><env:Code><env:Value>env:Sender</env:Value><env:Subcode>"
        f"<env:Value>{subcode}</env:Value></env:Subcode></env:Code>"
        f'<env:Reason><env:Text xml:lang="en">{reason}</env:Text></env:Reason></env:Fault>'
    )


def _date(now: datetime) -> str:
    parts = {"Hour": now.hour, "Minute": now.minute, "Second": now.second}
    clock = "".join(f"<tt:{k}>{v}</tt:{k}>" for k, v in parts.items())
    parts = {"Year": now.year, "Month": now.month, "Day": now.day}
    day = "".join(f"<tt:{k}>{v}</tt:{k}>" for k, v in parts.items())
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime>"
        f"<tt:Time>{clock}</tt:Time><tt:Date>{day}</tt:Date></tt:UTCDateTime>"
        "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )
