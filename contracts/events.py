"""Kinds of events: what an agent says happened, beside what it measures."""

from typing import Final

CROSSING: Final = "crossing"
"""A road user passed a count line: `object` is the line, `value` its speed [m/s], NaN unknown."""

DWELL: Final = "dwell"
"""A road user left a zone: `object` is the zone, `value` how long it was there [s]."""

TURN: Final = "turn"
"""A road user went from gate to gate: `object` is "{entry}>{exit}", one of them empty where it was
not seen, `value` how long it took [s], NaN then."""

CAMERA_LOST: Final = "camera.lost"
"""No more frames come."""

CAMERA_BACK: Final = "camera.back"
"""Frames come again: `value` is how long none came [s]."""

CAMERA_FROZEN: Final = "camera.frozen"
"""Frames come, and all of them are the same: `value` is since when [s]."""

DETECTOR_READY: Final = "detector.ready"
"""The detector names road users: `object` is the SHA-256 of its file, `value` for how long it did
not [s], NaN at the start."""

DETECTOR_LOST: Final = "detector.lost"
"""The detector cannot be used; motion alone goes on. `object` is the SHA-256 of its file, or
"unknown"."""

MOTION_LOST: Final = "motion.lost"
"""All of the picture seems to move, so that motion says nothing; a detector goes on alone."""

MOTION_BACK: Final = "motion.back"
"""Motion says something again: `value` is how long it did not [s]."""

CONFIG_APPLIED: Final = "config.applied"
"""The agent's configuration changed: `object` names the tables that did."""

UPDATE_DONE: Final = "update.done"
"""A new version of the agent has proved itself: `object` is the version."""

UPDATE_FAILED: Final = "update.failed"
"""A version is not in force: `object` is the version, and why."""

CONFIG_REFUSED: Final = "config.refused"
"""A new configuration cannot be used, or not before a restart: `object` says why."""

CAMERA_EVENTS: Final = (CAMERA_LOST, CAMERA_BACK, CAMERA_FROZEN)

VIEW_BEGAN: Final = "view.began"
"""Somebody began to look at a live view: `object` is the id of the permit, or "owner"."""

VIEW_ENDED: Final = "view.ended"
"""That view is over: `value` is how much was sent [B]."""

STOPPED_VEHICLE: Final = "stopped-vehicle"
"""A vehicle stands where none should: `object` is the zone. Of all incidents `track` and `cls` are
those of the first road user, `value` is for how long the conditions have held [s], and the reasons
and all tracks are in `detail`."""

WRONG_WAY: Final = "wrong-way"
"""A road user goes against the way: `object` is the line that states the way."""

PEDESTRIAN: Final = "pedestrian-on-carriageway"
"""A pedestrian is on the carriageway: `object` is the zone."""

QUEUE_SPILL_BACK: Final = "queue-spill-back"
"""A queue reaches the upstream end of its zone: `object` is the zone."""

CAMERA_DARK: Final = "camera.dark"
"""The picture shows neither light nor contrast."""

CAMERA_COVERED: Final = "camera.covered"
"""The edges that the picture had are gone or blurred."""

CAMERA_MOVED: Final = "camera.moved"
"""The camera looks elsewhere than it did."""

CAMERA_MOTION: Final = "camera.motion"
"""The camera itself says that something moves: `object` is its rule or source, by its own name."""

CAMERA_INSIDE: Final = "camera.inside"
"""The camera itself says that somebody is within a field of its own: `object` is its rule."""

CAMERA_LINE: Final = "camera.line"
"""The camera itself says that somebody crossed a line of its own: `object` is its rule. It is no
passage: class, direction and speed are not known, and it counts for no flow."""

OVER: Final = ".over"
"""Is appended to the kind of an incident, and of what a camera itself says, for the event that it
is over: `value` is how long it lasted [s]."""

BLINDING: Final = (CAMERA_DARK, CAMERA_COVERED)
"""While one of these lasts, the camera observes nothing."""

INCIDENTS: Final = (
    STOPPED_VEHICLE,
    WRONG_WAY,
    PEDESTRIAN,
    QUEUE_SPILL_BACK,
    CAMERA_DARK,
    CAMERA_COVERED,
    CAMERA_MOVED,
)
"""Incidents that begin and end. Those of a camera may be told by the camera itself, too: `object`
is then the name of its source or rule, where vision has "camera"."""
