"""Text parsed piece by piece: the same columns, notices and refusals as text parsed at once."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.recordings import RecordingError, read
from rpca_affect.recordings.containers import load, parsing

pytest.importorskip("pyarrow")
N = 300


def decimals(rng):
    return [f"{value:.3f}" for value in rng.normal(size=N)]


def counts(rng):
    return [str(value) for value in rng.integers(-9, 99, N)]


def below(rng, first, then):
    """What stands in the first rows, and below them, from some row on or in one row only."""
    row = int(rng.integers(150, N))
    return [*first[:row], then[row], *(then if rng.random() < 0.5 else first)[row + 1 :]]


COLUMNS = {
    "decimals": decimals,
    "decimals with gaps": lambda rng: ["" if rng.random() < 0.2 else cell for cell in decimals(rng)],
    "counts": counts,
    "large counts": lambda rng: [str(2**53 + 1 + k) for k in range(N)],
    "nothing": lambda rng: [""] * N,
    "truth": lambda rng: [str(rng.random() < 0.5).lower() for _ in range(N)],
    "digits that are a code": lambda rng: [f"{k:05d}" for k in range(N)],
    "words": lambda rng: [f"p{k // 40}" for k in range(N)],
    "quoted words": lambda rng: [f'"p, {k // 40}"' for k in range(N)],
    "words on two lines": lambda rng: [f'"p\n{k // 40}"' for k in range(N)],
    "dates": lambda rng: [f"2024-05-{1 + k // 20:02d}" for k in range(N)],
    "times": lambda rng: [f"12:{k // 60:02d}:{k % 60:02d}" for k in range(N)],
    "counts, decimals below": lambda rng: below(rng, counts(rng), decimals(rng)),
    "large counts, decimals below": lambda rng: below(rng, [str(2**60 + k) for k in range(N)], decimals(rng)),
    "nothing, decimals below": lambda rng: below(rng, [""] * N, decimals(rng)),
    "nothing, words below": lambda rng: below(rng, [""] * N, ["p1"] * N),
    "nothing, dates below": lambda rng: below(rng, [""] * N, ["2024-05-01"] * N),
    "decimals, infinity below": lambda rng: below(rng, decimals(rng), ["inf"] * N),
    "decimals, words below": lambda rng: below(rng, decimals(rng), ["FIND_FAILED"] * N),
    "counts, words below": lambda rng: below(rng, counts(rng), ["lost"] * N),
    "counts, dates below": lambda rng: below(rng, counts(rng), ["2024-05-01"] * N),
    "truth, counts below": lambda rng: below(rng, ["true"] * N, ["1"] * N),
    "words, counts below": lambda rng: below(rng, ["p1"] * N, counts(rng)),
    "decimals, a slip below": lambda rng: below(rng, decimals(rng), ["0.1x"] * N),
}


def text_of(kinds, seed):
    rng = np.random.default_rng(seed)
    columns = [[str(k / 25) for k in range(N)], *(COLUMNS[kind](rng) for kind in kinds)]
    head = ",".join(["time", *(f"c{k}" for k in range(len(kinds)))])
    return "\n".join([head, *map(",".join, zip(*columns))]) + "\n"


def outcome(path, call, size):
    """What a reading gives, as frame or recording, or the sentence it refuses with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "PIECE", size)
        try:
            return call(path)
        except RecordingError as error:
            return str(error)


def alike(path):
    pieces, whole = (outcome(path, lambda place: load(place).frame, size) for size in (300, 1 << 30))
    pd.testing.assert_frame_equal(pieces, whole) if isinstance(whole, pd.DataFrame) else None
    assert isinstance(whole, pd.DataFrame) or pieces == whole
    pieces, whole = (outcome(path, read, size) for size in (300, 1 << 30))
    if isinstance(whole, str):
        assert pieces == whole
        return
    np.testing.assert_array_equal(pieces.values, whole.values)
    np.testing.assert_array_equal(pieces.mask, whole.mask)
    assert pieces.notices == whole.notices


@given(kinds=st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=6), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_pieces_give_what_the_whole_gives(kinds, seed, tmp_path_factory):
    path = tmp_path_factory.mktemp("pieces") / "table.csv"
    path.write_text(text_of(kinds, seed))
    alike(path)


@pytest.mark.parametrize("kind", sorted(COLUMNS))
def test_every_kind_of_column_beside_decimals(kind, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(text_of(["decimals", kind, "decimals"], 3))
    alike(path)


@pytest.mark.parametrize("damage", ["short", "long", "blank", "blank end", "open quote", "cut", "cut in a cell"])
def test_damage_far_below_is_refused_alike(damage, tmp_path):
    lines = text_of(["decimals", "counts", "decimals"], 1).splitlines()
    row = 250
    lines[row] = {
        "short": lines[row].rpartition(",")[0],
        "long": lines[row] + ",1",
        "open quote": '"' + lines[row],
    }.get(damage, lines[row])
    lines[row:row] = [""] * 40 if damage == "blank" else []
    text = "\n".join(lines) + "\n" * (200 if damage == "blank end" else 1)
    path = tmp_path / "table.csv"
    path.write_text(text[: {"cut": -12, "cut in a cell": -2}.get(damage, len(text))])
    alike(path)


CLEAN = ["decimals", "decimals with gaps", "counts", "words", "dates", "counts, decimals below", "nothing, dates below"]


@pytest.mark.parametrize("more", [[], ["quoted words"], ["words on two lines"]])
def test_clean_text_is_parsed_once(more, tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text(text_of([*more, *CLEAN], 5))
    parts, original = [], parsing._pieces

    def pieces(data, start, size):
        for first, last in original(data, start, size):
            parts.append(data[first:last])
            yield first, last

    monkeypatch.setattr(parsing, "PIECE", 1000)
    monkeypatch.setattr(parsing, "_pieces", pieces)
    assert len(load(path).frame) == N
    text = path.read_bytes()
    assert b"".join(parts) == text[text.index(b"\n") + 1 :]
    assert "two lines" in str(more) or max(map(len, parts)) <= 1000


def test_decimals_are_laid_down_once(tmp_path, monkeypatch):
    """What is read is one block that no step has copied."""
    path = tmp_path / "table.csv"
    path.write_text(text_of(["decimals", "words", "decimals", "counts", "decimals"], 5))
    monkeypatch.setattr(parsing, "PIECE", 1000)
    frame = load(path).frame
    block = frame["c0"].to_numpy().base
    assert all(np.shares_memory(block, frame[name].to_numpy()) for name in ("c0", "c2", "c4"))
    assert block.nbytes <= 8 * 4 * (N + 1)  # three columns and the time
