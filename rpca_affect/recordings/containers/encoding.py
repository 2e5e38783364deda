"""Bytes of a text file to UTF-8: from UTF-16 or windows-1252, with what has to be said about it."""

import codecs
import re

from ..recording import RecordingError
from .rows import is_number
from .source import Source, looks_like_utf16


def decoded(source: Source) -> tuple[bytes, tuple[str, ...]]:
    """Text of a file as UTF-8 without a byte order mark, and what has to be said about its encoding."""
    data, name = source.data, source.name
    said: tuple[str, ...] = ()
    if looks_like_utf16(data[:1000]):
        mark = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        encoding = "utf-16" if mark else ("utf-16-le" if data[1:2] == b"\0" else "utf-16-be")
        try:
            data = data.decode(encoding).encode()
        except UnicodeError as error:
            at = getattr(error, "start", len(data))
            line = data[:at].decode(encoding, "ignore").count("\n")
            raise RecordingError(
                f"{name}: the text after line {line} is not UTF-16; save the file as UTF-8."
            ) from error
        said = ("The text is UTF-16.",)
    data, zeros = _ended(data.removeprefix(codecs.BOM_UTF8))
    if (zero := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, zero) + 1
        raise RecordingError(f"{name}: line {line} holds binary bytes, expected text.")
    data, windows = _utf8(name, data)
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):  # a single byte is found much faster than two
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data, signs = _plain_numbers(data)
    return data, (*said, *zeros, *windows, *signs)


def _ended(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Text without the mark of its end in DOS, and without the zeros that a recorder leaves that did not close it."""
    text = data.rstrip(b"\0\x1a")
    zeros = data.count(b"\0", len(text))
    said = f"The file ends in {zeros} bytes of zeros, as one does that was not closed: what stands before was read."
    return text, (said,) if zeros else ()


# What people's programs write into numbers beside digits, points and commas; each is said where it is found.
_GROUPED = re.compile(rb"(?<=\d)(?:\xc2\xa0|\xe2\x80[\xaf\x89\x87\x99]|')(?=\d{3}(?!\d))")
_MINUS = re.compile(rb"\xe2\x88\x92(?=[\d.,])")
# Arabic and fullwidth marks, behind digits of theirs.
_POINT = re.compile(
    rb"(?:(?<=\d)|(?<=\xd9[\xa0-\xa9])|(?<=\xdb[\xb0-\xb9])|(?<=\xef\xbc[\x90-\x99]))(?:\xd9\xab|\xef\xbc\x8e)"
)
_PERCENT = re.compile(
    rb'(^|[,;\t|"])([ ]*[-+]?\d+(?:[.,]\d+)?)(?:[ ]|\xc2\xa0|\xe2\x80\xaf)*%(?=[ ]*(?:[,;\t|"\r\n]|$))', re.M
)


def _plain_numbers(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Numbers without blanks or apostrophes between thousands, typographic minus signs and signs of per cent."""
    said = []
    if not data.isascii() or b"'" in data:
        data, count = _GROUPED.subn(b"", data)
        if count:
            said.append("Blanks or apostrophes between the thousands of numbers were taken out.")
        data, count = _MINUS.subn(b"-", data)
        if count:
            said.append("Minus signs of typography were read as minus signs.")
        data, count = _POINT.subn(b".", data)
        if count:
            said.append("Decimal marks of another script were read as points.")
    if b"%" in data:
        data, count = _PERCENT.subn(rb"\1\2", data)
        if count:
            said.append(f"{count} numbers are followed by a sign of per cent; they are read as per cent, 12 % as 12.")
    return data, tuple(said)


def _utf8(name: str, data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Bytes that are UTF-8, or windows-1252 where no letter beyond ASCII is UTF-8."""
    if data.isascii():
        return data, ()
    try:
        codecs.utf_8_decode(data, "strict", True)
        return data, ()
    except UnicodeDecodeError as error:
        first = error
    line = data.count(b"\n", 0, first.start) + 1
    byte = first.start - data.rfind(b"\n", 0, first.start)
    place = f"{name}: line {line}, byte {byte}, is 0x{data[first.start]:02x}, which is not UTF-8 text"
    letters = data.decode("utf-8", "ignore")
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise RecordingError(f"{place}; save the file as UTF-8.") from None
    if not letters.isascii() or re.search(r"[\x80-\x9f]", text):
        raise RecordingError(f"{place}, although other letters are; save the file as UTF-8.")
    _refuse_torn_numbers(name, text)
    return text.encode(), (f"Line {line} is not UTF-8; the text was read as windows-1252.",)


def _refuse_torn_numbers(name: str, text: str) -> None:
    """Refuse a number with a byte of garbage in it, which would make words of its column."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.isascii():
            continue
        cells = [cell.strip() for cell in re.split(r'[,;\t|"]', line)]
        torn = [cell for cell in cells if not cell.isascii() and _is_filled(re.sub(r"[^\x00-\x7f]", "", cell))]
        if torn and any(cell.isascii() and _is_filled(cell) for cell in cells):
            raise RecordingError(
                f"{name}: line {number} holds {torn[0]!r}, expected a number; the file is damaged, or is no text."
            )


def _is_filled(cell: str) -> bool:
    return bool(cell) and is_number(cell)
