"""Tell whether a text is a unit of measure as UCUM writes it (case-sensitive codes).

Only the spelling is of interest here, nothing is converted. So this is UCUM's grammar and those of
its atoms that streets, air, water, energy and networks are measured in; the libraries that know all
atoms bring a parser generator and a system of quantities along, to every box that imports this.
"""

import re
from typing import Final

PREFIXES: Final = (
    *("Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "d", "c", "m", "u", "n", "p", "f"),
    *("a", "z", "y", "Ki", "Mi", "Gi", "Ti"),
)
_METRIC: Final = (
    "m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar eV"
    " [g] cal m[H2O] m[Hg] eq Np B B[SPL] B[V] B[mV] B[uV] B[W] B[kW] B[mW] bit By Bd"
)
METRIC: Final = frozenset(_METRIC.split())
"""Atoms that take a prefix. `B[mW]` is ours: UCUM has no dBm, which every modem reports."""

_OTHER: Final = (
    "10* 10^ [pi] % [ppth] [ppm] [ppb] gon deg ' '' min h d wk mo a atm [in_i] [ft_i] [yd_i] [mi_i]"
    " [nmi_i] [kn_i] [gal_us] [lb_av] [degF] [HP] [psi] [pH] [CFU]"
)
OTHER: Final = frozenset(_OTHER.split())
"""Atoms that take none."""

SPOKEN: Final = {
    "°C": "Cel", "degC": "Cel", "celsius": "Cel", "°F": "[degF]", "°": "deg", "dBm": "dB[mW]",
    "dBA": "dB[SPL]", "dB(A)": "dB[SPL]", "lux": "lx", "ppm": "[ppm]", "ppb": "[ppb]",
    "pH": "[pH]", "kWh": "kW.h", "Wh": "W.h", "Ah": "A.h", "rpm": "/min", "kph": "km/h",
    "mph": "[mi_i]/h", "sec": "s", "hour": "h", "hours": "h", "minutes": "min", "bytes": "By",
    "bps": "bit/s", "Mbps": "Mbit/s", "count": "1", "none": "1", "": "1", "percent": "%",
}  # fmt: skip
"""What people write, and what it is called here."""

_TOKEN: Final = re.compile(
    r"(?P<annotation>\{[!-z|~]*\})|(?P<operator>[./()])"
    r"|(?P<simple>(?:10[*^]|[^\s{}./()\d+\-\[\]]*(?:\[[^\s\]]*\])?)(?=[\d+\-./(){]|$))"
    r"(?P<exponent>[+-]?[1-9]\d*)?|(?P<factor>[1-9]\d*)"
)


class UnitError(ValueError):
    """It is no UCUM unit; the text says what to write."""


def check(code: str) -> str:
    """Return a unit's code.

    >>> [check(code) for code in ("ug/m3", "dB[SPL]", "{frame}", "10*3/uL", "kg.m-2.s-1", "1")]
    ['ug/m3', 'dB[SPL]', '{frame}', '10*3/uL', 'kg.m-2.s-1', '1']

    Raises
    ------
    UnitError
        If it is none.
    """
    if code in SPOKEN:
        msg = f"{code!r} is no UCUM unit; write {SPOKEN[code]!r}"
        raise UnitError(msg)
    place = _term(code, 0, 0)
    if place != len(code):
        msg = f"{code!r}: {code[place:]!r} at place {place + 1} ends no UCUM unit"
        raise UnitError(msg)
    return code


def is_atom(simple: str) -> bool:
    """Whether this is an atom, or a prefix and an atom that takes one.

    >>> is_atom("min"), is_atom("kW"), is_atom("k%")
    (True, True, False)
    """
    return (
        simple in METRIC
        or simple in OTHER
        or any(simple.startswith(p) and simple[len(p) :] in METRIC for p in PREFIXES)
    )


def _term(code: str, place: int, depth: int) -> int:
    """Walk over components with `.` and `/` between them; return where they end."""
    if code[place : place + 1] == "/":  # per something
        place += 1
    place = _component(code, place, depth)
    while code[place : place + 1] in {".", "/"}:
        place = _component(code, place + 1, depth)
    return place


def _component(code: str, place: int, depth: int) -> int:
    found = _TOKEN.match(code, place)
    if found is None or found.end() == place:
        msg = f"{code!r}: a UCUM unit is wanted at place {place + 1}, as in 'km/h' or '{{car}}/h'"
        raise UnitError(msg)
    if found["operator"] == "(" and depth < 8:  # noqa: PLR2004  # nobody nests deeper
        end = _term(code, place + 1, depth + 1)
        if code[end : end + 1] != ")":
            msg = f"{code!r}: the bracket at place {place + 1} is never closed"
            raise UnitError(msg)
        return end + 1
    if found["operator"]:
        msg = f"{code!r}: {found['operator']!r} at place {place + 1} has no unit after it"
        raise UnitError(msg)
    if found["annotation"]:
        return found.end()
    simple = found["simple"]
    if simple and not is_atom(simple):
        hint = f"; write {SPOKEN[simple]!r}" if simple in SPOKEN else ""
        msg = f"{code!r}: {simple!r} is no unit that UCUM or this table has{hint}"
        raise UnitError(msg)
    annotation = re.compile(r"\{[!-z|~]*\}").match(code, found.end())
    return annotation.end() if annotation else found.end()
