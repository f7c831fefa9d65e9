"""The operator's page."""

from typing import Any, Final, Literal

from fastapi import FastAPI
from nicegui import ui

from api.console import charts, plan, rows
from api.console.overview import Overview, Overviews
from api.console.render import render
from api.console.words import Words, choose
from contracts.site import Site
from storage.errors import DatabaseLostError
from storage.overview import SiteRow, list_sites

REFRESH_S: Final = 3.0
SITES: Final = 50
HEAD: Final = """
<script>document.documentElement.lang = "{language}"</script>
<link rel="stylesheet" href="/console/console.css">
"""
Panel = Literal["indicators", "cameras", "incidents", "devices"]


def add_page(app: FastAPI) -> None:
    """Register the page; it reads from the application's database once that is open."""

    @ui.page("/", title="Tepna", response_timeout=10)
    async def console(site: str = "", lang: str = "") -> None:
        words = Words(choose(lang))
        ui.page_title(words("page.title"))
        ui.add_head_html(HEAD.format(language=words.language))
        ui.add_body_html('<script type="module" src="/console/console.js"></script>')
        async with app.state.pool.connection(timeout=5) as connection:
            sites = await list_sites(connection, limit=SITES)
        chosen = next((row for row in sites if _path(row) == site), sites[0] if sites else None)
        if chosen is None:
            empty = {"site_path": "", "site_name": "", "sites": [], "simulated": False}
            _html("header", tag="header", w=words, **empty).classes("bar")
            ui.label(words("page.no_site")).classes("nothing-here")
            return
        overviews: Overviews = app.state.overviews
        page = _Page(chosen, sites, words, await overviews.of(chosen))

        async def refresh() -> None:
            try:
                overview = await overviews.of(chosen)
            except DatabaseLostError:
                page.lose()
            else:
                page.show(overview)

        ui.timer(REFRESH_S, refresh, immediate=False)


class _Page:
    """Elements of one browser's page."""

    def __init__(
        self, row: SiteRow, sites: list[SiteRow], words: Words, overview: Overview
    ) -> None:
        self._words = words
        self._shown: dict[str, str] = {}
        site = overview.site
        _html(
            "header",
            tag="header",
            w=words,
            site_path=_path(row),
            site_name=words.of(site.name.cs, site.name.en),
            sites=[_link(each, words) for each in sites],
            simulated=overview.simulated,
        ).classes("bar")
        self._banner = ui.label(words("page.no_database")).classes("banner").props("role=alert")
        self._panels: dict[Panel, ui.html] = {}
        with ui.element("main").classes("console"):
            with ui.element("div").classes("strip"):
                counted = plan.counted_lines(site)
                _html("live", tag="section", w=words, counted=counted).classes("counters")
                self._panel("indicators").classes("indicators")
            self._plan(site)
            self._panel("cameras").classes("panel")
            self._panel("incidents").classes("panel")
            self._charts()
            self._panel("devices").classes("panel")
        self.show(overview)

    def show(self, overview: Overview) -> None:
        """Bring what changed to the browser."""
        words = self._words
        self._banner.set_visibility(False)
        self._put("indicators", rows.indicator_rows(overview, words))
        self._put("cameras", rows.camera_rows(overview, words))
        self._put("incidents", rows.incident_rows(overview, words))
        self._put(
            "devices", rows.device_rows(overview, words), parts=rows.part_rows(overview, words)
        )
        _draw(self._flow, charts.flow_chart(overview, words))
        _draw(self._lines, charts.line_chart(overview, words))
        _draw(self._speed, charts.speed_chart(overview, words))
        self._speed_hint.set_text(charts.speed_summary(overview, words))
        stamp = words.time(overview.at, date=True)
        subtitle = words("flow.subtitle")
        self._flow_hint.set_text(
            words("page.recorded", time=stamp) if overview.record else subtitle
        )

    def lose(self) -> None:
        """Say that what is shown is old."""
        self._banner.set_visibility(True)

    def _panel(self, name: Panel) -> ui.html:
        self._panels[name] = ui.html("", tag="section", sanitize=False)
        return self._panels[name]

    def _put(self, name: Panel, content: list[rows.Row], **more: list[rows.Row]) -> None:
        text = render(name, w=self._words, **{name: content}, **more)
        # What did not change stays: focus and scroll position live in it.
        if self._shown.get(name) != text:
            self._shown[name] = text
            self._panels[name].set_content(text)

    def _plan(self, site: Site) -> None:
        words = self._words
        _html(
            "plan",
            tag="section",
            w=words,
            view=plan.view(site).box,
            drawing=plan.drawing(site, words),
            configuration=plan.configuration(site, words),
        ).classes("panel")

    def _charts(self) -> None:
        words = self._words
        with _section("flow", words("flow.title")):
            self._flow_hint = _heading(words("flow.title"))
            with ui.element("div").classes("charts"):
                self._flow, self._lines = _chart(), _chart()
        with _section("speed", words("speed.title")):
            self._speed_hint = _heading(words("speed.title"))
            self._speed = _chart()


def _html(template: str, *, tag: str, **context: Any) -> ui.html:
    return ui.html(render(template, **context), tag=tag, sanitize=False)


def _heading(title: str) -> ui.label:
    with ui.element("header"):
        with ui.element("h2"):
            ui.label(title)
        return ui.label().classes("hint")


def _section(name: str, title: str) -> ui.element:
    props = f'role=group aria-label="{title}" data-testid={name}'
    return ui.element("section").classes("panel").props(props)


def _chart() -> ui.echart:
    return ui.echart({}).classes("chart")


def _draw(chart: ui.echart, options: charts.Options) -> None:
    if chart.options != options:
        chart.options.clear()
        chart.options.update(options)
        chart.update()


def _path(row: SiteRow) -> str:
    return f"{row.pilot}/{row.name}"


def _link(row: SiteRow, words: Words) -> dict[str, str]:
    name = row.plan["name"]
    return {"path": _path(row), "name": words.of(name["cs"], name["en"])}
