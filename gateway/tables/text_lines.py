"""Bytes of a client's file, as they come, into numbered lines of text, in constant memory.

Files come from Excel, from 1C, from scripts: UTF-8 with a BOM or without, UTF-16 (Excel's "Unicode text"),
Windows-1251, with line ends of any kind; or in the encoding that their sender names. What is no text at all is refused
with one clear sentence.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from common.error_codes import ErrorCode, Fault, Unfit

MAX_LINE_BYTES = 64 * 1024
"""A row has four short fields; a line longer than this is not one."""

_TOO_LONG = ErrorCode.ROW_LINE_TOO_LONG.format(max=MAX_LINE_BYTES // 1024)

_UTF16_BOMS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_ORDERS = {"utf-16": ("utf-16-le", "utf-16-be"), "utf-32": ("utf-32-le", "utf-32-be")}
"""Encodings whose name leaves open in which order their bytes are, and what they are then."""

# First bytes of files that people try to import by mistake, and what to tell them.
_NOT_TEXT = {
    b"PK\x03\x04": ErrorCode.FILE_ZIP,
    b"\xd0\xcf\x11\xe0": ErrorCode.FILE_OLD_EXCEL,
    b"\x1f\x8b": ErrorCode.FILE_GZIP,
    b"%PDF": ErrorCode.FILE_PDF,
}
_HEAD_BYTES = 4 * 1024
"""They say what the input is (binary, its encoding). That must not depend on the pieces in which they come, so they are
looked at together."""

# Takes the place of what is no text in the encoding that was named; no text has it, so its line is found afterwards.
_UNDECODABLE = "\udcff"
codecs.register_error("mailing.mark", lambda error: (_UNDECODABLE, error.end))  # type: ignore[attr-defined]

_LINE_END = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# What Windows-1251 text of Russians is made of; byte 0x98 has no meaning there at all.
_RUSSIAN = re.compile(r"[А-Яа-яЁё]")
_TYPOGRAPHY = frozenset("«»„“”‘’–—…№\xa0")
_LATIN_OR_RUSSIAN = re.compile(rf"[\t\r\n -~А-Яа-яЁё{''.join(sorted(_TYPOGRAPHY))}]+")


class UnreadableInput(Unfit):
    """The input as a whole can't be read; the text is one sentence for the person who sent it."""


class UnknownEncoding(UnreadableInput):
    """The input is in no encoding that is recognised, or not in the one that was named."""


class Line(NamedTuple):
    """A line without its line end ("\\n"; a "\\r" before it is kept)."""

    number: int
    """Counted from 1, as an editor does."""
    text: str
    problem: Fault | None = None
    """Why it could not be read, or None."""


