"""Damaged files, made from good ones by a seeded command: each is refused in one sentence, or read without a shift.

    python -m benchmarks.damage            2,000 files from generated tables and the recordings in RPCA_AFFECT_DATA
    python -m benchmarks.damage 200 3      200 files, seed 3

A file that is still read is compared with its original by `benchmarks.damage_judge`: where the damage left it alone, to
the last digit.  Exit code 1 where there is a shift, a changed digit, a name that is lost, half-written output, a
traceback, a hang or a sentence that does not name the file.
"""

import bz2
import gzip
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.damage_judge import Known, judged
from rpca_affect.recordings import RecordingError, read
from rpca_affect.recordings.formats import formats
from rpca_affect.results.folder import MANIFEST, Manifest
from rpca_affect.results.split_tables import PARTS
from rpca_affect.study.one import Job, run

_SECONDS = 30.0  # a small file that takes longer counts as a hang
_LARGEST = 150_000
FINE = ("read", "refused", "whole", "other numbers, no checksum")


def originals(folder: Path, real: str | None = None) -> list[Path]:
    """Good files of every format and container that can be written here, and the recordings at hand."""
    for name, module in formats().items():
        (folder / name).mkdir(parents=True)
        try:
            module.example(folder / name, 0)
        except ImportError:
            continue
    table = read(next((folder / "openface").iterdir())).frame()
    table.columns = [str(name).strip() for name in table.columns]
    table.to_csv(folder / "german.csv", index=False, sep=";", decimal=",")
    table.to_csv(folder / "tab.tsv", index=False, sep="\t")
    table.to_csv(folder / "utf16.csv", index=False, encoding="utf-16")
    (folder / "lines.jsonl").write_text(table.to_json(orient="records", lines=True))
    (folder / "records.json").write_text(table.to_json(orient="records"))
    table.to_parquet(folder / "table.parquet")
    table.to_feather(folder / "table.feather")
    table.to_excel(folder / "table.xlsx", index=False)
    np.savez_compressed(folder / "array.npz", x=table.to_numpy())
    text = table.to_csv(index=False).encode()
    (folder / "packed.csv.gz").write_bytes(gzip.compress(text, mtime=0))
    (folder / "packed.csv.bz2").write_bytes(bz2.compress(text))
    good = sorted(file for file in folder.rglob("*") if file.is_file())
    found = sorted(Path(real).rglob("*")) if real else []
    suffixes = (".csv", ".tsv", ".txt", ".npy", ".npz")
    candidates = [file for file in found if file.suffix in suffixes and file.stat().st_size < _LARGEST]
    return good + [file for file in candidates if outcome(file)[0] == "read"]


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Truncated anywhere."""
    return data[: rng.integers(1, len(data))]


def shifted(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes lost or put in."""
    at = int(rng.integers(0, len(data)))
    return data[:at] + data[at + int(rng.integers(1, 4)) :] if rng.random() < 0.5 else data[:at] + b",7" + data[at:]


