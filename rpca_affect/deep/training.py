"""Train a recipe with checkpoints, exact resume and early stopping."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from skorch.hf import AccelerateMixin

from rpca_affect.deep.batches import as_sequences
from rpca_affect.deep.card import write_card
from rpca_affect.deep.metrics import uar, war
from rpca_affect.deep.net import SequenceNet
from rpca_affect.deep.recipe import Recipe, read_data, taken
from rpca_affect.deep.storage import load_weights, read_tensors, save, write_tensors, write_text
from rpca_affect.refusals import Refusal, Setting


class AcceleratedNet(AccelerateMixin, SequenceNet):
    """The training loop on whatever accelerate is configured for: several GPUs, mixed precision, or one CPU."""

    def train_step_single(self, batch, **fit_params):
        """One backward pass under accelerate, with the gradient's norm limited to 1."""
        step = AccelerateMixin.train_step_single(self, batch, **fit_params)
        self.accelerator.clip_grad_norm_(self.module_.parameters(), 1.0)
        return step


def _accelerated(accelerator: Accelerator, *args: Any, **kwargs: Any) -> AcceleratedNet:
    """A net placed by accelerate; its log is silent, for the progress display has the screen."""
    kwargs = {**kwargs, "device": None, "callbacks__print_log__sink": lambda *_: None}
    kwargs.pop("callbacks__print_log", None)
    return AcceleratedNet(*args, accelerator=accelerator, unwrap_after_train=False, **kwargs)


def train(
    recipe: str | Path,
    out: str | Path = "out/model",
    *,
    resume: bool = True,
    quiet: bool = False,
    on_epoch: Callable[[dict[str, Any]], Any] | None = None,
) -> dict[str, Any]:
    r"""Train the network of a recipe; a run that was killed continues, and ends with the very same weights.

    Parameters
    ----------
    recipe : path
        TOML file, see `Recipe`.
    out : path
        Folder for ``model.safetensors`` (the best epoch), ``checkpoint.safetensors`` (the last one),
        ``history.csv``, ``summary.json`` and ``card.html``, a page with scores, confusion matrices and curves.
    resume : bool
        Continue from the checkpoint in ``out`` if there is one of the same recipe.
    quiet : bool
        No progress display.
    on_epoch : callable, optional
        Called with the row of history after every epoch.

    Returns
    -------
    dict
        "model" path, "epochs" trained, "best_epoch", "validation" and "test" scores (UAR and WAR, or the pooled CCC);
        of classes also "confusion" (rows are true classes), of recordings "notices" of their readers.

    Raises
    ------
    ValueError
        If recipe, data or checkpoint cannot be used; the sentence names the file and the place.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> data = '[data]\nkind = "planted"\nn_sequences = 6\nn_frames = 20\n'
    >>> network = "[estimator]\nhidden = 4\nn_stages = 1\nepochs = 1\n"
    >>> _ = (folder / "recipe.toml").write_text('task = "regression"\n' + data + network)
    >>> train(folder / "recipe.toml", folder / "model", quiet=True)["epochs"]
    1
    """
    recipe, out = Path(recipe), Path(out)
    plan = Recipe.read(recipe)
    estimator = plan.new_estimator()
    data = read_data(plan.data, recipe.parent)
    run = _Run(plan, estimator, data, out)
    history = run.resume() if resume else []
    epochs = estimator.epochs
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=quiet or not run.main) as bar:
        task = bar.add_task("training", total=epochs, completed=len(history))
        while len(history) < epochs and not run.exhausted(history):
            history.append(run.epoch(len(history)))
            run.checkpoint(history)
            if on_epoch is not None:
                on_epoch(history[-1])
            bar.update(task, advance=1, description=f"loss {history[-1]['loss']:.3f}  score {history[-1]['score']:.3f}")
    return run.finish(history)


