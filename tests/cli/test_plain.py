"""Answers as plain values."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Struct

from cli.plain import dumps, plain


def test_whole_numbers_of_an_audit_event_have_no_point() -> None:
    detail = Struct()
    detail.update({"created": 2, "rate_limit": 2.5, "filter": {"ids": [1, 2]}, "paused": True, "tag": "1.0"})
    assert plain(detail) == {"created": 2, "rate_limit": 2.5, "filter": {"ids": [1, 2]}, "paused": True, "tag": "1.0"}
    assert "2.0" not in dumps(plain(detail))
