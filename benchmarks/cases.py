"""Every small case that was once read wrongly, against what is right: `make cases`.

The cases lie in the folder RPCA_AFFECT_CASES, or in `cases` beside the folder RPCA_AFFECT_DATA.  What is right is
declared here, case by case: rows, features, frames per second, sequences and masked frames, or the words that a refusal
must hold.  Calls that once broke the shell are those of `benchmarks.break_cases`.  Exit code 1 where a case is wrong.
"""

import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.break_cases import BROKEN, outcome_of
from benchmarks.commands import parser
from rpca_affect.recordings import RecordingError, describe, read, recordings_in


@dataclass(frozen=True)
class Right:
    """What reading a case must give; None where anything goes."""

    rows: int | None = None
    features: int | None = None
    rate: float | None = None  # 0 where none can be known
    sequences: int = 1
    masked: int | None = 0
    said: str = ""  # part of a notice
    refused: str = ""  # part of a refusal; reading is then wrong


CASES = {
    "field/00_six_of_600_frames_are_minus_999.csv": Right(600, 24, 30, masked=6, said="-999"),
    "field/01_rows_end_with_comma_header_does_not.csv": Right(300, 34, 30, said="ends with a separator"),
    "field/02_libreface_video_time_and_au_names.csv": Right(300, None, 30),
    "field/02_mediapipe_timestamp_in_brackets.csv": Right(300, 12, 30),
    "field/03_avec_openxbow_au_frametime.csv": Right(300, 17, 30),
    "field/03_opensmile_lld_frametime.csv": Right(400, 8, 100),
    "field/03_opensmile_lld_three_clips_in_one_file.csv": Right(900, 8, 100, sequences=3),
    "field/04_facereader_detailed_log_real_MIT.txt": Right(600, 7, 30, masked=184, said="FIND_FAILED"),
    "field/04_facereader_without_preamble.txt": Right(600, 7, 30, masked=184, said="FIND_FAILED"),
    "field/05_emotivpro_title_line.csv": Right(500, 5, 128),
    "field/05_openbci_percent_preamble.txt": Right(None, 8, None),
    "field/06_excel_sep_hint.csv": Right(300, 34, 30),
    "field/06_excel_sep_hint_quoted.csv": Right(300, 34, 30),
    "field/07_deeplabcut_with_likelihood.csv": Right(None, 8, None, masked=None),
    "field/07_lightning_pose_three_header_rows_MIT.csv": Right(None, 34, 0, masked=None),
    "field/08_german_decimals_one_dash_drops_a_column.csv": Right(refused="line 151, column 'AU04' holds '-'"),
    "field/08_german_openface_typo_blamed_on_line_2.csv": Right(refused="line 151, column 'AU04_r' holds '1,2O'"),
    "field/09_affectiva_two_faces_mixed.csv": Right(600, 9, 30, sequences=2, masked=None),
    "field/09_imotions_two_sources_interleaved.csv": Right(900, 9, 30, masked=600),
    "field/09_participants_in_one_table_mixed.csv": Right(360, 12, 0, sequences=3),
    "field/10_zero_rows_when_face_lost.csv": Right(300, 12, 30, masked=18, said="hold 0 in every feature"),
    "field/11_pandas_unnamed_0_is_a_feature.csv": Right(300, 12, 0),
    "field/12_openface_timestamp_in_ms.csv": Right(300, 34, 30, said="milliseconds"),
    "field/13_one_blendshape_per_row.csv": Right(300, 12, 30, said="long form"),
    "field/14_arff_called_csv.csv": Right(None, 6, 0),
    "field/14_frames.jsonl": Right(300, 12, None),
    "field/14_list_in_a_cell.csv": Right(refused="holds a list"),
    "field/14_recording.json": Right(300, 12, 30),
    "field/15_german_thousands_dots.csv": Right(300, 6, 0, said="thousands"),
    "field/15_thousands_separators.csv": Right(300, 6, 0, said="thousands"),
    "field/16_time_as_mm_ss_s.csv": Right(300, 12, 30, said="rounded"),
    "field/16_time_german_date.csv": Right(300, 12, 30),
    "field/16_time_us_am_pm.csv": Right(300, 12, 30),
    "field/17_windows_1252.csv": Right(300, 12, 30, said="1252"),
    "field/19_real_openface_au_always_meaningless_LGPL.csv": Right(490, 22, 25),
    "field/21_empatica_first_row_is_unix_time.csv": Right(500, 3, 32, said="unix time"),
    "field/21_one_gigantic_frame.npz": Right(500, 20, 0, masked=1),
    "field/22_excel_error_cells.csv": Right(300, 12, 0, said="#VALUE!"),
    "field/22_missing_written_as_dot.csv": Right(300, 12, 0, masked=10, said="'.'"),
    "field/22_missing_written_as_undefined.csv": Right(300, 12, 0, masked=10, said="undefined"),
    "field/23_comma_is_decimal_mark_and_separator.csv": Right(refused="decimal mark seems to be a comma"),
    "break/frame_inf.csv": Right(11, 2, 0),
    "break/frame_ok.csv": Right(11, 2, 0),
    "break/giant_int_column.csv": Right(11, None, 25, said="infinite"),
    "break/livelink_empty_timecode.csv": Right(refused="line 9, column 'Timecode'"),
    "break/trailing_comma_rows.csv": Right(79, 6, 30),
    "break/hostile.csv": Right(200, 14, 30),
    "break/labels_empty.csv": Right(refused="no feature column"),
}

