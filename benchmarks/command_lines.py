"""Command lines drawn from a seed, and the folder that they run in: for `benchmarks.break_it`."""

import random
from pathlib import Path

import numpy as np

__all__ = ["drawn", "good", "own_files"]

FRAMES, FEATURES = 40, 4


def own_files(place: Path, rng: random.Random) -> None:
    """A few recordings, some of them damaged, and files of the user's own with the names of results."""
    (place / "in" / "sub").mkdir(parents=True)
    (place / "study").mkdir()
    table = np.random.default_rng(rng.randrange(99)).normal(size=(FRAMES, FEATURES + 1)).cumsum(axis=0)
    text = "timestamp,AU01,AU02,AU04,AU06\n" + "\n".join(
        ",".join(map(str, [i / 30, *row[:FEATURES].round(3)])) for i, row in enumerate(table)
    )
    cut = rng.randrange(len(text))
    (place / "base.csv").write_text(text)
    (place / "in" / "a.csv").write_text(text)
    (place / "in" / "sub" / "a.csv").write_text(text[:cut])
    (place / "in" / "b.csv").write_text(text.replace("0.", rng.choice(["0,", "x", "\0", "1e999", "\x1b[31m"]), 3))
    np.save(place / "in" / "c.npy", table)
    np.save(place / "mask.npy", np.random.default_rng(0).random((FRAMES, FEATURES)) > 0.1)
    (place / "\x1b[2J.csv").write_text(text)
    for name in ("p1.csv", "p2.csv"):
        (place / "study" / name).write_text(text.replace("AU06", "AU12"))
    (place / "study" / "participants.tsv").write_text("participant_id\tage\np1\t30\np2\tn/a\n")
    for name in rng.sample(["events.csv", "summary.json", "report.html", "manifest.json", "study.csv", "mask.csv"], 3):
        (place / name).write_text("mine")
    (place / "recipe.toml").write_text(rng.choice(['[data]\nkind = "npz"\nfile = "base.csv"\n', "[data", "task = 3\n"]))


def drawn(rng: random.Random) -> tuple[list[str], bool]:
    """A command line, and whether it is good: nothing in it, and nothing in its folder, is a reason to refuse it."""
    return (good(rng), True) if rng.random() < 0.6 else (anything(rng), False)


def good(rng: random.Random) -> list[str]:
    """Words that fit each other and the files of `own_files`."""
    kind = rng.choices(["one", "study", "inspect", "help", "formats", "demo", "bench"], [55, 12, 20, 5, 3, 2, 3])[0]
    recording = rng.choice(["base.csv", "in/a.csv", "in/c.npy", "\x1b[2J.csv", "./in/../base.csv"])
    if kind == "help":
        return rng.choice([["--version"], ["--help"], ["decompose", "--help"], ["inspect", "-h"], ["train", "--help"]])
    if kind == "formats":
        return ["formats", *rng.choice([[], ["--json"]])]
    if kind == "demo":
        return ["demo", "--seconds", "3", "-o", "demo-out", "--seed", str(rng.randrange(9))]
    if kind == "bench":
        return ["bench", "--frames", "40", "--features", "20", "--repeat", "1", *rng.choice([[], ["--json"]])]
    named = recording != "in/c.npy"  # an array has neither names of action units nor the shape of the mask
    reading = [["--fps", "25"], ["--max-gap", "2"], ["--min-confidence", "0.5"]]
    reading += [["--features", rng.choice(["AU", "AU01,AU02", "AU0*"])], ["--time", "timestamp"]] if named else []
    if kind == "inspect":
        return _with(rng, ["inspect", recording], [*reading, ["--json"]])
    pool = [
        *reading, ["--json"], ["--quiet"], ["--overwrite"], ["--threshold", rng.choice(["1.5", "3", "6"])],
        ["--lam", rng.choice(["0.1", "0.3"])], ["--noise", rng.choice(["auto", "none", "0", "0.2"])],
        ["--tol", rng.choice(["1e-3", "1e-6"])], ["--max-iter", rng.choice(["30", "900"])], ["--no-refit"],
        ["--solver", rng.choice(["ialm", "admm"])], ["--solver", "altproj", "--rank", "2"], ["--no-check"],
        ["--solver", "godec", "--rank", "1", "--cardinality", "12"], ["--lags", rng.choice(["1", "3", "auto"])],
        ["--table", rng.choice(["csv", "parquet"])], ["--digits", rng.choice(["3", "17", "auto"])],
        ["--missing", "NA"], ["--sparse", "frames"], ["--scale", rng.choice(["none", "spread", "noise"])],
        ["--floor", "0"], ["--max-transient", "5"], ["--random-state", "3"],
    ]  # fmt: skip
    if kind == "study":
        pool += [["--participants", "study/participants.tsv"]]
        return _with(rng, ["decompose", *rng.choice([["study"], ["study/p1.csv", "base.csv"]]), "-o", "out"], pool)
    pool += [["--mask", "mask.npy"]] if named else []
    pool += [["--export", rng.choice(["elan", "boris", "praat", "audacity"])]] if named else []
    return _with(rng, ["decompose", recording, "-o", rng.choice(["out", "new/out", "in/../out"])], pool)


