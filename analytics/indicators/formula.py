"""The language of the formulas: numbers, + - * /, and what is known of merged metrics."""

import ast
import operator
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from simpleeval import InvalidExpression, SimpleEval, safe_add, safe_mult  # type: ignore[import-untyped]

from analytics.kernels.arrays import Floats
from analytics.kernels.traffic import share_below

OPERATORS: Final = {
    ast.Add: safe_add,
    ast.Sub: operator.sub,
    ast.Mult: safe_mult,
    ast.Div: operator.truediv,
}
NODES: Final = (ast.Expr, ast.Constant, ast.Name, ast.Call, ast.BinOp)
LONGEST: Final = 200
"""Characters of a formula."""


class FormulaError(ValueError):
    """A formula asks for something that the language does not have."""


class Merged(NamedTuple):
    """One input of a formula: the parts of its rows, added up."""

    n: int
    total: float
    histogram: list[int]
    edges: Floats | None


def evaluate(formula: str, inputs: Mapping[str, Merged], names: Mapping[str, float]) -> float:
    """Value of a formula.

    ``n("x")``: count of input x. ``total("x")``: its sum. ``below("x", limit)``: how many of x are
    below a limit, interpolated within the bin of the histogram.

    >>> evaluate('n("a") / (n("a") + 1) * scale', {"a": Merged(1, 0.0, [], None)}, {"scale": 10.0})
    5.0

    Raises
    ------
    FormulaError
        If it uses anything else.
    """
    if len(formula) > LONGEST:
        msg = f"{formula[:40]!r}... has more than {LONGEST} characters"
        raise FormulaError(msg)

    def below(name: str, limit: float) -> float:
        merged = inputs[name]
        if merged.edges is None:
            msg = f"{name!r} has no histogram"
            raise FormulaError(msg)
        bins = np.zeros(len(merged.edges) - 1, np.int64)
        bins[: len(merged.histogram)] = merged.histogram
        return float(share_below(bins, limit, merged.edges)) * merged.n if merged.n else 0.0

    evaluator = SimpleEval(
        operators=OPERATORS,
        functions={
            "n": lambda name: inputs[name].n,
            "total": lambda name: inputs[name].total,
            "below": below,
        },
        names=dict(names),
    )
    evaluator.nodes = {k: v for k, v in evaluator.nodes.items() if k in NODES}
    try:
        return float(evaluator.eval(formula))
    except FormulaError:
        raise
    except (
        InvalidExpression,
        SyntaxError,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
    ) as fault:
        msg = f"{formula!r}: {fault}"
        raise FormulaError(msg) from fault
