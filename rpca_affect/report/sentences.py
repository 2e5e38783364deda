"""The words of a report: the meaning of the numbers, the doubts, and a methods paragraph ready to paste."""

from typing import Any

from rpca_affect import words

__all__ = ["REFERENCES", "findings", "methods", "numbers"]

REFERENCES = (
    "Candès, E. J., Li, X., Ma, Y., & Wright, J. (2011). Robust principal component analysis? "
    "Journal of the ACM, 58(3), 11.",
    "Zhou, Z., Li, X., Wright, J., Candès, E. J., & Ma, Y. (2010). Stable principal component pursuit. "
    "IEEE International Symposium on Information Theory, 1518-1522.",
    "Boyd, S., Parikh, N., Chu, E., Peleato, B., & Eckstein, J. (2011). Distributed optimization and statistical "
    "learning via the alternating direction method of multipliers. Foundations and Trends in Machine Learning, 3(1), "
    "1-122.",
    "Lin, Z., Chen, M., & Ma, Y. (2010). The augmented Lagrange multiplier method for exact recovery of corrupted "
    "low-rank matrices. arXiv:1009.5055.",
    "Zhou, T., & Tao, D. (2011). GoDec: Randomized low-rank and sparse matrix decomposition in noisy case. "
    "International Conference on Machine Learning, 33-40.",
)
BY_SOLVER = {"admm": (2,), "ialm": (3,), "godec": (4,)}


def findings(summary: dict[str, Any]) -> list[dict[str, str]]:
    """Doubts and notices, the weightiest first, each with how much it weighs."""
    listed = [
        {"kind": "stop" if doubt["severe"] else "warning", "text": words.sentence(doubt)} for doubt in summary["doubts"]
    ]
    if not summary["converged"]:
        listed.insert(0, {"kind": "warning", "text": summary["status"]})
    listed += [{"kind": "notice", "text": text} for text in summary["notices"]]
    return sorted(listed, key=lambda item: ("stop", "warning", "notice").index(item["kind"]))


def numbers(summary: dict[str, Any]) -> list[dict[str, str]]:
    """The few numbers that tell whether a split is worth reading, each with its meaning."""
    ranks = summary["rank"] or [0]
    rank = str(ranks[0]) if len(ranks) == 1 else f"{min(ranks)} to {max(ranks)}"
    gap = summary["duality_gap"]
    rows = [
        (
            "Rank of the base",
            f"{rank} of {summary['features']}",
            "How many independent patterns the base is made of.",
        ),
        (
            "Density of the transients",
            f"{summary['density']:.2%}",
            "Share of the observed cells with a transient.",
        ),
        (
            "Residual",
            f"{summary['residual']:.2%}",
            "Size of what is neither base nor transient, relative to the features around their median, each divided by "
            f"its scale ({summary['residual_in_units']:.2%} without dividing).",
        ),
        ("Predicted", *_predicted(summary)),
        (
            "Transient events",
            str(summary["events"]),
            "Runs of cells so strong that noise alone would show "
            f"{summary['parameters']['false_alarms']:g} per minute.",
        ),
        (
            "Certificate",
            "none" if gap is None else f"{gap:.1e}",
            "Relative duality gap: how far the solution can be from the best possible one at most.",
        ),
        ("Missing cells", f"{summary['missing_share']:.2%}", "Cells that took no part in the solve."),
    ]
    return [{"name": name, "value": value, "meaning": meaning} for name, value, meaning in rows]


def _predicted(summary: dict[str, Any]) -> tuple[str, str]:
    share = summary.get("predicted")
    if share is None:
        return "not asked", "Whether the base knows what cells were that are hidden from it was not tried."
    return (
        f"{share:.0%}",
        "How far the base comes, from the median to the truth, where stretches were hidden from it; straight lines in "
        f"time come to {summary['predicted_by_lines']:.0%}.",
    )


