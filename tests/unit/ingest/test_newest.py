"""The newest sample of each series, found at once, is the one that a walk over them finds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.newest import newest

row = st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans(), st.integers(0, 5))
batches = st.lists(st.lists(row, min_size=1, max_size=8), min_size=1, max_size=5)


@given(batches)
def test_it_is_the_last_of_those_captured_last(batches: list[list[tuple[int, ...]]]) -> None:
    rows = [(*row, received) for received, batch in enumerate(batches) for row in batch]
    device, metric, simulated, captured, received = map(np.array, zip(*rows, strict=True))
    columns = {
        "device": device,
        "metric": metric,
        "simulated": simulated,
        "captured": captured,
        "value": np.arange(len(rows), dtype=float),
        "quality": received.astype(np.uint8),
    }
    order = np.lexsort((captured, metric, device))
    found = newest(columns, order, [len(batch) for batch in batches], range(len(batches)))

    wanted: dict[tuple[int, ...], tuple[int, ...]] = {}
    for place, (*series, at, came) in enumerate(rows):
        if at >= wanted.get(tuple(series), (-1,))[0]:
            wanted[tuple(series)] = (at, came, place, came)
    parts = (found.captured, found.received, found.value, found.quality)
    names = (found.device, found.metric, found.simulated)
    got = {
        tuple(x.item() for x in key): tuple(int(x) for x in value)
        for key, value in zip(zip(*names, strict=True), zip(*parts, strict=True), strict=True)
    }
    assert got == wanted
    assert len(found.device) == len(wanted)
