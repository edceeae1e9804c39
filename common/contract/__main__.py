"""Print what is compiled for a message: ``python -m common.contract show Client``."""

from __future__ import annotations

import sys

from google.protobuf.descriptor_pool import Default

from common.contract.checks import check_source
from common.contract.codec import reader_source, writer_source
from common.contract.reader import PACKAGE, Descriptor, fields_of, has_details
from mailing.v1 import (
    access_service_pb2,
    client_service_pb2,
    engine_service_pb2,
    mailing_service_pb2,
    message_service_pb2,
)

SERVICES = (client_service_pb2, mailing_service_pb2, message_service_pb2, engine_service_pb2, access_service_pb2)
"""Loaded with all that they use, so that each message is known by its name."""


def text_of(kind: Descriptor) -> str:
    """The fields of a message with their rules, and the functions that are compiled for it."""
    rules = [
        f"# {field.name}: {field.kind.name.lower()} {' '.join(str(field.rules).split())}" for field in fields_of(kind)
    ]
    parts = ["\n".join([*rules, ""]), writer_source(kind)]
    if has_details(kind):
        parts.append("# one read by its id\n" + writer_source(kind, detail=True))
    return "\n\n".join([*parts, reader_source(kind), check_source(kind)])


def main() -> int:
    """Return the exit code."""
    match sys.argv[1:]:
        case ["show", name]:
            try:
                print(text_of(Default().FindMessageTypeByName(f"{PACKAGE}.{name}")), end="")
            except KeyError:
                print(f"the contract has no message {name}", file=sys.stderr)
                return 1
            return 0
    print("usage: python -m common.contract show MESSAGE", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
