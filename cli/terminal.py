"""The console of every command: whatever is printed is text, never markup, and nothing in it acts on the terminal.

What is printed comes from other people: names, tags, paths, the provider's words. So a ``str`` is shown as it is
written, ``[bold]`` and ``:smile:`` too, and colours are said with ``Text`` and styles of our own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from common.terminal import visible


class Terminal(Console):
    """A console without markup."""

    def render_str(self, text: str, *, style: Any = "", justify: Any = None, overflow: Any = None, **_: Any) -> Text:
        """A string as it is written; rich calls this for each one, in a table's cells too."""
        return Text(visible(text), style=style, justify=justify, overflow=overflow)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, with escapes for what hides in a ``Text`` that was made elsewhere."""
        return super().render(self._shown(renderable) if isinstance(renderable, Text) else renderable, options)

    def _shown(self, text: Text) -> Text:
        if visible(text.plain) is text.plain:
            return text
        parts = [(visible(part.text), part.style or "") for part in text.render(self)]
        return Text.assemble(*parts, justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap, end=text.end)
