"""Lines of a CSV cut into cells, by a delimiter that is known."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from common.error_codes import ErrorCode, Fault, Unfit
from gateway.tables.table_rows import RowError
from gateway.tables.text_lines import MAX_LINE_BYTES, Line

_MAX_RECORD_LINES: Final = 64  # a quoted tag may hold line ends, yet it has 64 characters at most


class Record(NamedTuple):
    """Cells that stand together."""

    line: int
    """Where it begins."""
    cells: list[str]
    broken_at: int | None = None
    """The last line above whose quotes could not be understood."""


class _Unclosed(Exception):
    """A quote is still open at the end of the text."""


def _splitter(delimiter: str) -> Callable[[str], list[str]]:
    """A function that cuts a record into cells. It raises _Unclosed, or Unfit for what follows a closing quote.

    RFC 4180, and what Excel does beyond it: a quote inside an unquoted cell is a letter like any other. Spaces
    around an unquoted cell are dropped, those inside quotes are kept.
    """
    # Possessive: the first mark of a doubled quote is never tried as the closing one of a cell that goes on.
    quoted = re.compile(rf' *+"([^"]*+(?:""[^"]*+)*+)"(?P<after>[^{delimiter}]*)')
    plain = re.compile(rf"[^{delimiter}]*")

    def split(text: str) -> list[str]:
        cells: list[str] = []
        at = 0
        while True:
            if match := quoted.match(text, at):
                if match["after"].strip():
                    raise Unfit(ErrorCode.ROW_AFTER_QUOTE.format(cell=len(cells) + 1))
                cells.append(match[1].replace('""', '"'))
            else:
                match = plain.match(text, at)
                assert match is not None  # it matches the empty text too
                if match[0].lstrip(" ").startswith('"'):
                    raise _Unclosed
                cells.append(match[0].strip())
            at = match.end()
            if at == len(text):
                return cells
            at += 1

    return split


class Records:
    """Lines in, records and errors out."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self._split = _splitter(delimiter)
        self.open: list[Line] = []
        """Lines of a record with a quote that is not closed yet."""
        self.broken_at: int | None = None
        """The last line whose quotes could not be understood."""

    def take(self, line: Line) -> Iterator[Record | RowError]:
        """What a line completes."""
        return self._taken(deque([line]))

    def end(self) -> Iterator[Record | RowError]:
        """The lines are over."""
        while self.open:
            yield from self._give_up(ErrorCode.ROW_QUOTE_OPEN.format(), deque(), last=True)

    def _taken(self, todo: deque[Line]) -> Iterator[Record | RowError]:
        while todo:
            line = todo.popleft()
            if line.problem is not None:
                if self.open:  # what is open ends here; the lines of it come before this one
                    todo.appendleft(line)
                    yield from self._give_up(ErrorCode.ROW_QUOTE_OPEN.format(), todo)
                else:
                    yield RowError(line.number, "", line.problem)
                continue
            self.open.append(line)
            if len(self.open) > _MAX_RECORD_LINES or sum(len(each.text) for each in self.open) > MAX_LINE_BYTES:
                yield from self._give_up(ErrorCode.ROW_QUOTE_OPEN.format(), todo)
            elif len(self.open) == 1 or '"' in line.text:
                yield from self._try_record(todo)

    def _try_record(self, todo: deque[Line]) -> Iterator[Record | RowError]:
        text = "\n".join(line.text for line in self.open).removesuffix("\r")
        try:
            cells = self._split(text)
        except _Unclosed:
            return
        except Unfit as error:
            yield from self._give_up(error.fault, todo)
            return
        first = self.open[0].number
        self.open = []
        yield Record(first, cells, self.broken_at)

    def _give_up(self, fault: Fault, todo: deque[Line], *, last: bool = False) -> Iterator[Record | RowError]:
        """Reject the line where the open record began, and read the lines after it as records of their own."""
        if not self.open:
            return
        first, *rest = self.open
        self.open, self.broken_at = [], first.number
        yield RowError(first.number, "", fault, (first.text,))
        if last:
            yield from self._taken(deque(rest))
        else:
            todo.extendleft(reversed(rest))
