"""Many values as one parameter: the driver looks at each element of a list, this does not."""

from collections.abc import Iterable, Sequence


def array(values: Sequence[float | bool]) -> str:
    """Write numbers or truth values as PostgreSQL reads an array; the query casts it.

    >>> array([1, 2]), array([0.1, 1e300]), array([True]), array([])
    ('{1, 2}', '{0.1, 1e+300}', '{True}', '{}')
    """
    return f"{{{str(list(values))[1:-1]}}}"


def plain(words: Iterable[str]) -> str:
    """Write words that need no quotes, hexadecimal digits for instance, as an array.

    >>> plain(["0a", "ff"])
    '{0a,ff}'
    """
    return f"{{{','.join(words)}}}"


def binary(values: Iterable[bytes]) -> str:
    r"""Write bytes as an array of bytea.

    >>> binary([b"ab"])
    '{"\\\\x6162"}'
    """
    return plain(f'"\\\\x{value.hex()}"' for value in values)