def _with(rng: random.Random, words: list[str], pool: list[list[str]]) -> list[str]:
    """Words with up to four options, no option twice, and one solver's words at a time."""
    for option in rng.sample(pool, min(len(pool), rng.choice([0, 1, 2, 2, 3, 4]))):
        if option[0] not in words and not {"--features", "--mask"} <= {option[0], *words}:
            words = [*words, *option]
    # The one replaces the other, and two solvers take no weight.
    if "--lam" in words and {"--threshold", "altproj", "godec"} & set(words):
        at = words.index("--lam")
        words = [*words[:at], *words[at + 2 :]]
    return [*words, "--report"] if words[0] == "decompose" and rng.random() < 0.1 else words


def anything(rng: random.Random) -> list[str]:
    """Words of a command, sensible and senseless."""
    sources = ["base.csv", "in", "in/a.csv", "in/b.csv", "in/sub/a.csv", "in/c.npy", ".", "nowhere", "\x1b[2J.csv", "-",
               "/dev/null", "in/sub", "recipe.toml", ""]  # fmt: skip
    command = rng.choices(["decompose", "inspect", "predict", "train", "demo", "--help"], [14, 6, 0.3, 0.3, 0.5, 0.3])[
        0
    ]
    words = [command]
    if command in ("decompose", "inspect"):
        words += rng.choices(sources, k=1 if command == "inspect" else rng.choice([1, 1, 2, 3]))
    elif command == "train":
        words += ["recipe.toml"]
    elif command == "predict":
        words += [rng.choice(sources), rng.choice(sources)]
    if command in ("decompose", "demo", "train", "predict"):
        words += ["-o", rng.choice([".", "out", "in", "base.csv", "in/a.csv/x", "./in/../."])]
    if command == "demo":
        words += ["--seconds", "3"]
    pool = [["--json"], ["--quiet"], ["--overwrite"], ["--threshold", rng.choice(["3", "-1", "nan"])],
            ["--lam", rng.choice(["0.1", "-1", "inf"])], ["--noise", rng.choice(["auto", "none", "0", "-2", "loud"])],
            ["--tol", rng.choice(["1e-3", "0", "nan"])], ["--features", rng.choice(["AU", "AU01,AU02", "*", "nose"])],
            ["--solver", rng.choice(["ialm", "godec", "magic"])], ["--rank", rng.choice(["1", "-3", "99"])],
            ["--fps", rng.choice(["25", "0", "-1"])], ["--max-iter", rng.choice(["3", "0"])], ["--wrong"],
            ["--table", rng.choice(["csv", "parquet"])], ["--participants", "events.csv"], ["--mask", "in/c.npy"],
            ["--key", "x"], ["--format", rng.choice(["openface", "table", "?"])], ["--digits", "0"]]  # fmt: skip
    for option in rng.sample(pool, rng.choice([0, 1, 1, 2, 3])):
        words += option
    return [*words, "--report"] if rng.random() < 0.05 else words
