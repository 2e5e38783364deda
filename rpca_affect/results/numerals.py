"""Numbers as text, many at a time: the fewest digits that give each number back."""

import math
from functools import cache

import numpy as np

__all__ = ["PAD", "numerals", "padded", "shortest"]

PAD = b"\xff"  # fills words up to one length; no byte of UTF-8, so that it can be taken out again
GROUP = 4  # digits that are looked up at a time
MOST = 1e15  # below it, no two numbers of one last decimal are one double
POSITIONAL = (1e-6, 1e10)  # numbers outside are written with an exponent


def numerals(values: np.ndarray, decimals: int | None, mark: str = ".", empty: bytes = b"") -> np.ndarray:
    """Write numbers as words of one length.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        NaN stands for an empty cell.
    decimals : int or None
        Decimals at which all of them are rounded already; None where that is not known.
    mark : str, default "."
        Decimal mark.
    empty : bytes, default b""
        Content of an empty cell.

    Returns
    -------
    ndarray of bytes, shape (rows, columns)
        Filled up with `PAD` at any place.

    Examples
    --------
    >>> [word.replace(PAD, b"") for word in numerals(np.array([[0.25, -1200.0, np.nan]]), 2)[0].tolist()]
    [b'0.25', b'-1200', b'']
    """
    unknown = np.isnan(values)
    gaps = bool(unknown.any())
    values = np.where(unknown, 0.0, values) if gaps else values
    largest = float(np.max(np.abs(values), initial=0.0))
    short = decimals is not None and largest < POSITIONAL[1] and max(largest, 1.0) * 10.0**decimals < MOST
    words = _by_groups(values, max(decimals or 0, 0)) if short else _one_by_one(values)
    if mark != ".":
        letters = words.view(np.uint8)
        letters[letters == ord(".")] = ord(mark)
    if gaps:
        words[unknown] = empty.ljust(words.itemsize, PAD)
    return words


def padded(words: list[bytes]) -> np.ndarray:
    """Words as an array, filled up to the length of the longest."""
    width = max(1, *map(len, words)) if words else 1
    return np.array([word.ljust(width, PAD) for word in words], dtype=f"S{width}")


def shortest(value: float) -> str:
    """Fewest digits that give a number back.

    Examples
    --------
    >>> [shortest(value) for value in (1.0, 0.00001, 1.25e-7, 1e10)]
    ['1', '0.00001', '1.25e-7', '1e+10']
    """
    if not math.isfinite(value) or value == 0:
        return "-0" if value == 0 and math.copysign(1, value) < 0 else repr(float(value)).removesuffix(".0")
    sign = "-" if value < 0 else ""
    digits, _, power = np.format_float_scientific(abs(value), unique=True, trim="-").partition("e")
    exponent = int(power)
    if -7 < exponent < 10:
        return sign + np.format_float_positional(abs(value), unique=True, trim="-")
    return f"{sign}{digits}e{'-' if exponent < 0 else '+'}{abs(exponent)}"


def _by_groups(values: np.ndarray, decimals: int) -> np.ndarray:
    """Words of numbers with few decimals: whole numbers of the last decimal, looked up a few digits at a time."""
    number = np.rint(values * 10.0**decimals)
    units = np.abs(number)
    units = units.astype(np.uint32 if max(units.max(initial=0.0), 10**decimals) < 2**32 else np.uint64)
    whole, fraction = _divided(units, units.dtype.type(10**decimals)) if decimals else (units, None)
    fields = [np.array([PAD, b"-"]).take(number < 0), *_whole(whole)]
    if fraction is not None:
        fields += _fraction(fraction, decimals)
    laid = np.empty(values.shape, dtype=[(f"f{k}", field.dtype) for k, field in enumerate(fields)])
    for k, field in enumerate(fields):
        laid[f"f{k}"] = field
    words = laid.view(f"S{laid.dtype.itemsize}")
    tiny = np.flatnonzero((units > 0) & (units < POSITIONAL[0] * 10.0**decimals)) if decimals > 6 else ()
    for cell in tiny:
        words.flat[cell] = shortest(float(values.flat[cell])).encode().ljust(words.itemsize, PAD)
    return words


def _divided(number: np.ndarray, base: np.unsignedinteger) -> tuple[np.ndarray, np.ndarray]:
    """Quotient and rest: NumPy is much faster at dividing by one number than at `divmod`."""
    whole = number // base
    return whole, number - whole * base


def _whole(rest: np.ndarray) -> list[np.ndarray]:
    """Digits before the mark, the group with the highest first."""
    base = rest.dtype.type(10**GROUP)
    groups: list[np.ndarray] = []
    while not groups or rest.any():
        rest, group = _divided(rest, base)
        led = rest != 0  # digits stand before this group: its zeros count
        groups.append(_leading(last=not groups).take(group + base * led))
    return groups[::-1]


def _fraction(rest: np.ndarray, decimals: int) -> list[np.ndarray]:
    """The mark and the digits after it, without zeros at the end."""
    groups: list[tuple[np.ndarray, np.ndarray]] = []
    for first in reversed(range(0, decimals, GROUP)):
        digits = min(GROUP, decimals - first)
        base = rest.dtype.type(10**digits)
        ahead, group = _divided(rest, base)
        followed = groups[-1][0] if groups else np.zeros(rest.shape, dtype=bool)
        groups.append((followed | (group != 0), _trailing(digits, first == 0).take(group + base * followed)))
        rest = ahead
    return [word for _, word in groups[::-1]]


@cache
def _leading(last: bool) -> np.ndarray:
    """Words of a group of digits before the mark: with nothing before it, then with digits before it."""
    free = [b"%d" % k for k in range(10**GROUP)]
    free[0] = b"0" if last else b""
    return padded([*free, *(b"%0*d" % (GROUP, k) for k in range(10**GROUP))])


@cache
def _trailing(digits: int, first: bool) -> np.ndarray:
    """Words of a group of digits after the mark: with nothing behind it, then with digits behind it."""
    mark = b"." if first else b""
    full = [mark + b"%0*d" % (digits, k) for k in range(10**digits)]
    return padded([b"", *(word.rstrip(b"0") for word in full[1:]), *full])


def _one_by_one(values: np.ndarray) -> np.ndarray:
    """Words of any numbers: by pyarrow where it is there, which writes the same."""
    flat = np.ascontiguousarray(values).reshape(-1)
    try:
        import pyarrow as pa
    except ImportError:
        return padded([shortest(value).encode() for value in flat]).reshape(values.shape)
    text = pa.array(flat).cast(pa.string())
    ends = np.frombuffer(text.buffers()[1], dtype=np.int32, count=len(flat) + 1)
    lengths = np.diff(ends)
    width = int(lengths.max(initial=1))
    letters = np.full((len(flat), width), PAD[0], dtype=np.uint8)
    letters[np.arange(width) < lengths[:, None]] = np.frombuffer(text.buffers()[2], dtype=np.uint8, count=int(ends[-1]))
    return letters.view(f"S{width}").reshape(values.shape)
