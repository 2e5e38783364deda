"""Weights and settings in one safetensors file, with a version; never a pickle."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rpca_affect.deep.baselines import build
from rpca_affect.deep.learners import LSEFClassifier, LSEFRegressor
from rpca_affect.deep.losses import LSEFLoss
from rpca_affect.deep.net import make_net

VERSION = 4  # 4: transients are read against the noise, CIM reads the parts as they are reported
_ESTIMATORS = {"LSEFClassifier": LSEFClassifier, "LSEFRegressor": LSEFRegressor}


def save(estimator: LSEFClassifier | LSEFRegressor, path: str | Path) -> Path:
    """Write a fitted estimator to one ``.safetensors`` file.

    Parameters
    ----------
    estimator : LSEFClassifier or LSEFRegressor
        Fitted.
    path : path
        Written under a temporary name and renamed, so that no half file is left behind.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If the estimator is not fitted.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from rpca_affect.deep import LSEFClassifier, planted_affect, save
    >>> X, _ = planted_affect(4, 12, n_features=9)
    >>> model = LSEFClassifier(hidden=4, n_stages=1, epochs=1).fit(X, ["calm", "busy"] * 2)
    >>> save(model, pathlib.Path(tempfile.mkdtemp(), "model.safetensors")).name
    'model.safetensors'
    """
    if not hasattr(estimator, "net_"):
        raise ValueError(f"this {type(estimator).__name__} is not fitted; call fit before save.")
    header: dict[str, Any] = {
        "estimator": type(estimator).__name__,
        "params": estimator.get_params(),
        "config": estimator.config_,
    }
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        header["features"] = [str(name) for name in names]
    if isinstance(estimator, LSEFClassifier):
        header["classes"] = {"values": estimator.classes_.tolist(), "dtype": estimator.classes_.dtype.str}
    else:
        header |= {"per_frame": estimator.per_frame_, "flat": estimator._flat}
    tensors = {k: v.detach().cpu() for k, v in estimator.net_.module_.state_dict().items()}
    return write_tensors(path, tensors, header)


def load(path: str | Path, device: str = "cpu") -> LSEFClassifier | LSEFRegressor:
    """Read an estimator back, ready to predict.

    Parameters
    ----------
    path : path
        Written by `save`.
    device : str
        Of torch.

    Returns
    -------
    LSEFClassifier or LSEFRegressor

    Raises
    ------
    ValueError
        Where the file is damaged, of another kind, of another version, or does not fit its own settings.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from rpca_affect.deep import LSEFClassifier, load, planted_affect, save
    >>> X, _ = planted_affect(4, 12, n_features=9)
    >>> model = LSEFClassifier(hidden=4, n_stages=1, epochs=1).fit(X, ["calm", "busy"] * 2)
    >>> again = load(save(model, pathlib.Path(tempfile.mkdtemp(), "model.safetensors")))
    >>> bool((again.predict(X) == model.predict(X)).all())
    True
    """
    tensors, header = read_tensors(path)
    name = Path(path).name
    if header.get("estimator") not in _ESTIMATORS:
        raise ValueError(f"{name} holds {header.get('estimator', 'no estimator')!r}; give a file written by save().")
    _check_sizes(header.get("config"), tensors, name)
    try:
        return _restored(tensors, header, name, device)
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError(f"{name} does not fit its own settings ({error}); save it again.") from error


def _check_sizes(config: Any, tensors: Mapping[str, Tensor], name: str) -> None:
    """Refuse settings that ask for more than the file holds, before anything of their size is made."""
    cells = sum(value.numel() for value in tensors.values())
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise ValueError(f"{name} has no settings of its model; save it again.")
    for key, value in config.items():
        numbers = value if isinstance(value, (list, tuple)) else [value]
        largest = len(tensors) if key == "n_stages" else cells
        for number in numbers:
            if isinstance(number, (int, float)) and not -1 <= number <= max(largest, 1):
                raise ValueError(f"{name} says {key} = {number}, more than its weights can have; save it again.")


def _restored(
    tensors: Mapping[str, Tensor], header: dict[str, Any], name: str, device: str
) -> LSEFClassifier | LSEFRegressor:
    # JSON knows lists only; parameters are tuples.
    given: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in header["params"].items()}
    estimator = _ESTIMATORS[header["estimator"]](**{**given, "device": device})
    estimator.config_ = header["config"]
    with torch.device("meta"):  # shapes alone
        _check_shapes(build(**header["config"]), tensors, name)
    module = build(**header["config"])
    load_weights(module, tensors, name)
    task = "classification" if isinstance(estimator, LSEFClassifier) else "regression"
    estimator.net_ = make_net(module, LSEFLoss(task), batch_size=estimator.batch_size, device=device).initialize()
    estimator.n_features_in_ = header["config"]["n_features"]
    if "features" in header:
        if len(header["features"]) != estimator.n_features_in_:
            raise ValueError(
                f"{name} names {len(header['features'])} features and has {estimator.n_features_in_}; save it again."
            )
        estimator.feature_names_in_ = np.array(header["features"], dtype=object)
    if isinstance(estimator, LSEFClassifier):
        classes = header["classes"]
        estimator.classes_ = np.array(classes["values"], dtype=np.dtype(classes["dtype"]))
    else:
        estimator.per_frame_, estimator._flat = header["per_frame"], header["flat"]
    return estimator


def load_weights(module: torch.nn.Module, tensors: Mapping[str, Tensor], name: str = "the file") -> None:
    """Copy tensors into a module, with one sentence that names the first difference if they do not fit."""
    _check_shapes(module, tensors, name)
    module.load_state_dict(dict(tensors))


def _check_shapes(module: torch.nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    wanted = module.state_dict()
    for key in [*wanted, *tensors]:
        if key not in tensors:
            raise ValueError(f"{name} lacks the weights {key!r}; it was saved by a model with other settings.")
        if key not in wanted:
            raise ValueError(f"{name} has weights {key!r} that this model lacks; build the model with its settings.")
        if wanted[key].shape != tensors[key].shape:
            raise ValueError(
                f"{name} has {key!r} of shape {tuple(tensors[key].shape)}, this model {tuple(wanted[key].shape)}; "
                "build the model with the settings in the file."
            )


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Path:
    """Write tensors and a JSON header, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    metadata = {"rpca_affect": json.dumps({"version": VERSION, **header})}
    whole = {k: v.clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}
    try:
        save_file(whole, temporary, metadata=metadata)
        os.replace(temporary, path)
    except SafetensorError as error:  # raised by the library for a full disk
        raise OSError(f"{path} could not be written ({error}); what was there before is untouched.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and header; the version is checked first."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; give a file written by save().")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} is not a whole safetensors file ({error}); save it again.") from error
    if "rpca_affect" not in metadata:
        raise ValueError(f"{path.name} was not written by rpca_affect; give a file written by save().")
    try:
        header = json.loads(metadata["rpca_affect"])
        known = isinstance(header["version"], int)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(f"{path.name} has a damaged header; save it again.")
    if header["version"] > VERSION:
        raise ValueError(
            f"{path.name} has format version {header['version']}, this rpca_affect reads up to {VERSION}; "
            "update the package."
        )
    if header["version"] < VERSION:
        raise ValueError(
            f"{path.name} has format version {header['version']}, from before the model changed; this rpca_affect "
            f"reads {VERSION}: train it again, or load it with the version that saved it."
        )
    return tensors, header


def write_text(path: Path, text: str) -> None:
    """Write text whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