class _Run:
    """One training run: the net, its data, and where it keeps its state."""

    def __init__(self, plan: Recipe, estimator: Any, data: dict[str, Any], out: Path):
        self.plan, self.estimator, self.data, self.out = plan, estimator, data, out
        self.seed = estimator.random_state
        X = as_sequences(data["X"])
        chosen, held = _hold_out(len(X), plan.validation, data["person"], self.seed)
        y = data["y"]
        self.held = (taken(X, held), taken(y, held))
        self.accelerator = Accelerator(mixed_precision=plan.mixed_precision, cpu=not torch.cuda.is_available())
        self.main = self.accelerator.is_main_process
        net_class = partial(_accelerated, self.accelerator)
        torch.manual_seed(self.seed)
        prepared = estimator.prepare(taken(X, chosen), taken(y, chosen), net_class=net_class)
        self.net, self.dataset = prepared
        if data.get("features") is not None:
            estimator.feature_names_in_ = np.array(data["features"], dtype=object)
        self.net.set_params(max_epochs=1)
        self.net.initialize()
        self.module = self.accelerator.unwrap_model(self.net.module_)
        self.best: dict[str, torch.Tensor] = {}

    def epoch(self, number: int) -> dict[str, Any]:
        """Train one epoch; its random numbers depend on seed and number alone, so a resumed run repeats them."""
        torch.manual_seed(self.seed * 100_003 + number + 1)
        self.net.partial_fit(self.dataset)
        loss = self.net.history[-1]["train_loss"]
        return {"epoch": number + 1, "loss": float(loss), "score": self.score(*self.held)["score"]}

    def score(self, X: list, y: Any) -> dict[str, float]:
        """Scores of the current weights; "score" is the one that early stopping looks at."""
        if not X:
            return {"score": float("nan")}
        if self.plan.task == "regression":
            return {"score": self.estimator.score(X, y)}
        guess = self.estimator.predict(X)
        return {"score": uar(y, guess), "uar": uar(y, guess), "war": war(y, guess)}

    def exhausted(self, history: list[dict]) -> bool:
        """Whether the validation score has not improved for ``patience`` epochs."""
        scores = [row["score"] for row in history]
        if not self.plan.patience or np.isnan(scores).all():
            return False
        return len(history) - 1 - int(np.nanargmax(scores)) > self.plan.patience

    def checkpoint(self, history: list[dict]) -> None:
        """Write weights, optimizer, best weights and history."""
        weights = {k: v.detach().cpu().clone() for k, v in self.module.state_dict().items()}
        if _best(history) == len(history):
            self.best = weights
        if not self.main:
            return
        optimizer = self.net.optimizer_.state_dict()
        tensors = {f"model/{k}": v for k, v in weights.items()} | {f"best/{k}": v for k, v in self.best.items()}
        plain: dict[str, dict[str, Any]] = {}
        for index, state in optimizer["state"].items():
            for name, value in state.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer/{index}/{name}"] = value.detach().cpu().clone()
                else:
                    plain.setdefault(str(index), {})[name] = value
        header = {"recipe": self._identity(), "history": history, "plain": plain, "groups": optimizer["param_groups"]}
        write_tensors(self.out / "checkpoint.safetensors", tensors, header)

    def resume(self) -> list[dict]:
        """Take up the checkpoint of an earlier run of the same recipe, if there is one."""
        path = self.out / "checkpoint.safetensors"
        if not path.exists():
            return []
        tensors, header = read_tensors(path)
        if header["recipe"] != self._identity():
            anew = Setting("resume", False)
            raise Refusal(f"{path} belongs to another recipe; give another output folder or ", anew, ".")

        def part(name: str) -> dict[str, torch.Tensor]:
            return {k.split("/", 1)[1]: v for k, v in tensors.items() if k.startswith(name + "/")}

        load_weights(self.module, part("model"), path.name)
        self.best = part("best")
        state: dict[int, dict[str, Any]] = {int(i): dict(values) for i, values in header["plain"].items()}
        for key, value in part("optimizer").items():
            index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
        self.net.optimizer_.load_state_dict({"state": state, "param_groups": header["groups"]})
        for _ in header["history"]:  # the learning rate follows the number of the epoch
            self.net.history.new_epoch()
        return header["history"]

    def finish(self, history: list[dict]) -> dict[str, Any]:
        """Write the best weights, the history and the scores."""
        load_weights(self.module, self.best)
        summary: dict[str, Any] = {
            "model": str(self.out / "model.safetensors"),
            "epochs": len(history),
            "best_epoch": _best(history),
            "validation": self.score(*self.held),
        }
        sides = {"validation": self.held}
        if "X_test" in self.data:
            sides["test"] = (as_sequences(self.data["X_test"]), self.data["y_test"])
            summary["test"] = self.score(*sides["test"])
        if self.plan.task == "classification":
            classes = self.estimator.classes_
            # A clip of a class that was not trained is counted among the scores alone.
            confusion = {
                side: confusion_matrix(y, self.estimator.predict(X), labels=classes).tolist()
                for side, (X, y) in sides.items()
                if set(y) & set(classes)
            }
            summary["confusion"] = {"classes": [str(c) for c in classes], **confusion}
        if self.data.get("notices"):
            summary["notices"] = self.data["notices"]
        if self.main:
            save(self.estimator, self.out / "model.safetensors")
            write_text(self.out / "history.csv", pd.DataFrame(history).to_csv(index=False))
            write_text(self.out / "summary.json", json.dumps(summary, indent=2))
            write_card(self.out / "card.html", summary, history, self._facts(sides))
        return summary

    def _facts(self, sides: dict[str, Any]) -> dict[str, str]:
        """Data, model and settings of the training, for the card."""
        clips = f"{len(self.dataset)} in training"
        clips += "".join(f", {len(X)} {'held out' if side == 'validation' else side}" for side, (X, _) in sides.items())
        person = self.data["person"]
        people = "not told: clips of one person may be on both sides"
        if person is not None:
            people = f"{len(set(person))}; nobody is both in training and held out"
        weights = sum(p.numel() for p in self.module.parameters() if p.requires_grad)
        return {
            "task": self.plan.task,
            "model": f"{self.estimator.model}, {weights:,} weights",
            "clips": clips,
            "people": people,
            "features": str(self.estimator.n_features_in_),
            "data": ", ".join(f"{key} {value}" for key, value in self.plan.data.items()),
        }

    def _identity(self) -> dict[str, Any]:
        return json.loads(
            json.dumps({"task": self.plan.task, "data": self.plan.data, "estimator": self.estimator.get_params()})
        )


def _best(history: list[dict]) -> int:
    """Number of the epoch with the best validation score, of equals the one with the smallest training loss.

    Without validation, the last.
    """
    scores = np.array([row["score"] for row in history])
    if np.isnan(scores).all():
        return len(history)
    best = np.flatnonzero(scores == np.nanmax(scores))
    return int(min(best, key=lambda i: history[i]["loss"])) + 1


def _hold_out(count: int, share: float, person: Any, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and to hold out; a person is never on both sides."""
    everything = np.arange(count)
    if not share:
        return everything, everything[:0]
    units = count if person is None else len(set(person))
    if units < 2:
        raise ValueError(
            f"there is one {'clip' if person is None else 'person'} to train on, and validation = {share} holds out "
            "some: give more, or set validation = 0."
        )
    splitter = ShuffleSplit if person is None else GroupShuffleSplit
    return next(splitter(1, test_size=share, random_state=seed).split(everything, groups=person))
