"""The console's HTML templates."""

from typing import Any, Final

import jinja2

_templates: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("api.console"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **context: Any) -> str:
    """Text of a template."""
    return _templates.get_template(f"{template}.html").render(**context)
