"""Values of the contract, checked: its limits by its options, the rest by the domain.

    CLIENT = Limits(client_pb2.Client)                    # once
    CLIENT.checked(client, valid_client, "Europe/Moscow")

Both look at all fields, and the caller is told of all that are bad at once. Where both find something wrong with one
field the limit is told: what is beyond it the domain need not understand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, TypeVarTuple, Unpack

from google.protobuf.message import Message

from common.contract.checks import Violation, check_of
from common.contract.reader import fields_of
from common.error_codes import ErrorCode
from engine.domain.errors import FieldError, InvalidInput

A = TypeVar("A")
M = TypeVar("M", bound=Message)
Ts = TypeVarTuple("Ts")


class Limits(Generic[M]):
    """Those of one kind of message."""

    def __init__(self, kind: type[M]) -> None:
        self.violations = check_of(kind)
        self._places = {field.name: place for place, field in enumerate(fields_of(kind.DESCRIPTOR))}

    def checked(self, message: M, make: Callable[[M, Unpack[Ts]], A], *arguments: *Ts) -> A:
        """What ``make`` makes of the message.

        Raises:
            InvalidInput: with all that is beyond the limits and all that ``make`` finds, in the order of the contract.
        """
        found = self.violations(message)
        try:
            made = make(message, *arguments)
        except InvalidInput as error:
            raise InvalidInput(self._together(found, error.errors)) from None
        if found:
            raise InvalidInput(self._together(found, ()))
        return made

    def check(self, message: M) -> None:
        """Raise InvalidInput with all that is beyond the limits."""
        if found := self.violations(message):
            raise InvalidInput(list(map(_error, found)))

    def _together(self, found: Sequence[Violation], others: Sequence[FieldError]) -> list[FieldError]:
        told = {each.path for each in found}
        errors = [*map(_error, found), *(each for each in others if each.field not in told)]
        return sorted(errors, key=lambda each: self._places.get(_field(each.field), len(self._places)))


def _field(path: str) -> str:
    """The message's own field in a path such as ``filter.tags[3]``."""
    return path.partition(".")[0].partition("[")[0]


def _error(violation: Violation) -> FieldError:
    return FieldError(violation.path, ErrorCode[violation.code].format(**violation.values))
