"""Tables of the benchmark: means over folds, and paired differences with intervals that know the folds overlap."""

import numpy as np
import pandas as pd
from rivals import ABLATION, BASELINES, CLASSICAL, MODELS
from scipy import stats


def interval(differences: np.ndarray, share: float, level: float = 0.95) -> tuple[float, float]:
    """Mean and half width for paired differences over folds whose training sets overlap.

    Nadeau & Bengio (2003): the variance of the mean is ``(1 / n + test / train)`` times that of the differences.
    ``share`` is test / train. One fold has no interval (NaN).
    """
    n = len(differences)
    if n < 2:
        return float(np.mean(differences)), float("nan")
    spread = np.std(differences, ddof=1) * np.sqrt(1 / n + share)
    return float(np.mean(differences)), float(stats.t.ppf((1 + level) / 2, n - 1) * spread)


def shown(mean: float, half: float, sign: str = "") -> str:
    """A mean with its half width, where there is one."""
    return f"{mean:{sign}.3f}" + ("" if np.isnan(half) else f" ± {half:.3f}")


def report(found: list[dict]) -> tuple[str, dict]:
    """Markdown and the same as records, from the folds that are there for every model."""
    if not found:
        return "nothing has been run yet", {}
    rows = [{**{k: f[k] for k in ("model", "seed", "fold")}, **test} for f in found for test in f["tests"]]
    frame = pd.DataFrame(rows)
    frame["key"] = list(zip(frame.seed, frame.fold))
    names = [name for name in (*MODELS, *ABLATION) if name in set(frame.model)]
    common = set.intersection(*(set(frame.key[frame.model == name]) for name in names))
    if not common:
        return "no fold has been run for every model yet", {}
    frame = frame[frame.key.isin(common)]
    clean = frame[frame.kind == "clean"].pivot(index="key", columns="model", values="uar")
    broken = frame[frame.kind != "clean"].copy()
    broken["loss"] = [clean.loc[[k], m].iloc[0] - u for k, m, u in zip(broken.key, broken.model, broken.uar)]
    shares = broken.groupby(["model", "share"]).loss.mean().unstack()
    kinds = broken[broken.share == 0.3].groupby(["model", "kind"]).loss.mean().unstack()
    worst = broken[broken.share == 0.3].groupby(["key", "model"]).loss.mean().unstack()
    mine = [f for f in found if (f["seed"], f["fold"]) in common]
    cost = pd.DataFrame([{"model": f["model"], "parameters": f["parameters"], **f["seconds"]} for f in mine])
    cost = cost.groupby("model").median()
    official = mine[0].get("official", False)
    share = 0.0 if official else np.mean([f["test"] / f["train"] for f in mine])  # seeds train on the same people
    lines = [
        f"{mine[0]['set']}: {len(common)} fold(s) of every model, {len({k[0] for k in common})} seed(s)"
        + (", one split: the interval is over seeds, not over people" if official else ", people apart"),
        "",
        "| model | clean UAR | " + " | ".join(kinds.columns) + " | loss 10 / 20 / 30 % | parameters | CPU s an epoch |",
        "|" + "---|" * (5 + len(kinds.columns)),
    ]
    records = []
    for name in names:
        mean, half = interval(clean[name].to_numpy(), share)
        losses = " / ".join(f"{value:.3f}" for value in shares.loc[name])
        seconds = f"{cost.loc[name, 'epoch']:.2f}" if name not in CLASSICAL else f"({cost.loc[name, 'fit']:.2f} in all)"
        cells = [shown(mean, half), *(f"{v:.3f}" for v in kinds.loc[name]), losses]
        lines.append("| " + " | ".join([name, *cells, f"{cost.loc[name, 'parameters']:.0f}", seconds]) + " |")
        record = {"model": name, "clean": mean, "half": half, "loss": shares.loc[name].to_dict()}
        records.append(record | {"kinds": kinds.loc[name].to_dict(), **cost.loc[name].to_dict()})
    seconds = float((cost["choice"] + cost["fit"]).sum())
    less = differences(clean, worst, names, share) if "lsef" in names else []
    said = [*levels(mine, names), *(verdicts(less, clean, worst, names, cost) if less else [])]
    said.append(f"- a fold of all these models, with the choice inside it, takes {seconds:.0f} CPU seconds")
    lines += ["", *said]
    summary = {"set": mine[0]["set"], "folds": len(common), "seeds": len({k[0] for k in common})}
    return "\n".join(lines), summary | {"models": records, "lsef less": less, "said": said}


def levels(found: list[dict], names: list[str]) -> list[str]:
    """How often the level of the person was chosen, where it was a choice."""
    if "level" not in found[0]["chosen"]:
        return []
    taken = {name: [f["chosen"]["level"] for f in found if f["model"] == name] for name in names}
    counts = ", ".join(f"{name} {level.count('person')} of {len(level)}" for name, level in taken.items())
    return [f"- folds in which the level of the person was better inside the training people: {counts}"]


def differences(clean, worst, names, share) -> list[dict]:
    """LSEF less each other model, over the same folds: UAR on clean recordings, and UAR lost at 30 %."""
    found = []
    for name in [*(n for n in BASELINES if n in names), *(n for n in names if n not in (*BASELINES, "lsef"))]:
        better, half = interval((clean["lsef"] - clean[name]).to_numpy(), share)
        loss, loss_half = interval((worst["lsef"] - worst[name]).to_numpy(), share)
        found.append({"model": name, "clean": better, "half": half, "loss": loss, "loss_half": loss_half})
    return found


def verdicts(less: list[dict], clean, worst, names, cost) -> list[str]:
    """What LSEF earns on this set, in sentences made of the figures."""
    said = [
        f"- lsef minus {row['model']}: clean {shown(row['clean'], row['half'], '+')}, "
        f"loss at 30 % {shown(row['loss'], row['loss_half'], '+')}"
        for row in less
    ]
    baselines = [name for name in BASELINES if name in names]
    if baselines:
        best = max(baselines, key=lambda name: clean[name].mean())
        better, half = next((row["clean"], row["half"]) for row in less if row["model"] == best)
        verdict = "better than" if better - half > 0 else "worse than" if better + half < 0 else "not told from"
        verdict = "(no interval from one fold) beside" if np.isnan(half) else verdict
        ours, theirs, least = worst["lsef"].mean(), worst[best].mean(), worst[baselines].mean().min()
        halved = "at most half" if ours <= max(theirs, 0) / 2 else "more than half"
        said.append(
            f"- clean {verdict} the best baseline ({best}): {shown(better, half, '+')}; {halved} of its loss at 30 % "
            f"({ours:.3f} of {theirs:.3f}; the smallest loss of a baseline is {least:.3f})"
        )
    if "tcn" in names:
        ratio = cost.loc["lsef", "epoch"] / cost.loc["tcn", "epoch"]
        said.append(f"- an epoch takes {ratio:.1f} times TCN's CPU seconds")
    return said
