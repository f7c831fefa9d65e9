import pytest

from edge.calibration.desk import Desk, Work
from edge.calibration.read import CalibrationError
from edge.config import read_config
from edge.configuration.document import read_document

CONFIG = """\
device: usti-belehradska/cam-1
uplink: {url: mqtt://broker}
camera:
  source: street.avi
  lines:
    - id: out
      a: [0.1, 0.5]
      b: [0.9, 0.5]
      enters: in
    - {id: in, a: [0.1, 0.2], b: [0.9, 0.2]}
  zones:
    - {id: stop, corners: [[0, 0], [0.5, 0], [0.5, 0.5]]}
    - {id: lane, corners: [[0, 0], [0.5, 0], [0.5, 0.5]]}
  masks: [[[0, 0], [0.5, 0], [0.5, 0.5]]]
  incidents: {stopped: [{zone: lane}]}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "cam-1.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def desk(path):
    camera = read_config(path).camera
    return Desk(path, camera, (640, 360), origin=None, plan=None, save=True)


def shapes(desk):
    return desk.begin()["drawn"]


def finish(desk, drawn):
    return desk.finish(Work.model_validate({"drawn": drawn}))


def camera_in(path):
    return read_document(path).table["camera"]


def test_what_is_deleted_on_the_page_is_deleted_in_the_file(desk, path):
    kept = [shape for shape in shapes(desk) if shape["id"] in {"out", "lane"}]
    said = finish(desk, kept)
    camera = camera_in(path)
    assert "is written" in said["said"]
    assert [line["id"] for line in camera["lines"]] == ["out"]
    assert camera["lines"][0]["enters"] == "in"
    assert [zone["id"] for zone in camera["zones"]] == ["lane"]
    assert camera["masks"] == []
    assert "masks: []" in said["block"]


def test_what_the_page_never_had_stays_and_what_it_added_may_go_again(desk, path):
    mine = shapes(desk)
    new = {"kind": "line", "id": "new", "points": [[0, 0], [64, 36]]}
    finish(desk, [*mine, new])
    assert [line["id"] for line in camera_in(path)["lines"]] == ["out", "in", "new"]
    path.write_text(path.read_text().replace("id: in,", "id: by-hand,"))
    finish(desk, mine[:1] + mine[2:])
    assert [line["id"] for line in camera_in(path)["lines"]] == ["out", "by-hand"]


def test_a_zone_that_incidents_name_is_not_deleted(desk, path):
    with pytest.raises(CalibrationError, match=r"no zone 'lane'.*camera\.incidents"):
        finish(desk, [shape for shape in shapes(desk) if shape["id"] != "lane"])
    assert path.read_text() == CONFIG
