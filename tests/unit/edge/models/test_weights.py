import hashlib
import io
import subprocess

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edge.errors import DetectorError
from edge.models.file import checksum
from edge.models.weights import _locations, weights
from edge.vision.detector import Detector

HEAD = "YOLOX"


@pytest.fixture
def split(make_model):
    """Write a detector of two files."""
    path = make_model(HEAD)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="red.onnx.data")
    return path


def elsewhere(path, location):
    """Have a model look for its weights at another place."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())


def test_a_model_of_one_file_has_the_checksum_of_that_file(make_model):
    path = make_model(HEAD)
    assert weights(path) == []
    assert checksum(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_checksum_covers_the_weights_as_the_documentation_says(split):
    beside = split.with_name("red.onnx.data")
    assert weights(split) == [beside]
    before = checksum(split)
    said = "sha256sum red.onnx red.onnx.data | cut -c-64 | sha256sum"
    told = subprocess.check_output(["/bin/sh", "-c", said], cwd=split.parent, text=True)  # noqa: S603
    assert told.split()[0] == before == Detector(split, sha256=before).sha256
    beside.write_bytes(b"\1" + beside.read_bytes()[1:])
    with pytest.raises(DetectorError, match=r"^camera\.detector_sha256 is .* has [0-9a-f]{64};"):
        Detector(split, sha256=before)


def test_weights_that_are_not_there_are_named(split):
    split.with_name("red.onnx.data").unlink()
    with pytest.raises(DetectorError, match=r"red\.onnx': its weights '.*\.data': No such file"):
        checksum(split)


@pytest.mark.parametrize("location", ["../weights", "{}", "link", "", "red.onnx.data\0x", "."])
def test_weights_that_leave_the_folder_are_refused(split, tmp_path_factory, location):
    outside = tmp_path_factory.mktemp("outside") / "weights"
    outside.write_bytes(split.with_name("red.onnx.data").read_bytes())
    (split.parent / "link").symlink_to(outside)
    (split.parent.parent / "weights").write_bytes(outside.read_bytes())
    elsewhere(split, location.format(outside))
    with pytest.raises(DetectorError, match="are no file of its folder; export the model into one"):
        checksum(split)


def test_weights_may_stand_beside_what_a_link_leads_to(split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("links")
    for file in (split, split.with_name("red.onnx.data")):
        (folder / file.name).symlink_to(file)
    assert checksum(folder / split.name) == checksum(split)
    assert Detector(folder / split.name).head.name == HEAD


def external(location):
    tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(value=location, key="location")
    tensor.external_data.add(key="offset", value="0")
    return tensor


def test_they_are_found_wherever_a_model_has_tensors():
    def graph(name, nodes=()):
        return helper.make_graph(list(nodes), "g", [], [], [external(name)])

    node = helper.make_node(
        "If", ["x"], ["y"], then_branch=graph("branch"), many=[graph("g1"), graph("g2")],
        value=external("attribute"), values=[external("a1"), external("a2")],
    )  # fmt: skip
    model = helper.make_model(
        graph("main", [node]),
        functions=[helper.make_function("d", "f", [], [], [node], [])],
    )
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(external("sparse"))
    model.training_info.add().algorithm.CopyFrom(graph("training"))
    data = model.SerializeToString()
    assert set(_locations(io.BytesIO(data), len(data))) == {
        "main", "branch", "g1", "g2", "attribute", "a1", "a2", "sparse", "training",
    }  # fmt: skip


@given(st.binary(max_size=64) | st.binary(max_size=64).map(b"\x3a\x20\x2a\x1e".__add__))
def test_any_bytes_are_read_to_their_end_or_refused(data):
    try:
        found = list(_locations(io.BytesIO(data), len(data)))
    except ValueError:
        return
    assert len(found) <= len(data)
