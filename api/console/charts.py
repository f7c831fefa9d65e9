"""The charts, as ECharts options."""

from math import ceil
from typing import Any, Final

from api.console.figures import BIN, GROUPS, Minute, Speeds, line_flows, minutes, speeds
from api.console.overview import Overview
from api.console.words import DASH, Words

Options = dict[str, Any]

# The colours of console.css.
INK: Final = "#d6dde4"
SOFT: Final = "#9aa7b4"
GRID: Final = "#2b343d"
PANEL: Final = "#1a2027"
COLOURS: Final = {"vehicles": "#7fa6cf", "cyclists": "#4fc1a0", "pedestrians": "#c7a2ea"}
LIMIT: Final = "#f0b44c"
AGAINST: Final = "#6b7885"
HATCH: Final = {
    "symbol": "rect",
    "color": "rgba(154,167,180,.28)",
    "dashArrayX": [1, 0],
    "dashArrayY": [2, 5],
    "rotation": -0.785,
}
TEXT: Final = {"color": SOFT, "fontSize": 11, "fontFamily": "inherit"}
LEGEND: Final = {
    "top": 0,
    "left": 0,
    "itemWidth": 9,
    "itemHeight": 9,
    "itemGap": 7,
    "textStyle": TEXT,
}
TOOLTIP: Final = {
    "backgroundColor": "#10151a",
    "borderColor": GRID,
    "textStyle": {"color": INK, "fontSize": 12},
}