# Folders: recordings found in them, with what each must give, and files left out with a note.
FOLDERS = {
    "field/18_openface_processed_folder": (2, 2, Right(masked=None, rate=30)),
    "field/18_study_with_a_folder_per_person": (2, 0, Right(masked=None)),
}


def folder() -> Path:
    """Folder of the cases."""
    given = os.environ.get("RPCA_AFFECT_CASES")
    if given:
        return Path(given)
    data = os.environ.get("RPCA_AFFECT_DATA")
    if not data:
        raise SystemExit("Set RPCA_AFFECT_CASES to the folder of the cases, or RPCA_AFFECT_DATA to the one beside it.")
    return Path(data).parent / "cases"


def verdict(path: Path, right: Right) -> tuple[list, str]:
    """Cells of the table for a case, and what is wrong with it ("" where nothing is)."""
    try:
        recording = read(path)
    except RecordingError as error:
        said = str(error).replace(str(path), path.name)
        wrong = "" if right.refused and right.refused in said else f"refused: {said}"
        return ["refused", "", "", "", "", "", said[:60]], wrong
    about = describe(recording)
    rate = about["fps"] or 0
    roles = Counter(role["role"] for role in about["roles"])
    kinds = ", ".join(f"{kind} {n}" for kind, n in roles.items())
    counts = [about["n_sequences"], about["masked_frames"]]
    cells = [about["format"], about["n_frames"], about["n_features"], f"{rate:.4g}", *counts, kinds]
    wrong = [f"read, expected to be refused ({right.refused})"] if right.refused else []
    pairs = (
        ("rows", "n_frames"),
        ("features", "n_features"),
        ("sequences", "n_sequences"),
        ("masked", "masked_frames"),
    )
    for name, key in pairs:
        expected = getattr(right, name)
        if expected is not None and about[key] != expected:
            wrong.append(f"{name} {about[key]}, expected {expected}")
    if right.rate is not None and abs(rate - right.rate) > 0.01 * right.rate:
        wrong.append(f"rate {rate:g}, expected {right.rate:g}")
    if right.said and not any(right.said in notice for notice in about["notices"]):
        wrong.append(f"no notice about {right.said!r}")
    return cells, "; ".join(wrong)


def rows(root: Path) -> list[list[str]]:
    """Rows of the table of files and folders, the verdict last: "right", or what is wrong."""
    found = []
    for name, right in CASES.items():
        cells, problem = verdict(root / name, right)
        found.append([name, *map(str, cells), f"WRONG: {problem}" if problem else "right"])
    for name, (n_files, n_notes, right) in FOLDERS.items():
        inside = recordings_in(root / name)
        problems = [problem for file in inside.files if (problem := verdict(file, right)[1])]
        if (len(inside.files), len(inside.notes)) != (n_files, n_notes):
            problems.append(f"{len(inside.files)} recordings and {len(inside.notes)} notes")
        cells = ["folder", f"{len(inside.files)} recordings", f"{len(inside.notes)} left out", *[""] * 4]
        found.append([name, *cells, f"WRONG: {'; '.join(problems)}" if problems else "right"])
    return found


def calls(root: Path) -> list[list[str]]:
    """Rows of the table of calls: what was found, and the verdict."""
    found = []
    with tempfile.TemporaryDirectory(prefix="cases-") as place:
        for number, name in enumerate(BROKEN):
            said, problem = outcome_of(name, root / "break", Path(place) / str(number))
            found.append([name, said, f"WRONG: {' '.join(problem.split())}" if problem else "right"])
            print(" | ".join(found[-1]), file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Print and write the tables, and return the exit code."""
    given = parser("benchmarks.cases", __doc__).parse_args()
    root = folder()
    heads = ("case", "format", "rows", "features", "rate", "sequences", "masked", "roles", "verdict")
    tables = [[heads, *rows(root)], [("call", "found", "verdict"), *calls(root)]]
    wrong = sum(row[-1] != "right" for table in tables for row in table[1:])
    total = sum(len(table) - 1 for table in tables)
    lines = ["# Cases", "", f"`make cases`: {total - wrong} of {total} right.", ""]
    for table in tables:
        head, *body = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in table)
        lines += [f"| {head} |", "|---" * len(table[0]) + "|", *(f"| {row} |" for row in body), ""]
    text = "\n".join(lines)
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "cases.md").write_text(text, encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
