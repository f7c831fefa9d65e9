import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from edge.vision.groups import groups

PAIRS = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30)


@given(PAIRS)
def test_they_are_the_connected_parts_of_the_graph(pairs):
    row, column = np.array(pairs, int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), (row, column)), shape=(20, 20))
    _, expected = connected_components(graph, directed=False)
    found = groups(20, pairs)
    assert (found[:, None] == found).tolist() == (expected[:, None] == expected).tolist()
    assert np.unique(found, return_index=True)[1].tolist() == sorted(
        np.unique(found, return_index=True)[1].tolist()
    )


def test_nothing_has_no_group():
    assert len(groups(0, [])) == 0
