#!/usr/bin/env python
"""Take from the package kubernetes-validate what Kubernetes says of the kinds that deploy/kubernetes uses.

    python scripts/vendor_kubernetes_schema.py               the kinds that are used, of the version that is taken
    python scripts/vendor_kubernetes_schema.py --version 1.37

The package has 70 MB for all kinds and versions; tests need a thousandth of it: tests/deploy/kubernetes.json, without
the descriptions. Run it when a manifest uses a kind that is new there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
MANIFESTS: Final = ROOT / "deploy" / "kubernetes"
TARGET: Final = ROOT / "tests" / "deploy" / "kubernetes.json"
PACKAGE: Final = "kubernetes-validate==1.37.0"
VERSION: Final = "1.32"
_WHERE: Final = "/api/_definitions.json#/$defs/"
_LOCAL: Final = "#/$defs/"
_KINDS: Final = "x-kubernetes-group-version-kind"


def kinds() -> set[tuple[str, str]]:
    """(apiVersion, kind) of all that is in the manifests."""
    yaml = import_module("yaml")
    found = set()
    for path in MANIFESTS.rglob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if document["kind"] != "Kustomization":
                found.add((document["apiVersion"], document["kind"]))
    return found


def definitions(version: str) -> dict[str, Any]:
    """All that Kubernetes of this version defines, from the package."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        name = f"kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict/_definitions.json"
        with zipfile.ZipFile(wheel) as archive:
            return dict(json.loads(archive.read(name))["$defs"])


def without_words(schema: Any) -> Any:
    """A schema without descriptions and Kubernetes' own hints, its references made local."""
    if isinstance(schema, list):
        return [without_words(each) for each in schema]
    if isinstance(schema, str):
        return schema.replace(_WHERE, _LOCAL)
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_words(value)
        for key, value in schema.items()
        if not (key == "description" and isinstance(value, str)) and (key == _KINDS or not key.startswith("x-"))
    }


def references(schema: Any) -> Iterator[str]:
    """The definitions that a schema refers to."""
    if isinstance(schema, list):
        for each in schema:
            yield from references(each)
    elif isinstance(schema, dict):
        if isinstance(target := schema.get("$ref"), str):
            yield target.removeprefix(_LOCAL)
        for value in schema.values():
            yield from references(value)


def bundle(every: dict[str, Any], wanted: set[tuple[str, str]]) -> dict[str, Any]:
    """One schema by kind, and what these refer to.

    Raises:
        KeyError: Kubernetes knows no such kind.
    """
    found: dict[tuple[str, str], str] = {}
    for name, schema in every.items():
        for each in schema.get(_KINDS, ()):
            group = f"{each['group']}/" if each["group"] else ""
            found[f"{group}{each['version']}", each["kind"]] = name
    entries = {f"{version} {kind}": found[version, kind] for version, kind in sorted(wanted)}
    needed: dict[str, Any] = {}
    waiting = list(entries.values())
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = without_words(every[name])
            needed[name].pop(_KINDS, None)
            waiting += references(needed[name])
    return {"kinds": entries, "$defs": dict(sorted(needed.items()))}


def main() -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default=VERSION, help=f"Kubernetes' version ({VERSION})")
    version = parser.parse_args().version
    found = bundle(definitions(version), kinds())
    text = json.dumps({"version": version, **found}, separators=(",", ":"), sort_keys=True)
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {len(found['kinds'])} kinds, {len(text) // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
