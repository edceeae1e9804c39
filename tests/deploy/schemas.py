"""Others' JSON schemas: of compose files, GitHub's workflows and GitLab's pipelines, which check-jsonschema brings, and
of Kubernetes, which scripts/vendor_kubernetes_schema.py has taken."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any


@cache
def _vendored(name: str) -> Any:
    return json.loads((files("check_jsonschema.builtin_schemas.vendor") / f"{name}.json").read_text(encoding="utf-8"))


@cache
def _kubernetes() -> Any:
    return json.loads((Path(__file__).parent / "kubernetes.json").read_text(encoding="utf-8"))


def _errors(draft: str, schema: Any, document: Any) -> list[str]:
    validator = getattr(import_module("jsonschema"), draft)(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def problems(name: str, document: Any) -> list[str]:
    """What one of check-jsonschema's schemas finds wrong with a document: where, and what."""
    return _errors("Draft7Validator", _vendored(name), document)


def kubernetes_problems(manifest: Any) -> list[str]:
    """What Kubernetes finds wrong with a manifest; fields that it does not know are wrong, too."""
    kind = f"{manifest['apiVersion']} {manifest['kind']}"
    schema = {"$ref": f"#/$defs/{_kubernetes()['kinds'][kind]}", "$defs": _kubernetes()["$defs"]}
    return _errors("Draft202012Validator", schema, manifest)