class LineReader:
    """Push bytes in, get lines out. Call `feed` as data comes and `finish` once at the end."""

    def __init__(self, named: str | None = None) -> None:
        """Begin.

        Args:
            named: the encoding, as ``encoding_of`` returns it; ``None``: it is told from the bytes.
        """
        self.encoding = named
        """"utf-8", "windows-1251", "utf-16-le", "utf-16-be", or as named; None while all was ASCII."""
        self._named = named
        self._has_failed = False
        self._head: bytearray | None = bytearray()  # the first bytes, until there are enough of them
        self._decoder: codecs.IncrementalDecoder | None = None
        self._newline: bytes | None = None
        self._tail = b""
        self._number = 0
        self._skipping = False

    @property
    def is_guess(self) -> bool:
        """Whether the bytes were only taken for Windows-1251: nearly any bytes can be."""
        return self._named is None and self.encoding == "windows-1251"

    @property
    def is_in_doubt(self) -> bool:
        """Whether the encoding might have to be named: it was guessed, or lines could not be read."""
        return self.is_guess or self._has_failed

    def feed(self, data: bytes) -> list[Line]:
        """Take more bytes; return the lines they complete. Raises UnreadableInput."""
        if self._head is None:
            return self._split(self._to_utf8(data, final=False))
        self._head += data
        return self.settle() if len(self._head) >= _HEAD_BYTES else []

    def settle(self) -> list[Line]:
        """Judge the input by what has come, as if its beginning were over. Raises UnreadableInput."""
        if self._head is None:
            return []
        head, rest = bytes(self._head[:_HEAD_BYTES]), bytes(self._head[_HEAD_BYTES:])
        self._head = None
        lines = self._split(self._to_utf8(self._open(head), final=False))
        return lines + self._split(self._to_utf8(rest, final=False))

    def finish(self) -> list[Line]:
        """The input is over; return the last line if it has no line end. Raises UnreadableInput."""
        data = b""
        if self._head is not None:
            data, self._head = self._open(bytes(self._head)), None
        lines = self._split(self._to_utf8(data, final=True))
        if self._skipping:
            lines.append(self._too_long())
        elif self._tail:
            lines += self._decode(self._tail.removesuffix(b"\r"))
            self._tail = b""
        return lines

    def _open(self, head: bytes) -> bytes:
        """Look at the first bytes: strip a byte order mark, refuse what is no text."""
        for mark, code in _NOT_TEXT.items():
            if head.startswith(mark):
                raise UnreadableInput(code.format())
        if self._named is not None:
            return self._open_named(self._named, head)
        if head.startswith(codecs.BOM_UTF8):
            self.encoding = "utf-8"
            return head[len(codecs.BOM_UTF8) :]
        marked = _UTF16_BOMS.get(head[:2])
        if encoding := marked or _order_without_mark(_ORDERS["utf-16"], head):
            self.encoding = encoding
            self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        return head[2:] if marked else head

    def _open_named(self, name: str, head: bytes) -> bytes:
        name = _with_order(name, head)
        if name != "utf-8":
            self._decoder = codecs.getincrementaldecoder(name)(errors="mailing.mark")
        return head.removeprefix("\ufeff".encode(name, errors="ignore"))

    def _to_utf8(self, data: bytes, *, final: bool) -> bytes:
        return data if self._decoder is None else self._decoder.decode(data, final).encode(errors="surrogatepass")

    def _split(self, data: bytes) -> list[Line]:
        """Cut off whole lines and keep the rest for later."""
        data = self._tail + data
        if self._newline is None and (end := _LINE_END.search(data)):
            self._newline = b"\r" if end[0] == b"\r" else b"\n"  # "\r" alone: a Mac of the last century
        cut = -1 if self._newline is None else data.rfind(self._newline)
        self._tail = data[cut + 1 :]
        lines = self._whole(data[:cut]) if cut >= 0 else []
        if len(self._tail) > MAX_LINE_BYTES:
            if self._number == 0:
                raise UnreadableInput(ErrorCode.FILE_LINE_TOO_LONG.format(line=1, max=MAX_LINE_BYTES // 1024))
            self._skipping, self._tail = True, b""
        return lines

    def _whole(self, block: bytes) -> list[Line]:
        lines: list[Line] = []
        if self._skipping:
            lines.append(self._too_long())
            _, end, block = block.partition(self._newline or b"\n")
            if not end:
                return lines
        return lines + self._decode(block)

    def _too_long(self) -> Line:
        self._number += 1
        self._skipping = False
        return Line(self._number, "", _TOO_LONG)

    def _decode(self, block: bytes) -> list[Line]:
        """Decode whole lines; the first letters beyond ASCII settle the encoding of the file."""
        first = self._number == 0
        if first and b"\0" in block:
            raise UnreadableInput(ErrorCode.FILE_BINARY.format())
        newline = self._newline or b"\n"
        if not self.is_guess:
            try:
                texts = block.decode().split(newline.decode())
            except UnicodeDecodeError:
                return self._decode_singly(block.split(newline), first)
            if self.encoding is None and not block.isascii():
                self.encoding = "utf-8"
            return self._number_lines(texts)
        return self._decode_singly(block.split(newline), first)

    def _number_lines(self, texts: list[str]) -> list[Line]:
        start = self._number + 1
        self._number += len(texts)
        if max(map(len, texts)) <= MAX_LINE_BYTES:
            return [Line(number, text) for number, text in enumerate(texts, start)]
        return [
            Line(number, text) if len(text) <= MAX_LINE_BYTES else Line(number, "", _TOO_LONG)
            for number, text in enumerate(texts, start)
        ]

    def _decode_singly(self, raws: list[bytes], first: bool) -> list[Line]:
        if self.encoding is None:
            self.encoding = _guess(raws)
        encoding = "windows-1251" if self.is_guess else "utf-8"
        lines = []
        for raw in raws:
            self._number += 1
            try:
                lines.append(Line(self._number, raw.decode(encoding)))
            except UnicodeDecodeError:
                lines.append(Line(self._number, "", self._undecodable(first)))
        return lines

    def _undecodable(self, first: bool) -> Fault:
        """What is wrong with a line; raised when it is wrong with the whole input."""
        self._has_failed = True
        if self._named is not None:
            named = {"line": self._number, "encoding": self._named.upper()}
            raise UnknownEncoding(ErrorCode.FILE_NOT_IN_ENCODING.format(**named))
        if self.encoding is not None:
            return ErrorCode.ROW_NOT_IN_ENCODING.format(encoding=self.encoding.upper())
        if first:
            raise UnknownEncoding(ErrorCode.FILE_ENCODING_UNKNOWN.format(line=self._number))
        return ErrorCode.ROW_ENCODING_UNKNOWN.format()


def _with_order(name: str, head: bytes) -> str:
    """The encoding that was named, with the order of its bytes. A mark says the order, else the text does, else it is
    that of RFC 2781: the high byte first. (Python's own decoder fails where there is no mark.)"""
    if name not in _ORDERS:
        return name
    orders = _ORDERS[name]
    marked = (encoding for encoding in orders if head.startswith("\ufeff".encode(encoding)))
    return next(marked, None) or _order_without_mark(orders, head) or orders[1]


def _order_without_mark(orders: tuple[str, ...], head: bytes) -> str | None:
    """The one of these in which the first bytes are a text of Latin and Russian letters only; in UTF-8 none has a zero
    byte, which each line end of UTF-16 has."""
    if b"\0" in head:
        for encoding in orders:
            text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head)
            if _LATIN_OR_RUSSIAN.fullmatch(text):
                return encoding
    return None


def _guess(raws: list[bytes]) -> str | None:
    """The encoding of lines that are not all UTF-8: decided by the first line that can be in one of the two only."""
    for raw in raws:
        if raw.isascii():
            continue
        try:
            raw.decode()
        except UnicodeDecodeError:
            return "windows-1251" if _is_russian_1251(raw) else None
        return "utf-8"
    return None


def _is_russian_1251(raw: bytes) -> bool:
    try:
        beyond = _NOT_ASCII.findall(raw.decode("windows-1251"))
    except UnicodeDecodeError:
        return False
    return any(map(_RUSSIAN.match, beyond)) and all(c in _TYPOGRAPHY or _RUSSIAN.match(c) for c in beyond)