def swapped(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed."""
    changed = bytearray(data)
    for at in rng.integers(0, len(data), int(rng.integers(1, 9))):
        changed[at] = int(rng.integers(0, 256))
    return bytes(changed)


def zeroed(data: bytes, rng: np.random.Generator) -> bytes:
    """A run of zero bytes, as a full disk leaves."""
    at = int(rng.integers(0, len(data)))
    return data[:at] + bytes(min(64, len(data) - at)) + data[at + 64 :]


_WORDS = (b"oops", b"9" * 400, b"1e999", b"-", b'"', b"1,2,3", b"\xe9", b"=1+1", b"nan", b"[1, 2]", b"", b"007")


def celled(data: bytes, rng: np.random.Generator) -> bytes:
    """A wrong cell, a giant number, a cell too many or too few, a row twice."""
    rows = data.split(b"\n")
    at = int(rng.integers(0, len(rows)))
    mark = b"\t" if b"\t" in rows[at] else b";" if b";" in rows[at] else b","
    cells = rows[at].split(mark)
    place = int(rng.integers(0, len(cells)))
    if rng.random() < 0.2 and len(cells) > 1:
        del cells[place]
    else:
        cells[place] = _WORDS[rng.integers(0, len(_WORDS))]
    rows[at] = mark.join(cells)
    return b"\n".join(rows[:at] + rows[at : at + 1] * int(rng.integers(1, 3)) + rows[at + 1 :])


def columned(data: bytes, rng: np.random.Generator) -> bytes:
    """A separator more or less in every row but the header, as a program with a bug writes them."""
    rows = data.split(b"\n")
    mark = b"\t" if b"\t" in rows[-2 if len(rows) > 1 else 0] else b";" if b";" in rows[-1 - (len(rows) > 1)] else b","
    if rng.random() < 0.5:
        return b"\n".join(rows[:1] + [mark + row if row else row for row in rows[1:]])
    return b"\n".join(rows[:1] + [row.partition(mark)[2] if row else row for row in rows[1:]])


WAYS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (cut, shifted, swapped, zeroed, celled, columned)


def outcome(path: Path, known: Known | None = None) -> tuple[str, str]:
    """What reading a file comes to: refused, read, or a defect, with what was said."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recording = read(path)
        verdict, said = "read", ""
        if len(recording.frame()) != recording.n_frames:
            verdict, said = "rows lost", f"{len(recording.frame())} of {recording.n_frames}"
        elif known is not None and (wrong := judged(known, path, recording))[0]:
            verdict, said = wrong
    except RecordingError as error:
        verdict, said = "refused", str(error)
        if "\n" in said or path.name not in said:
            verdict = "not one sentence about the file"
    except Exception:
        verdict, said = "undocumented exception", traceback.format_exc()
    return ("hang" if time.perf_counter() - start > _SECONDS else verdict), said


def half_written(path: Path, target: Path, verdict: str) -> str:
    """Split a file as the shell does; what is wrong with the folder of its results, "" where nothing is."""
    done = run(Job(path.name, path, target, {"check": False, "lags": 1, "max_iter": 20}))
    if verdict == "refused" or done.failure is not None:
        left = sorted(target.rglob("*")) if target.exists() else []
        return f"refused, and left {left[0].name}" if left else "" if done.failure else "refused, then split"
    found = Manifest.read(target)
    if found is None or not found.complete:
        return "no complete manifest"
    there = {file.name for file in target.iterdir()} - {MANIFEST}
    if there != set(found.files):
        return f"{sorted(there ^ set(found.files))} differ from the manifest"
    rows = {name: content_rows(target / name) for name in there if Path(name).stem in PARTS}
    return "" if len(set(rows.values())) == 1 else f"tables of {rows} lines"


def content_rows(path: Path) -> int:
    """Lines of a table."""
    return path.read_bytes().count(b"\n")


def damage(number: int, seed: int, folder: Path, real: str | None = None, split: int = 10) -> Counter[tuple[str, str]]:
    """Damage `number` files in every way in turn, and count what reading them comes to, by way and verdict.

    Every refused file, and every `split`-th that is read, is given to the shell's job as well: its results are there
    whole, or not at all.
    """
    rng = np.random.default_rng(seed)
    counts: Counter[tuple[str, str]] = Counter()
    good = originals(folder / "good", real)
    known = [Known.of(file) for file in good]
    for i in range(number):
        k, way = i % len(good), WAYS[(i // len(good)) % len(WAYS)]
        path = folder / f"damaged_{i}{good[k].suffix}"
        path.write_bytes(way(known[k].data, rng))
        verdict, said = outcome(path, known[k])
        if verdict == "refused" or (verdict == "read" and counts[way.__name__, "read"] % split == 0):
            wrong = half_written(path, folder / "out", verdict)
            verdict, said = ("half-written output", wrong) if wrong else (verdict, said)
            counts["results", "refused" if verdict == "refused" else "whole"] += not wrong
            shutil.rmtree(folder / "out", ignore_errors=True)
        counts[way.__name__, verdict] += 1
        if verdict not in FINE:
            print(f"{good[k].name} {way.__name__} {i}: {verdict}: {said[-1500:]}", flush=True)
            print(_changed(known[k].data, path.read_bytes()), flush=True)
        path.unlink()
    return counts


def _changed(before: bytes, now: bytes) -> str:
    """The first line that differs, before and after."""
    for number, (was, is_) in enumerate(zip(before.split(b"\n"), now.split(b"\n")), start=1):
        if was != is_:
            return f"  line {number}: {was[:200]!r}\n       now: {is_[:200]!r}"
    return "  the end is cut"


def defects(counts: Counter[tuple[str, str]]) -> int:
    """How many of the counted things must not happen."""
    return sum(n for (_, verdict), n in counts.items() if verdict not in FINE)


def main(number: int = 2000, seed: int = 0) -> int:
    """Print the figures and return the exit code."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        counts = damage(number, seed, Path(name), os.environ.get("RPCA_AFFECT_DATA"))
    results = {verdict: counts.pop(("results", verdict), 0) for verdict in ("refused", "whole")}
    verdicts = sorted({verdict for _, verdict in counts}, key=lambda v: (v != "refused", v != "read", v))
    print(" | ".join(["damage", *verdicts]))
    for way in WAYS:
        print(" | ".join([way.__name__, *(str(counts[way.__name__, verdict]) for verdict in verdicts)]))
    print(f"{sum(counts.values())} files, seed {seed}, {time.perf_counter() - start:.0f} s")
    print(f"split as well: {results['whole']} with whole results, {results['refused']} refused without a trace")
    return int(defects(counts) > 0)


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
