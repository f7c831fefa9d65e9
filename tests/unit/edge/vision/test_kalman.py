import numpy as np

from edge.vision.kalman import predict, start, to_boxes, update

EVERY = np.ones((1, 4), bool)


def followed(boxes, seconds, seen=EVERY):
    state = start(boxes[:1])
    for box in boxes[1:]:
        state = update(predict(state, seconds), box[None], seen)
    return state


def test_constant_velocity_is_learnt():
    t = np.arange(30)[:, None] * 0.1
    boxes = np.array([[100.0, 50.0, 140.0, 130.0]]) + t * np.array([[60.0, -20.0, 60.0, -20.0]])
    state = followed(boxes, 0.1)
    assert np.allclose(state.mean[0, :, 2], [60, -20], atol=2)
    assert np.allclose(to_boxes(predict(state, 1.0).mean), boxes[-1] + [60, -20, 60, -20], atol=4)


def test_the_frame_rate_makes_no_difference_to_the_way():
    state = followed(np.array([[0.0, 0, 40, 80], [4, 0, 44, 80], [8, 0, 48, 80]]), 0.1)
    once = predict(state, 0.6)
    often = state
    for _ in range(6):
        often = predict(often, 0.1)
    assert np.allclose(once.mean, often.mean)
    assert np.allclose(once.cov, often.cov)


def test_one_seen_edge_moves_the_box_and_keeps_its_size():
    standing = np.repeat([[100.0, 50.0, 140.0, 130.0]], 30, axis=0)
    state = followed(standing, 0.1)
    moved = np.array([[110.0, 0.0, 0.0, 0.0]])  # only the left edge counts
    for _ in range(20):
        state = update(predict(state, 0.1), moved, np.array([[True, False, False, False]]))
    box = to_boxes(state.mean)[0]
    assert np.allclose(box, [110, 50, 150, 130], atol=4)


def test_unseen_boxes_are_not_changed():
    state = predict(start(np.array([[0.0, 0.0, 10.0, 20.0]])), 0.1)
    after = update(state, np.array([[99.0, 99.0, 99.0, 99.0]]), ~EVERY)
    assert np.array_equal(after.mean, state.mean)
    assert np.array_equal(after.cov, state.cov)


def test_covariances_stay_symmetric_and_positive():
    rng = np.random.default_rng(1)
    state = start(np.repeat([[10.0, 10.0, 50.0, 90.0]], 5, axis=0))
    for _ in range(50):
        boxes = to_boxes(state.mean) + rng.normal(0, 3, (5, 4))
        state = update(predict(state, 0.05), boxes, rng.random((5, 4)) < 0.7)
    assert np.allclose(state.cov, state.cov.swapaxes(2, 3))
    assert np.linalg.eigvalsh(state.cov).min() > 0


def test_a_hidden_edge_does_not_run_away():
    t = np.arange(10)[:, None] * 0.1
    grown = np.array([[0.0, 0, 40, 40]]) + t * np.array([[0.0, 0.0, 100.0, 0.0]])
    state = predict(followed(grown, 0.1), 0.1)
    width = state.mean[0, 0, 1]
    for _ in range(20):
        box = to_boxes(state.mean)
        state = predict(update(state, box, np.array([[True, True, False, True]])), 0.1)
    assert np.isclose(state.mean[0, 0, 1], width)