def flow_chart(overview: Overview, words: Words) -> Options:
    """Passages by minute and group; missing and insufficient minutes are hatched, zero is zero."""
    bars = minutes(overview)
    series = [_group_series(group, bars, words) for group in GROUPS]
    top = max((sum(bar.counts.values()) for bar in bars), default=0) or 1
    for state in ("missing", "insufficient"):
        marks = [top if bar.state == state else None for bar in bars]
        if any(marks):
            series.append(_mark_series(state, marks, words))
    return {
        "animation": False,
        "grid": {"left": 34, "right": 8, "top": 30, "bottom": 22},
        "legend": LEGEND,
        "tooltip": TOOLTIP | {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "xAxis": {
            "type": "category",
            "data": [words.time(bar.start)[:-3] for bar in bars],
            "axisLabel": TEXT | {"interval": 4},
            "axisLine": {"lineStyle": {"color": GRID}},
            "axisTick": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "minInterval": 1,
            "axisLabel": TEXT,
            "splitLine": {"lineStyle": {"color": GRID}},
        },
        "series": series,
    }


def line_chart(overview: Overview, words: Words) -> Options:
    """Flow of each line and direction; a line that was not measured says so."""
    lines = overview.site.lines[::-1]  # ECharts counts categories from below
    flows = line_flows(overview)
    return {
        "animation": False,
        "grid": {"left": 2, "right": 38, "top": 30, "bottom": 2, "containLabel": True},
        "legend": LEGEND | {"data": [words("flow.in"), words("flow.out")]},
        "xAxis": {"type": "value", "show": False, "min": 0},
        "yAxis": {
            "type": "category",
            "data": [words.of(line.name.cs, line.name.en) for line in lines],
            "axisLabel": TEXT | {"width": 104, "overflow": "truncate", "interval": 0},
            "axisLine": {"show": False},
            "axisTick": {"show": False},
        },
        "tooltip": TOOLTIP | {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "series": [
            {
                "type": "bar",
                "name": words(f"flow.{name}"),
                "color": colour,
                "barMaxWidth": 12,
                "barGap": "10%",
                "barCategoryGap": "35%",
                "label": {"show": True, "position": "right", "color": INK, "fontSize": 10},
                "data": [_line_bar(flows[line.id, direction], words) for line in lines],
            }
            # Bars of one category are drawn from below, too.
            for name, direction, colour in (("out", -1, AGAINST), ("in", 1, COLOURS["vehicles"]))
        ],
    }


def speed_chart(overview: Overview, words: Words) -> Options:
    """Histogram of speeds with the limit and V85."""
    found = speeds(overview)
    limit = overview.site.speed_limit_km_h
    bins = found.bins[: _last_used(found.bins)] or [0] * 12
    top = 10 * ceil(max(len(bins) * BIN, limit + 2 * BIN) / 10)
    bins += [0] * (round(top / BIN) - len(bins))
    return {
        "animation": False,
        "grid": {"left": 34, "right": 10, "top": 24, "bottom": 34},
        "tooltip": TOOLTIP | {"trigger": "item"},
        "xAxis": {
            "type": "value",
            "min": 0,
            "max": top,
            "interval": 10,
            "name": words("speed.axis"),
            "nameLocation": "middle",
            "nameGap": 20,
            "nameTextStyle": TEXT,
            "axisLabel": TEXT,
            "splitLine": {"show": False},
            "axisLine": {"lineStyle": {"color": GRID}},
        },
        "yAxis": {
            "type": "value",
            "minInterval": 1,
            "axisLabel": TEXT,
            "splitLine": {"lineStyle": {"color": GRID}},
        },
        "series": [
            {
                "type": "bar",
                "barWidth": "96%",
                "data": [
                    {
                        "value": [BIN * (index + 0.5), count],
                        "name": f"{BIN * index} {DASH} {BIN * (index + 1)} {words('speed.axis')}",
                        "itemStyle": {
                            "color": LIMIT if BIN * index >= limit else COLOURS["vehicles"]
                        },
                    }
                    for index, count in enumerate(bins)
                ],
                "markLine": {
                    "symbol": "none",
                    "silent": True,
                    "data": _speed_marks(found, limit, words),
                },
            }
        ],
    }


def speed_summary(overview: Overview, words: Words) -> str:
    """One line beside the chart's title."""
    found = speeds(overview)
    if not found.n:
        return words("speed.none")
    parts = [words("speed.count", n=words.number(found.n))]
    if found.within is not None:
        parts.append(words("speed.within", share=words.percent(found.within)))
    return " · ".join(parts)


def _group_series(group: str, bars: list[Minute], words: Words) -> Options:
    def item(bar: Minute) -> Options | None:
        if bar.state == "missing":
            return None
        faint = bar.running or bar.state == "insufficient"
        return {"value": bar.counts[group], "itemStyle": {"opacity": 0.5 if faint else 1}}

    return {
        "name": words(f"flow.{group}"),
        "type": "bar",
        "stack": "count",
        "barCategoryGap": "12%",
        "color": COLOURS[group],
        "data": [item(bar) for bar in bars],
    }


def _mark_series(state: str, data: list[int | None], words: Words) -> Options:
    missing = state == "missing"
    return {
        "name": words(f"flow.{state}"),
        "type": "bar",
        "barGap": "-100%",
        "barCategoryGap": "12%",
        "z": 1,
        "color": "rgba(154,167,180,.10)" if missing else "rgba(240,180,76,.12)",
        "itemStyle": {"decal": HATCH} if missing else {},
        "tooltip": {"show": False},
        "data": data,
    }


def _line_bar(per_hour: float | None, words: Words) -> Options:
    """Bar with its number; none, and the dash, where nobody looked."""
    return {
        "value": None if per_hour is None else round(per_hour),
        "label": {"formatter": words.number(per_hour)},
    }


def _speed_marks(found: Speeds, limit: float, words: Words) -> list[Options]:
    def mark(at: float, text: str, colour: str, line: str, side: str) -> Options:
        label = {
            "formatter": text,
            "color": colour,
            "fontSize": 11,
            "distance": 4,
            "align": side,
            "padding": [0, 4],
        }
        return {"xAxis": at, "lineStyle": {"color": colour, "type": line}, "label": label}

    # Each label stands on the outer side of its line, so that the two never touch.
    v85 = found.v85
    fast = v85 is not None and v85 > limit
    text = words("speed.limit", value=words.number(limit))
    marks = [mark(limit, text, LIMIT, "solid", "right" if fast else "left")]
    if v85 is not None:
        text = words("speed.v85", value=words.number(v85, 1))
        marks.append(mark(v85, text, INK, "dashed", "left" if fast else "right"))
    return marks


def _last_used(bins: list[int]) -> int:
    return max((index + 1 for index, count in enumerate(bins) if count), default=0)
