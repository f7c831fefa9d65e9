import numpy as np

from edge.vision.motion import blobs
from edge.vision.parting import Claims, part

SCALE = 2.0


def moving(*boxes):
    mask = np.zeros((180, 320), np.uint8)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = 255
    return blobs(mask, SCALE)


def claims(*boxes, growing=False):
    n = len(boxes)
    return Claims(SCALE * np.array(boxes, float).reshape(n, 4), np.arange(n), np.full(n, growing))


def working(detections):
    return (detections.boxes / SCALE).round().astype(int).tolist()


def test_what_nobody_claims_is_new():
    found, claim = part(moving((50, 50, 80, 100)), claims())
    assert working(found) == [[50, 50, 80, 100]]
    assert claim.tolist() == found.owner.tolist() == [-1]
    assert found.alone.all()


def test_near_pieces_of_something_new_are_one():
    found, _ = part(moving((50, 50, 80, 74), (50, 77, 80, 100)), claims())
    assert working(found) == [[50, 50, 80, 100]]


def test_two_beside_each_other_are_two():
    found, _ = part(moving((50, 50, 70, 100), (80, 50, 100, 100)), claims())
    assert len(found.boxes) == 2


def test_pieces_under_one_claim_are_put_together():
    found, _ = part(moving((50, 50, 80, 70), (52, 78, 80, 100)), claims((50, 50, 80, 100)))
    assert working(found) == [[50, 50, 80, 100]]
    assert found.owner.tolist() == [0]


def test_a_merged_region_is_parted_and_the_common_edge_not_seen():
    merged = moving((50, 50, 110, 100))
    found, _ = part(merged, claims((50, 50, 80, 100), (80, 50, 110, 100)))
    assert working(found) == [[50, 50, 80, 100], [80, 50, 110, 100]]
    assert found.owner.tolist() == [0, 1]
    assert found.seen.tolist() == [[True, True, False, True], [False, True, True, True]]
    assert not found.alone.any()


def test_who_is_not_in_the_merged_region_gets_no_part():
    found, _ = part(moving((50, 50, 80, 100)), claims((50, 50, 80, 100), (90, 50, 120, 100)))
    assert found.owner.tolist() == [0]
    assert found.alone.tolist() == [True]


def test_somebody_new_beside_a_claim_is_left_over():
    found, claim = part(moving((50, 50, 120, 100)), claims((50, 50, 80, 100)))
    assert sorted(claim.tolist()) == [-1, 0]
    new = found.pick(claim < 0)
    assert new.boxes[0, 0] / SCALE > 80
    assert not new.alone.any()


def test_who_still_enters_may_swell():
    found, claim = part(moving((50, 50, 120, 100)), claims((50, 50, 80, 100), growing=True))
    assert working(found) == [[50, 50, 120, 100]]
    assert claim.tolist() == [0]


def test_a_far_piece_under_a_claim_is_given_back():
    # a lorry's box has slid over the car behind it: the car must not lift the lorry's roof
    found, claim = part(moving((50, 20, 70, 35), (50, 100, 110, 160)), claims((48, 20, 112, 160)))
    mine = found.pick(claim == 0)
    assert working(mine) == [[50, 100, 110, 160]]


def test_nothing_moves():
    found, claim = part(moving(), claims((50, 50, 80, 100)))
    assert len(found.boxes) == len(claim) == 0
