"""Source: the bytes of a file, unpacked, and what kind of file they are."""

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rpca_affect.extras import install
from rpca_affect.refusals import Setting, absent

from ..recording import RecordingError

_MOST_UNPACKED = 8 << 30  # a few kilobytes can unpack to more than any memory holds
_INSIDE = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".arff", ".parquet", ".feather", ".npy", ".xlsx", ".sav", ".mat",
           ".dta")  # fmt: skip

# First bytes -> what the file is.  Contents decide, not the suffix.
_MAGIC = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "feather"),
    (b"FEA1", "feather version 1"),
    (b"\x93NUMPY", "npy"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"MATLAB 5.0 MAT-file", "matlab"),
    (b"MATLAB 7.3 MAT-file", "hdf5"),
    (b"$FL2", "sav"),
    (b"$FL3", "sav"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
    (b"<stata_dta>", "stata"),
    *((bytes((version, order, 1, 0)), "stata") for version in (113, 114, 115) for order in (1, 2)),
    (b"RDX", "R"),
    (b"X\n\x00\x00", "R"),
    (b"%PDF", "PDF"),
    *((bytes((0x80, protocol)), "pickle") for protocol in range(2, 6)),
)
_REFUSED = {
    "feather version 1": "is a Feather file of version 1; write it again with a current pandas or R arrow",
    "pickle": "is a Python pickle, which is never loaded because it can run code; save it as CSV, Parquet or .npz",
    "PyTorch": "is a PyTorch file, which is never loaded because it can run code; save it as .safetensors or .npz",
    "xls": "is a workbook of an old Excel (.xls); save it as .xlsx or CSV",
    "OpenDocument": "is an OpenDocument spreadsheet; save it as .xlsx or CSV",
    "R": "is an R data file; write it with write.csv or arrow::write_parquet",
    "PDF": "is a PDF document, expected a table",
    "web page": "is a web page or XML, expected a table; download the file itself",
    "binary": "is a binary file, expected text (CSV, TSV), Parquet, Feather, Excel, HDF5, .npy or .npz",
}
_PACKED = ("gzip", "bzip2", "xz", "zstd", "lz4")
_ARCHIVES = ("zip", "tar")


@dataclass(frozen=True, eq=False)
class Source:
    """Bytes of one file, what to call it in a sentence, and what kind it is."""

    name: str
    data: bytes
    kind: str
    path: Path | None = None  # where the bytes lie on disk as they are, for readers that want a path
    notices: tuple[str, ...] = ()
    member: str | None = None  # of an archive, where the user named it

    def damaged(self, called: str, error: BaseException) -> RecordingError:
        """One sentence about a file of the right kind that does not open."""
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        return RecordingError(f"{self.name} is a damaged {called} file, expected one that opens: {said[:200]}.")


def open_source(path: Path, keys: Sequence[str] = ()) -> Source:
    """Read a file, unpack it where it is packed, and find out what it is.

    One of `keys` may name the member of a zip archive that holds several tables.

    Raises
    ------
    RecordingError
        If the file is missing, unreadable, empty, damaged or of a kind that is not read.
    """
    try:
        if path.is_dir():
            raise RecordingError(f"{path} is a folder, expected a file with one row for each frame.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise RecordingError(absent(path)) from None
    except OSError as error:
        raise RecordingError(f"{path} cannot be opened: {error.strerror or error}.") from error
    except MemoryError:
        raise RecordingError(f"{path} does not fit into memory.") from None
    return _recognised(str(path), data, path, keys, ())


def _recognised(name: str, data: bytes, path: Path | None, keys: Sequence[str], notices: tuple[str, ...]) -> Source:
    chosen = None
    for _ in range(4):
        kind = kind_of(name, data)
        if kind in _PACKED:
            data, path = _unpacked(name, data, kind), None
        elif kind in _ARCHIVES:
            member, data, asked = _member(name, data, kind, keys)
            chosen = member if asked else chosen
            name, path, notices = f"{name} ({member})", None, (*notices, f"The table {member} of the archive was read.")
        else:
            return Source(name, data, kind, path, notices, chosen)
    raise RecordingError(f"{name} is an archive in an archive in an archive; unpack it first.")


def kind_of(name: str, data: bytes) -> str:
    """Kind of a file by its bytes; raises `RecordingError` for kinds that are not read."""
    start = data[:65536]
    if not start.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        raise RecordingError(f"{name} is empty, expected a header and one row for each frame.")
    kind = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
    kind = "tar" if kind is None and start[257:262] == b"ustar" else kind
    if kind == "zip":
        kind = _kind_of_zip(name, data)
    if kind is None:
        end = len(data.rstrip(b"\x00\x1a")) if data[-1:] in (b"\x00", b"\x1a") else len(data)
        kind = _kind_of_text(start[:end], len(data))
    if kind in _REFUSED:
        raise RecordingError(f"{name} {_REFUSED[kind]}.")
    return kind


def _kind_of_text(start: bytes, size: int) -> str:
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < size and b"\x00" in start[:8]:
        return "safetensors"
    if looks_like_utf16(start):
        return "text"
    if b"\x00" in start or sum(byte < 32 and byte not in b"\t\n\r\f\x1a\x1b" for byte in start[:4096]) > 8:
        return "binary"
    plain = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"(?i)<(!doctype|html|\?xml|svg)", plain):
        return "web page"
    if plain[:1] in (b"{", b"[") and re.match(rb'\{\s*("|\})|\[\s*[\[{\]"\d.+-]', plain):
        return "json"
    if re.match(rb"(?i)(\s*%[^\n]*\n|\s)*\s*@relation\b", plain):
        return "arff"
    return "text"


