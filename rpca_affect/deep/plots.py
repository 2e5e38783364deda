"""Pictures of the deep part: base and transients of a sequence, rank and sparsity per stage, recovery against depth."""

from typing import Any

import numpy as np
import torch


def plot_split(estimator: Any, sequence: np.ndarray, axes: Any = None) -> Any:
    """Observed, base and transient of one sequence as three heat maps on one scale, with the reliability of each frame.

    Parameters
    ----------
    estimator : LSEFClassifier or LSEFRegressor
        Fitted, with ``model="lsef"``.
    sequence : ndarray of shape (T, D)
    axes : sequence of three matplotlib axes, optional

    Returns
    -------
    list of matplotlib axes
    """
    import matplotlib.pyplot as plt

    if axes is None:
        _, axes = plt.subplots(3, 1, sharex=True, figsize=(8, 6), layout="constrained")
    base, transient = estimator.split([sequence])[0]
    center, spread = (b.numpy(force=True) for b in estimator.net_.module_.scaler.buffers())
    parts = {
        "observed": (sequence - center) / spread,
        "base": (base - center) / spread,
        "transient": transient / spread,
    }
    limit = float(np.nanpercentile(np.abs(parts["observed"]), 99)) or 1.0
    image = None
    for ax, (name, part) in zip(axes, parts.items()):
        image = ax.imshow(part.T, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        ax.set_title(name, loc="left")
        ax.set_ylabel("feature")
    axes[-1].set_xlabel("frame")
    axes[0].figure.colorbar(image, ax=list(axes), label="standard deviations")
    return list(axes)


def plot_stages(estimator: Any, sequences: list[np.ndarray], axes: Any = None) -> Any:
    """Effective rank, share of non-zero cells and residual after every stage: median and quartiles over sequences.

    Parameters
    ----------
    estimator : LSEFClassifier or LSEFRegressor
        Fitted, with ``model="lsef"``.
    sequences : list of ndarray (T_i, D)
    axes : sequence of three matplotlib axes, optional

    Returns
    -------
    list of matplotlib axes
    """
    import matplotlib.pyplot as plt

    if axes is None:
        _, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
    module = estimator.net_.module_.eval()
    found: dict[str, list] = {"rank": [], "sparsity": [], "residual": []}
    for sequence in sequences:
        x = torch.as_tensor(np.asarray(sequence, dtype=np.float32))[None]
        mask = torch.isfinite(x)
        with torch.no_grad():
            stages = module(torch.where(mask, x, 0.0), mask).stages
        for name, values in stages.diagnostics().items():
            found[name].append(values[:, 0].numpy())
    names = {"rank": "effective rank of the base", "sparsity": "share of non-zero cells", "residual": "residual"}
    for ax, (name, label) in zip(axes, names.items()):
        low, middle, high = np.percentile(np.stack(found[name]), [25, 50, 75], axis=0)
        stage = np.arange(1, len(middle) + 1)
        ax.plot(stage, middle, marker="o", color="#0072B2")
        ax.fill_between(stage, low, high, color="#0072B2", alpha=0.25, linewidth=0)
        ax.set_xlabel("stage")
        ax.set_title(label, loc="left")
        ax.set_xticks(stage)
        ax.set_ylim(bottom=0)
    return list(axes)


def plot_recovery(curves: dict[str, tuple[list[int], list[float]]], ax: Any = None) -> Any:
    """Error against depth on a logarithmic scale.

    Parameters
    ----------
    curves : dict of str to (depths, errors)
        Names that start with "classical" are drawn as dashed lines.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
    """
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # told apart by everyone, and in print
    for (name, (depths, errors)), colour in zip(curves.items(), colours):
        dashed = name.startswith("classical")
        ax.plot(depths, errors, "--" if dashed else "o-", label=name, color=colour)
    ax.set_yscale("log")
    ax.set_xlabel("steps, or trained stages")
    ax.set_ylabel("error of the base, relative")
    ax.legend(frameon=False)
    return ax
