"""An incident goes on while its camera's process does, whatever else that says."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from contracts.batch import decode
from contracts.clock import utc_now
from contracts.events import CAMERA_DARK, OVER
from contracts.incidents import Detail, to_text
from edge.agent import Agent
from edge.config import read_config
from edge.wire import Detecting, Happened, Opened, Resized, Seen


def begun(now: int) -> Seen:
    name = uuid4()
    detail = Detail(incident=name, phase="begins", began=now, why=[], tracks=[], at=None)
    one = Happened(name, CAMERA_DARK, "begins", now, "camera", 0, 0, 10.0, 1.0, to_text(detail))
    return Seen(captured=now, processing=0.01, dropped=0, incidents=[one])


def told(agent: Agent) -> list[str]:
    """Kinds of incidents that were kept so far."""
    agent._batcher.flush()
    kinds = []
    for waiting in agent._outbox.waiting(100, newest=False):
        payload = agent._outbox.payload(waiting)
        assert payload is not None
        batch = decode(payload)
        if "kind" in batch.columns:
            kinds += [batch.names[k] for k in batch.columns["kind"]]
    return [kind for kind in kinds if kind.startswith(CAMERA_DARK)]


@pytest.mark.parametrize("anew", [Opened(64, 48, 10.0), Resized(32, 24)])
def test_a_change_of_the_detector_ends_no_incident_and_vision_that_begins_anew_does(
    tmp_path: Path, anew: Opened | Resized
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("device: town/cam\nuplink:\n  url: mqtt://127.0.0.1:1\n")
    agent = Agent(read_config(file, environment={}), clock=utc_now, boot=UUID(int=1))
    agent._see(Opened(64, 48, 10.0))
    agent._see(begun(utc_now()))
    agent._see(Detecting(utc_now(), "YOLOX", "0" * 64, 2, "", 5.0))
    assert told(agent) == [CAMERA_DARK]
    agent._see(anew)
    assert told(agent) == [CAMERA_DARK, CAMERA_DARK + OVER]
    agent._batcher.close()
    agent._outbox.close()
