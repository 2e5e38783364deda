"""A study of at least 24 mixed recordings: killed half way and resumed, with two workers, and its table checked.

    python -m benchmarks.study          # make study; needs RPCA_AFFECT_DATA

The text recordings in RPCA_AFFECT_DATA (OpenFace, py-feat old and new, iMotions, Live Link, Kinect points) are put into
one folder.  Some of them lack the features that are asked for: those become rows with an error, and stop nothing.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.commands import parser
from benchmarks.shells import contents

FEATURES = "AU*"
_TIMES = {"seconds", "modified"}  # names in summaries and manifests that say when, or how long


def main() -> int:
    """Measure, print and write the figures, and return the exit code."""
    given = parser("benchmarks.study", __doc__).parse_args()
    data = os.environ.get("RPCA_AFFECT_DATA")
    if not data:
        raise SystemExit("Set RPCA_AFFECT_DATA to the folder of the recordings.")
    with tempfile.TemporaryDirectory(prefix="study-") as name:
        place = Path(name)
        count = gathered(Path(data), place / "in")
        whole = timed(place, "whole")
        killed, kept = half_way(place, "killed", count // 2)
        resumed = timed(place, "killed")
        jobs = timed(place, "jobs", "--jobs", "2")
        again = timed(place, "whole")
        differ = {out: different(place / "whole", place / out) for out in ("killed", "jobs")}
        table = pd.read_csv(place / "whole" / "study.csv")
        wrong = [f"{row.recording}: {text}" for row in table.itertuples() for text in misstated(place / "whole", row)]
    failed = int(table["error"].notna().sum())
    lines = [
        "# A study of mixed recordings",
        "",
        f"`make study`: {count} recordings, {failed} of them without the features asked for ({FEATURES}); "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.",
        "",
        "| run | seconds | of the whole run |",
        "|---|---|---|",
        f"| one worker | {whole:.1f} | 1 |",
        f"| two workers (`--jobs 2`) | {jobs:.1f} | {jobs / whole:.2f} |",
        f"| killed after {kept} recordings | {killed:.1f} | {killed / whole:.2f} |",
        f"| the same command again, which goes on | {resumed:.1f} | {resumed / whole:.2f} |",
        f"| once more, nothing left to do | {again:.1f} | {again / whole:.2f} |",
        "",
        *(
            f"- Files that differ from the whole run, times aside, {called}: {len(differ[out])}"
            f"{' (' + ', '.join(differ[out][:5]) + ')' if differ[out] else ''}."
            for out, called in (("killed", "killed and resumed"), ("jobs", "with two workers"))
        ),
        f"- Cells of `study.csv` that the tables of the recordings contradict: {len(wrong)} of {7 * (count - failed)}.",
    ]
    text = "\n".join([*lines, *wrong[:10]])
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "study.md").write_text(text + "\n", encoding="utf-8")
    return int(bool(wrong or any(differ.values()) or count < 24 or not 0 < kept < count))


def gathered(data: Path, folder: Path) -> int:
    """Copy the text recordings into one folder, as somebody's disk has them, and count them."""
    count = 0
    for program in ("openface", "pyfeat", "imotions", "livelink", "gfe"):
        for file in sorted((data / program).rglob("*")):
            if file.suffix in (".csv", ".txt") and file.stem not in ("clip_attrs", "data_descriptions"):
                if file.stem.endswith("_targets"):
                    continue
                target = folder / program / file.relative_to(data / program)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
                count += 1
    return count


def started(place: Path, out: str, *words: str) -> subprocess.Popen:
    """Start the command, in a process group of its own."""
    command = [sys.executable, "-m", "rpca_affect", "decompose", "in", "-o", out, "--features", FEATURES, *words]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True)  # fmt: skip


def timed(place: Path, out: str, *words: str) -> float:
    """Seconds of a run, which ends as a study with errors in it does."""
    start = time.perf_counter()
    code = started(place, out, *words).wait(timeout=1800)
    if code != 2:
        raise SystemExit(f"exit {code}, expected 2: some recordings lack the features asked for")
    return time.perf_counter() - start


def half_way(place: Path, out: str, count: int) -> tuple[float, int]:
    """Kill a run when so many recordings are finished: its seconds, and how many were."""
    start = time.perf_counter()
    process = started(place, out)
    while process.poll() is None and len(list((place / out).rglob("summary.json"))) < count:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return time.perf_counter() - start, len(list((place / out).rglob("summary.json")))


def different(whole: Path, other: Path) -> list[str]:
    """Files of two studies that differ, the times in summaries and manifests aside."""
    hashes = contents(whole), contents(other)
    names = sorted({*hashes[0], *hashes[1]})
    unlike = [name for name in names if hashes[0].get(name) != hashes[1].get(name)]
    return [name for name in unlike if not (name.endswith(".json") and _alike(whole / name, other / name))]


def _alike(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()):
        return False
    return _timeless(json.loads(one.read_text())) == _timeless(json.loads(other.read_text()))


def _timeless(value: Any) -> Any:
    """The same without times, and without the hashes of files that hold them."""
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name not in _TIMES and name != "summary.json"}
        return {name: _timeless(item) for name, item in kept.items()}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def misstated(study: Path, row: Any) -> list[str]:
    """Cells of a row of study.csv that the tables of its recording contradict."""
    if not pd.isna(row.error):
        return []
    folder = study / row.recording
    features = pd.read_csv(folder / "features.csv", dtype={"feature": str})["feature"].tolist()
    summary = json.loads((folder / "summary.json").read_text())
    mask, transient = (_columns(folder, part, features) for part in ("mask", "transient"))
    known = mask == 1
    events = len(pd.read_csv(folder / "events.csv"))
    minutes = None if pd.isna(row.fps) else len(mask) / row.fps / 60
    pairs = {
        "frames": (row.frames, len(mask)),
        "missing": (row.missing, 1 - known.mean()),
        "rank": (row.rank, max(summary["rank"])),
        "predicted": (row.predicted, summary.get("predicted")),
        "density": (row.density, (transient != 0)[known].mean()),
        "events_per_minute": (row.events_per_minute, None if minutes is None else events / minutes),
        "doubts": (row.doubts, "; ".join(dict.fromkeys(doubt["kind"] for doubt in summary["doubts"])) or None),
    }
    return [f"{name} {said}, tables {found}" for name, (said, found) in pairs.items() if not _same(said, found)]


def _columns(folder: Path, part: str, features: list[str]) -> np.ndarray:
    file = next(folder.glob(f"{part}.*"))
    table = pd.read_csv(file, sep="\t" if file.suffix == ".tsv" else ",", low_memory=False)
    table.columns = [str(name).strip() for name in table.columns]
    return table[features].to_numpy(dtype=float)


def _same(said: Any, found: Any) -> bool:
    if found is None or pd.isna(found):
        return bool(pd.isna(said))
    return said == found if isinstance(found, str) else bool(np.isclose(said, found, atol=1e-3))


if __name__ == "__main__":
    sys.exit(main())
