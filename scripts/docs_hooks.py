"""What mkdocs does with the pages of docs/ (mkdocs.yml, scripts/docs), which are written to be read on GitHub as well.

Pages link to files beside docs/, of which the site has one, CONTRIBUTING.md; of the others the name is left. Lists are
indented by two, and stand below their paragraph without an empty line: Python's Markdown knows neither.
"""

from __future__ import annotations

import posixpath
import re
from functools import partial
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parent.parent
BROUGHT: Final = {"CONTRIBUTING.md": "contributing.md"}
"""Pages of the site from beside docs/."""
_OUTWARDS: Final = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")
_FENCE: Final = re.compile(r"^ *```")
_ITEM: Final = re.compile(r"^( *)(?:[-*]|\d+\.) ")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages from beside docs/."""
    for source, page in BROUGHT.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Return a page as Python's Markdown reads it, with links that stay in the site."""
    folder = posixpath.dirname(page.file.src_uri)
    return with_lists(_OUTWARDS.sub(partial(_link, folder), markdown))


def _link(folder: str, link: re.Match[str]) -> str:
    text, target, _ = link.groups()
    path = posixpath.normpath(posixpath.join("docs", folder, target))
    if path.startswith("docs/"):
        return link[0]
    if path in BROUGHT:
        return f"[{text}]({posixpath.relpath(BROUGHT[path], folder or '.')})"
    return text if path in text else f"{text} (`{path}`)"


def with_lists(markdown: str) -> str:
    """Return the text with an empty line above each list, and with lists in lists indented by four."""
    lines: list[str] = []
    in_fence = in_list = False
    for line in markdown.split("\n"):
        if _FENCE.match(line):
            in_fence = not in_fence
        found = None if in_fence else _ITEM.match(line)
        if found is not None:
            if not in_list and lines and lines[-1].strip():
                lines.append("")
            line = " " * len(found[1]) + line
        if not in_fence:
            in_list = found is not None or (in_list and line.startswith(" "))
        lines.append(line)
    return "\n".join(lines)
