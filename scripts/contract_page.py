"""The page of the site that has the whole contract: services, messages and enums, with the comments of proto/."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "proto")]  # mkdocs loads its hooks as files

from google.protobuf.descriptor import FieldDescriptor  # noqa: E402

from common.contract.reader import PACKAGE, bindings_of  # noqa: E402
from common.contract.services import SERVICES  # noqa: E402
from mailing.v1.comments import COMMENTS  # noqa: E402

_HEAD: Final = """# The contract

Every service, message and enum of `mailing.v1`, made from `proto/mailing/v1` when the site is built.
What is common to all calls: [gRPC](api.md); how REST shows it: [REST](rest.md),
and the OpenAPI document of a gateway, at `/api/v1/docs/`.
"""
_SCALARS: Final = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


def contract_page() -> str:
    """Return the page, as Markdown."""
    kinds: dict[str, Any] = {}
    services = [line for service in SERVICES.values() for line in _service(service, kinds)]
    _follow(kinds)
    types = [line for name in sorted(kinds) for line in _type(name, kinds[name])]
    return "\n".join([_HEAD, "## Services", "", *services, "## Messages and enums", "", *types])


def _service(service: Any, kinds: dict[str, Any]) -> Iterator[str]:
    routes: dict[str, list[str]] = {}
    for each in bindings_of(service):
        routes.setdefault(each.method.name, []).append(f"`{each.verb.upper()} {each.path}`")
    yield from (f"### {service.name}", "", _words(service.full_name), "", "| method | REST | |", "|---|---|---|")
    for method in service.methods:
        asked, answered = (_linked(each, kinds) for each in (method.input_type, method.output_type))
        shape = f"{asked} → {'stream of ' * method.server_streaming}{answered}"
        yield f"| **{method.name}** | {', '.join(routes.get(method.name, []))} | {_words(method.full_name)} {shape} |"
    yield ""


def _follow(kinds: dict[str, Any]) -> None:
    """Add what the messages that are there are made of."""
    waiting = list(kinds.values())
    while waiting:
        before = set(kinds)
        for field in getattr(waiting.pop(), "fields", ()):
            _kind(field, kinds)
        waiting += [kinds[name] for name in kinds.keys() - before]


def _type(name: str, kind: Any) -> Iterator[str]:
    yield from (f"### {name}", "", _words(kind.full_name), "")
    values = getattr(kind, "values", None)
    if values is not None:
        yield from ("| value | |", "|---|---|")
        yield from (f"| `{each.name}` | {_words(f'{kind.full_name}.{each.name}')} |" for each in values)
    elif kind.fields:
        yield from ("| field | type | |", "|---|---|---|")
        yield from (f"| `{each.name}` | {_kind(each, {})} | {_words(each.full_name)} |" for each in kind.fields)
    yield ""


def _kind(field: Any, kinds: dict[str, Any]) -> str:
    found = field.message_type or field.enum_type
    if found is None:
        shown = _SCALARS[field.type]
    elif field.message_type is not None and found.GetOptions().map_entry:
        key, value = found.fields
        return f"map of {_SCALARS[key.type]} to {_kind(value, kinds)}"
    else:
        shown = _linked(found, kinds)
    return f"list of {shown}" if field.is_repeated else shown


def _linked(kind: Any, kinds: dict[str, Any]) -> str:
    """The name of a message or enum; of ours it is a link, and kept in ``kinds``."""
    if not kind.full_name.startswith(f"{PACKAGE}."):
        return f"`{kind.full_name}`"
    name = kind.full_name.removeprefix(f"{PACKAGE}.")
    kinds[name] = kind
    return f"[{name}](#{name.lower().replace('.', '')})"


def _words(full_name: str) -> str:
    """The comment, on one line, and with no sign that a table would take for its own."""
    return " ".join(COMMENTS.get(full_name, "").split()).replace("|", "\\|").replace("<", "&lt;")
