"""Predict from a saved model, for arrays and recordings; and score where the truth is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.deep.clips import PER_FRAME, read_clips, read_table
from rpca_affect.deep.learners import LSEFClassifier
from rpca_affect.deep.lists import read_dfew, read_ferv39k
from rpca_affect.deep.metrics import ccc, pcc, rmse, uar, war
from rpca_affect.deep.naming import clips_in, in_words_of
from rpca_affect.deep.storage import load, write_text

TRUE = "true"  # how columns of the truth begin


def predict(
    model: str | Path,
    data: str | Path,
    out: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    target: str | Sequence[str] = "label",
    form: str = "table",
) -> pd.DataFrame:
    """Predict with a saved model.

    Parameters
    ----------
    model : path
        ``model.safetensors``, or the folder that `train` wrote.
    data : path
        One clip, or a folder of them: ``(T, D)`` ``.npy`` files, or recordings with the features of the training.
    out : path, optional
        CSV to write.
    labels : path, optional
        True labels of the clips (a clip may lack one), to be compared with by `scores`.
    target : str or sequence of str
        Column(s) of ``labels``.
    form : str
        Form of ``labels``, see `rpca_affect.deep.clips.read_folder`.

    Returns
    -------
    DataFrame
        Classification: one row per clip with the class and a probability per class. Regression: one row per frame (or
        clip). With ``labels`` also columns that begin with "true", empty where nothing is known. What was left out is
        in ``attrs["notices"]``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from rpca_affect.deep import LSEFClassifier, planted_affect, predict, save
    >>> X, _ = planted_affect(4, 12, n_features=9)
    >>> model = LSEFClassifier(hidden=4, n_stages=1, epochs=1).fit(X, ["calm", "busy"] * 2)
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> np.save(folder / "clip.npy", X[0])
    >>> predict(save(model, folder / "model.safetensors"), folder / "clip.npy").columns.tolist()
    ['clip', 'predicted', 'p_busy', 'p_calm']
    """
    model, data = Path(model), Path(data)
    estimator = load(model / "model.safetensors" if model.is_dir() else model)
    files, names, notices = clips_in(data)
    trained = getattr(estimator, "feature_names_in_", None)
    if trained is None and any(file.suffix.casefold() != ".npy" for file in files):
        raise ValueError(f"{model} was trained on arrays, whose features have no names; give (T, D) .npy files.")
    clips = read_clips(files, names=trained)
    if isinstance(estimator, LSEFClassifier):
        share = estimator.predict_proba(clips.sequences)
        frame = pd.DataFrame(share, columns=[f"p_{c}" for c in estimator.classes_])
        frame.insert(0, "clip", names)
        frame.insert(1, "predicted", estimator.classes_[share.argmax(1)])
    else:
        found = estimator.predict(clips.sequences)
        rows = [
            np.atleast_2d(f if np.ndim(f) == 2 else np.reshape(f, (-1, 1) if estimator.per_frame_ else (1, -1)))
            for f in found
        ]
        frame = pd.DataFrame(np.concatenate(rows), columns=[f"output_{i}" for i in range(rows[0].shape[1])])
        frame.insert(0, "clip", np.repeat(names, [len(r) for r in rows]))
        if estimator.per_frame_:
            frame.insert(1, "frame", np.concatenate([np.arange(len(r)) for r in rows]))
    if labels is not None:
        frame = _with_truth(frame, Path(labels), target, form)
    frame.attrs["notices"] = (*notices, *clips.notices)
    if out is not None:
        out = Path(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, frame.to_csv(index=False))
    return frame


def _with_truth(frame: pd.DataFrame, labels: Path, target: str | Sequence[str], form: str) -> pd.DataFrame:
    """The predictions beside the true labels."""
    per_frame = "frame" in frame
    if per_frame != (form in PER_FRAME):
        raise ValueError(
            f"the model predicts each {'frame' if per_frame else 'clip'}; give labels of that kind "
            f"(form {' or '.join(PER_FRAME) if per_frame else 'table, dfew or ferv39k'})."
        )
    if per_frame:
        lists = PER_FRAME[form](labels)
        rated = dict(zip(in_words_of(frame["clip"].unique().tolist(), list(lists)), lists.values()))
        for clip, count in frame.groupby("clip", sort=False).size().items():
            if clip in rated and len(rated[clip]) != count:
                raise ValueError(
                    f"{clip} has {count} frames and {len(rated[clip])} ratings in {labels.name}; align them."
                )
        pieces = [
            pd.DataFrame(values, columns=[f"{TRUE}_{i}" for i in range(values.shape[1])]).assign(
                clip=clip, frame=range(len(values))
            )
            for clip, values in rated.items()
        ]
        keys, truth = ["clip", "frame"], pd.concat(pieces)
    else:
        columns = [target] if isinstance(target, str) else list(target)
        if form == "table":
            table = read_table(labels, columns)
        else:
            table, columns = (read_dfew if form == "dfew" else read_ferv39k)(labels), ["label"]
        named = _named(frame, labels, table[columns])
        keys, truth = ["clip"], table[["clip", *columns]].set_axis(["clip", *named], axis=1)
        truth["clip"] = in_words_of(frame["clip"].tolist(), truth["clip"].tolist())
        twice = truth["clip"].duplicated()
        if twice.any():
            raise ValueError(f"{labels.name} names {truth['clip'][twice].iloc[0]} twice; keep one row for a clip.")
    if not set(truth["clip"]) & set(frame["clip"]):
        raise ValueError(
            f"{labels.name} names none of the clips, such as {frame['clip'].iloc[0]!r}; name them like the files."
        )
    return frame.merge(truth, on=keys, how="left")


def _named(frame: pd.DataFrame, labels: Path, truth: pd.DataFrame) -> list[str]:
    """Names of the true columns beside the predictions; as many as there are outputs."""
    outputs = [name for name in frame if name == "predicted" or str(name).startswith("output_")]
    if len(outputs) != truth.shape[1]:
        raise ValueError(
            f"the model predicts {len(outputs)} value{'s' * (len(outputs) > 1)} of each clip, and {truth.shape[1]} of "
            f"{labels.name} {'is' if truth.shape[1] == 1 else 'are'} named; name as many columns, in the order of the "
            "training."
        )
    if outputs == ["predicted"]:
        return [TRUE]
    for name in truth:
        if not pd.api.types.is_numeric_dtype(truth[name]):
            raise ValueError(
                f"{labels.name}: column {name!r} holds no numbers, and the model predicts ratings; "
                "name a column of ratings."
            )
    return [f"{TRUE}_{i}" for i in range(len(outputs))]


def scores(frame: pd.DataFrame) -> dict[str, Any]:
    """How well a table of `predict` with labels agrees with them.

    Parameters
    ----------
    frame : DataFrame

    Returns
    -------
    dict
        "scored" (rows with a known truth) and, for classes, "uar", "war" and the "recall" of each class; for ratings
        "ccc", "pcc" and "rmse" of each output, pooled.

    Examples
    --------
    >>> import pandas as pd
    >>> found = scores(pd.DataFrame({"predicted": ["a", "b", "b"], "true": ["a", "a", None]}))
    >>> found["scored"], found["war"], found["recall"]
    (2, 0.5, {'a': 0.5})
    """
    if "predicted" in frame:
        known = frame[frame[TRUE].notna()]
        truth, guess = known[TRUE].astype(str).to_numpy(), known["predicted"].astype(str).to_numpy()
        recall = {str(c): float(np.mean(guess[truth == c] == c)) for c in np.unique(truth)}
        return {"scored": len(known), "uar": uar(truth, guess), "war": war(truth, guess), "recall": recall}
    outputs = [name for name in frame if str(name).startswith(f"{TRUE}_")]
    found: dict[str, Any] = {"scored": int(frame[outputs].notna().any(axis=1).sum())}
    for name, score in (("ccc", ccc), ("pcc", pcc), ("rmse", rmse)):
        found[name] = [
            score(frame[column].to_numpy(float), frame[f"output_{column[len(TRUE) + 1 :]}"].to_numpy(float))
            for column in map(str, outputs)
        ]
    return found
