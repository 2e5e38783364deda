"""A split as labelled arrays of xarray."""

from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.extras import needed

__all__ = ["to_xarray"]


def to_xarray(split: Any) -> Any:
    """Return a split as a Dataset; see `rpca_affect.Split.to_xarray`."""
    xarray = needed("to_xarray", "xarray")
    recording = split.recording
    index = recording.meta["index"]
    group = np.full(recording.n_features, "", dtype=object)
    for name, columns in recording.groups.items():
        group[columns] = name
    sequence = np.zeros(recording.n_frames, dtype=int)
    for number, part in enumerate(split.sequences):
        sequence[part.rows] = number
    frame = np.arange(recording.n_frames) if isinstance(index, pd.MultiIndex) else index
    coordinates: dict[str, Any] = {
        "frame": frame,
        "feature": list(recording.feature_names),
        "group": ("feature", group.astype(str)),
        "sequence": ("frame", sequence),
    }
    if recording.time is not None:
        coordinates["time"] = ("frame", recording.time, {"units": "s"})
    parts = {"base": split.base_values, "transient": split.transient_values, "residual": split.residual_values}
    return xarray.Dataset(
        {name: (("frame", "feature"), values) for name, values in {**parts, "observed": recording.mask}.items()},
        coords=coordinates,
        attrs={"source": str(recording.meta["source"]), "status": str(split.status)},
    )
