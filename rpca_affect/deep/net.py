"""skorch's training loop over padded sequences: the only batch loop of the deep part."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

from rpca_affect.deep.batches import SequenceDataset, SimilarLengths, collate
from rpca_affect.deep.losses import LSEFLoss
from rpca_affect.deep.model import LSEFOutput
from rpca_affect.deep.rao import RAO

OPTIMIZERS: dict[str, Callable] = {"adamw": torch.optim.AdamW, "rao": RAO}


class SequenceNet(NeuralNet):
    """skorch's training loop over padded sequences; the loss sees the mask and the parts of the split."""

    def get_iterator(self, dataset, training=False):
        """Batches; in training of sequences of similar length."""
        if not training:
            return super().get_iterator(dataset, training=training)
        lengths = [len(s) for s in dataset.sequences]
        sampler = SimilarLengths(lengths, self.batch_size)
        return torch.utils.data.DataLoader(dataset, self.batch_size, sampler=sampler, collate_fn=collate)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Loss of one batch, on the device of the model."""
        return self.criterion_(y_pred, y_true.to(self.device), X["mask"].to(self.device))

    def train_step_single(self, batch, **fit_params):
        """One backward pass, with the gradient's norm limited to 1."""
        step = super().train_step_single(batch, **fit_params)
        torch.nn.utils.clip_grad_norm_(self.module_.parameters(), 1.0)
        return step


class Annealing(Callback):
    """Learning rate along half a cosine, from its full value to nothing after ``epochs``.

    It depends on the number of the epoch alone, so a resumed run goes on with the same one.
    """

    def __init__(self, epochs: int):
        self.epochs = epochs

    def on_epoch_begin(self, net, **kwargs):
        """Set the rate of the epoch that begins."""
        share = min((len(net.history) - 1) / self.epochs, 1.0)
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * (1 + math.cos(math.pi * share)) / 2


class Criterion(torch.nn.Module):
    """`LSEFLoss` as the module skorch expects."""

    def __init__(self, loss: LSEFLoss):
        super().__init__()
        self.loss = loss

    def forward(self, output, target, mask):
        """Loss of one batch."""
        return self.loss(output, target, mask)


def make_net(
    module: torch.nn.Module,
    loss: LSEFLoss,
    *,
    optimizer: str | Callable = "adamw",
    lr: float = 3e-3,
    weight_decay: float = 1e-2,
    batch_size: int = 32,
    epochs: int = 30,
    device: str = "cpu",
    net_class: type[SequenceNet] = SequenceNet,
    **options: Any,
) -> SequenceNet:
    """A skorch net around a sequence model; the optimizer by name ("adamw", "rao") or as a class.

    ``lr`` is that of the first epoch, see `Annealing`.
    """
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer is {optimizer!r}; give one of {', '.join(OPTIMIZERS)}.")
        optimizer = OPTIMIZERS[optimizer]
    return net_class(
        module,
        Criterion,
        criterion__loss=loss,
        optimizer=optimizer,
        optimizer__weight_decay=weight_decay,
        lr=lr,
        max_epochs=epochs,
        batch_size=batch_size,
        iterator_valid__collate_fn=collate,
        train_split=None,
        callbacks=[("annealing", Annealing(epochs))],
        callbacks__print_log=None,
        device=device,
        **options,
    )


def outputs(net: SequenceNet, sequences: list[np.ndarray]) -> Iterator[tuple[LSEFOutput | Tensor, int, int]]:
    """For every sequence in turn: the batch's output, its row in it, and its number of frames."""
    for batch in net.get_iterator(SequenceDataset(sequences), training=False):
        with torch.no_grad():
            found = net.evaluation_step(batch, training=False)
        if type(found) is tuple:  # accelerate forgets the names where a part is None, as the stages of "identity" are
            found = LSEFOutput(*found)
        for row in range(len(batch[0]["x"])):
            yield found, row, batch[0]["x"].shape[1]