def looks_like_utf16(start: bytes) -> bool:
    """Whether bytes are UTF-16 text: by their mark, or because every second one is zero."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    head = start[: min(len(start), 400) // 2 * 2]
    return len(head) >= 16 and any(
        head[odd::2].count(0) > 0.9 * len(head) / 2 and not head[1 - odd :: 2].count(0) for odd in (0, 1)
    )


def _kind_of_zip(name: str, data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = archive.namelist()
    except Exception as error:
        if b".npy" in data[:512]:
            return "npz"
        raise RecordingError(
            f"{name} is a damaged zip archive or Excel workbook, expected one that opens: {error}."
        ) from error
    if "[Content_Types].xml" in inside:
        return "xlsx" if any(member.startswith("xl/") for member in inside) else "binary"
    if inside and all(member.endswith(".npy") for member in inside):
        return "npz"
    if any(member.endswith("data.pkl") for member in inside):
        return "PyTorch"
    return "OpenDocument" if "content.xml" in inside else "zip"


def _opened(name: str, data: bytes, kind: str):
    if kind == "gzip":
        return gzip.GzipFile(fileobj=io.BytesIO(data))
    if kind in ("bzip2", "xz"):
        return (bz2.BZ2File if kind == "bzip2" else lzma.LZMAFile)(io.BytesIO(data))
    try:
        import pyarrow as pa
    except ImportError as error:
        raise RecordingError(install(name, "pyarrow")) from error
    return pa.CompressedInputStream(pa.BufferReader(data), kind)


def _unpacked(name: str, data: bytes, kind: str) -> bytes:
    try:
        with _opened(name, data, kind) as stream:
            unpacked = stream.read(_MOST_UNPACKED)
    except MemoryError:
        raise RecordingError(f"{name} does not fit into memory when it is unpacked.") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise RecordingError(f"{name} is a damaged {kind} file, expected one that unpacks: {said}.") from error
    if len(unpacked) == _MOST_UNPACKED:
        raise RecordingError(f"{name} unpacks to more than {_MOST_UNPACKED >> 30} GiB; unpack it first.")
    return unpacked


def _member(name: str, data: bytes, kind: str, keys: Sequence[str]) -> tuple[str, bytes, bool]:
    """The table in an archive: its name, its bytes, and whether the user named it."""
    try:
        with _archive(data, kind) as archive:
            inside = [
                one for one in _members(archive) if "/." not in f"/{one[0]}" and not one[0].startswith("__MACOSX/")
            ]
            tables = [one for one in inside if one[0].removesuffix(".gz").lower().endswith(_INSIDE)]
            called = {one[0]: one for one in inside} | {one[0].rsplit("/", 1)[-1]: one for one in inside}
            named = [(key, called[key]) for key in keys if key in called]
            if len(named or tables) != 1:
                found = ", ".join(one[0] for one in inside[:12]) or "nothing"
                first = Setting("key", tables[0][0]) if tables else None
                choose = ("; choose one with ", first, ", or unpack it") if first else ()
                what = f"{name} is a {kind} archive with {len(tables)} tables, expected one"
                raise RecordingError(what, *choose, f" (found: {found}).")
            name_inside, (_, size, read) = named[0] if named else (tables[0][0], tables[0])
            if size >= _MOST_UNPACKED:
                raise RecordingError(f"{name} unpacks to more than {_MOST_UNPACKED >> 30} GiB; unpack it first.")
            return name_inside, read(), bool(named)
    except RecordingError:
        raise
    except MemoryError:
        raise RecordingError(f"{name} does not fit into memory when it is unpacked.") from None
    except Exception as error:  # zipfile, tarfile, zlib, lzma and struct have errors of their own; so has a password
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise RecordingError(f"{name} is a damaged {kind} archive, expected one that unpacks: {said}.") from error


def _archive(data: bytes, kind: str) -> zipfile.ZipFile | tarfile.TarFile:
    return zipfile.ZipFile(io.BytesIO(data)) if kind == "zip" else tarfile.open(fileobj=io.BytesIO(data), mode="r:")


def _members(archive: zipfile.ZipFile | tarfile.TarFile) -> list[tuple[str, int, Callable[[], bytes]]]:
    """Names and sizes of the files in an archive, and what reads each."""
    if isinstance(archive, zipfile.ZipFile):
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        return [(entry.filename, entry.file_size, partial(archive.read, entry)) for entry in entries]
    files = [(entry, opened) for entry in archive.getmembers() if (opened := archive.extractfile(entry)) is not None]
    return [(entry.name.removeprefix("./"), entry.size, opened.read) for entry, opened in files]
