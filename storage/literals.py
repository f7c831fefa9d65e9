"""Many numbers as one parameter: the driver looks at each element of a list, this does not."""

from collections.abc import Sequence


def array(values: Sequence[float | bool]) -> str:
    """Write numbers or truth values as PostgreSQL reads an array; the query casts it.

    >>> array([1, 2]), array([0.1, 1e300]), array([True]), array([])
    ('{1, 2}', '{0.1, 1e+300}', '{True}', '{}')
    """
    return f"{{{str(list(values))[1:-1]}}}"
