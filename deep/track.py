"""What the track sets aside: frames of clean test sequences, and broken ones that it still believes, by margin."""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from classify import japanese_vowels, natops

from rpca_affect.deep import FeatureScale, corrupt
from rpca_affect.deep.corruption import KINDS
from rpca_affect.deep.track import Continuity


def believed(track, scaler, sequences):
    """One array of bool per sequence."""
    frames = [torch.as_tensor(x)[None] for x in sequences]
    return [track(scaler(x), torch.isfinite(x))[0].numpy() for x in frames]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--margins", type=float, nargs="+", default=[1.0, 1.25, 1.5, 2.0, 3.0])
    parser.add_argument("--share", type=float, default=0.3, help="of the test frames that are broken")
    args = parser.parse_args()
    if "RPCA_AFFECT_DATA" not in os.environ:
        parser.error("set RPCA_AFFECT_DATA to the folder with the data sets")
    folder, rows = Path(os.environ["RPCA_AFFECT_DATA"]), []
    for load in (natops, japanese_vowels):
        ((_, X, _, X_test, _),) = load(folder)
        scaler = FeatureScale(X[0].shape[1]).fit(X)
        for margin in args.margins:
            track = Continuity(margin=margin).fit([scaler(torch.as_tensor(x)) for x in X])
            row = {"data": load.__name__, "margin": margin}
            row["clean, set aside"] = 1 - np.concatenate(believed(track, scaler, X_test)).mean()
            for kind in KINDS:
                broken = corrupt(X_test, args.share, kind, 0)
                hit = np.concatenate([(a != b).any(1) for a, b in zip(X_test, broken)])
                row[f"{kind}, believed"] = np.concatenate(believed(track, scaler, broken))[hit].mean()
            rows.append(row)
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
