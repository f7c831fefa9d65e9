"""What Tepna makes of the events of ONVIF cameras: a table."""

from typing import Final, NamedTuple

from contracts.events import (
    CAMERA_COVERED,
    CAMERA_DARK,
    CAMERA_INSIDE,
    CAMERA_LINE,
    CAMERA_MOTION,
    CAMERA_MOVED,
)
from contracts.metrics import CAMERA_INPUT


class Meaning(NamedTuple):
    """What is told where a topic comes."""

    kind: str  # of contracts.events; or beginning of a metric's name
    state: str = ""  # name of the boolean that says whether it goes on; empty: it only happens

    @property
    def is_metric(self) -> bool:
        """Whether its state is told as a scalar."""
        return self.kind == CAMERA_INPUT


MEANINGS: Final = {
    # the picture (ONVIF Imaging Service Specification, events; tampering is covering it)
    "VideoSource/ImageTooDark": Meaning(CAMERA_DARK, "State"),
    "VideoSource/ImageTooBlurry": Meaning(CAMERA_COVERED, "State"),
    "VideoSource/GlobalSceneChange": Meaning(CAMERA_MOVED, "State"),
    "RuleEngine/TamperDetector/Tamper": Meaning(CAMERA_COVERED, "IsTamper"),
    # what moves in it (ONVIF Analytics Service Specification, annex A)
    "VideoSource/MotionAlarm": Meaning(CAMERA_MOTION, "State"),
    "RuleEngine/CellMotionDetector/Motion": Meaning(CAMERA_MOTION, "IsMotion"),
    "RuleEngine/MotionRegionDetector/Motion": Meaning(CAMERA_MOTION, "State"),
    "RuleEngine/FieldDetector/ObjectsInside": Meaning(CAMERA_INSIDE, "IsInside"),
    "RuleEngine/LineDetector/Crossed": Meaning(CAMERA_LINE),
    # its inputs (ONVIF Device IO Service Specification, events)
    "Device/Trigger/DigitalInput": Meaning(CAMERA_INPUT, "LogicalState"),
}
"""By topic, without prefixes."""


def meaning(topic: str) -> Meaning | None:
    """Give what a topic means; None where nobody knows.

    Which of its services lets the device tell it, the last part of some, makes no difference.

    >>> meaning("VideoSource/ImageTooDark/ImagingService").kind
    'camera.dark'
    """
    return MEANINGS.get(topic) or MEANINGS.get(topic.rpartition("/")[0])