def methods(summary: dict[str, Any]) -> dict[str, Any]:
    """A methods paragraph with its references.

    Parameters
    ----------
    summary : dict
        As returned by `Split.summary`.

    Returns
    -------
    dict
        ``text`` and ``references``, a list.
    """
    made = summary["parameters"]
    used = made["solver_used"]
    noisy = made["noise"] is not None and not set(used) & {"godec", "altproj"}
    several = summary["sequences"] > 1
    rate = f" at {summary['fps']:g} frames per second" if summary["fps"] else ""
    kind = "whole frames" if made["sparse"] == "frames" else "single cells"
    scaled = {
        "noise": "centred at its median and divided by the standard deviation of its noise, estimated from the median "
        f"absolute deviation of first differences (at least {made['floor']:g} of its standard deviation)",
        "spread": "centred at its median and divided by its robust spread (1.4826 times the median absolute deviation)",
        "none": "centred at its median",
    }[made["scale"]]
    sentences = [
        f"Each recording ({summary['frames']} frames by {summary['features']} features{rate}) was separated into an "
        "emotional base (low rank), transient fluctuations (sparse) and a residual with rpca_affect "
        f"{summary['versions']['rpca_affect']}.",
        f"Every feature was {scaled}.",
    ]
    if made["min_confidence"] is not None and summary["missing_share"]:
        sentences.append(
            f"Cells without a value and frames that the tracker marked as failed or below a confidence of "
            f"{made['min_confidence']:g} ({summary['missing_share']:.1%} of the cells) were treated as missing."
        )
    if several:
        sentences.append(f"The {summary['sequences']} unbroken sequences were solved separately.")
    if made.get("levels"):
        slower = ", ".join(str(width) for width in made["levels"][:-1])
        sentences.append(
            "The separation was made at several time scales, slowest first: on the medians of blocks of "
            f"{slower} frames and on single frames, each level separating what the slower ones left."
        )
    if noisy:
        given = "" if made["noise"] == "auto" else " with the noise levels given by the authors"
        cut = f"λ = {max(made['lam_used'], default=0.0):.3g}"
        if made["lam"] is None:
            cut += f", so that a transient lies at least {made['threshold']:g} standard deviations of the noise off"
        sentences.append(
            "We solved stable principal component pursuit (Candès et al., 2011; Zhou et al., 2010), minimising "
            f"‖L‖* + λ‖S‖₁ + ‖N‖²/(2s) subject to L + S + N = M on the observed cells{given}, with S sparse in {kind}, "
            f"s = (√m + √n) √p for m rows, n columns and the observed share p, and {cut}."
        )
        widest = max(made.get("lags_used") or [1])
        if widest > 1:
            sentences.append(
                f"For the solve every frame was put beside the following ones, {widest} in all (time-delay embedding); "
                "s was corrected for the overlap of these windows, and the copies of each cell were averaged."
            )
        if made.get("refit"):
            sentences.append("The shrinkage of the convex solution was then taken back by a refit on its space.")
    elif set(used) & {"godec", "altproj"}:
        sentences.append(f"A decomposition of given rank was computed, with the sparse part in {kind}.")
    else:
        sentences.append(
            "We solved principal component pursuit (Candès et al., 2011), minimising ‖L‖* + λ‖S‖₁ subject to "
            f"L + S = M on the observed cells, with S sparse in {kind}."
        )
    names = {"admm": "the alternating direction method of multipliers (Boyd et al., 2011)",
             "ialm": "the inexact augmented Lagrange multiplier method (Lin et al., 2010)",
             "godec": "GoDec (Zhou & Tao, 2011)"}  # fmt: skip
    gap = (
        "" if summary["duality_gap"] is None else f"; the relative duality gap was at most {summary['duality_gap']:.1g}"
    )
    solvers = " and ".join(names.get(name, name) for name in used) or "no solver"
    sentences.append(f"The solver was {solvers} with tolerance {made['tol']:g}{gap}.")
    ranks = summary["rank"] or [0]
    rank = f"{ranks[0]}" if len(ranks) == 1 else f"{min(ranks)} to {max(ranks)}"
    sentences.append(
        f"The base had rank {rank}; {summary['density']:.1%} of the observed cells were transient, and the residual "
        f"amounted to {summary['residual']:.1%} of the norm of the scaled features."
    )
    if any(doubt["severe"] for doubt in summary["doubts"]):
        sentences.append("(This split was flagged as meaningless by the software and must not be reported as it is.)")
    cited = [0, *([1] if noisy else []), *(number for name in used for number in BY_SOLVER.get(name, ()))]
    return {"text": " ".join(sentences), "references": [REFERENCES[number] for number in cited]}
