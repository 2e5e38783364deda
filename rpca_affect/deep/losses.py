"""Losses: cross-entropy or 1 - CCC for the task, and weak terms on the rank of the base and the size of transients."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rpca_affect.deep.model import LSEFOutput
from rpca_affect.deep.unroll import Stages


def concordance(prediction: Tensor, target: Tensor, weight: Tensor | None = None, dim: int = 0) -> Tensor:
    """Concordance correlation coefficient (Lin 1989) along ``dim``; 0 where both are constant and differ in nothing.

    ``2 cov / (var_p + var_t + (mean_p - mean_t)^2)`` with the population moments.

    Parameters
    ----------
    prediction, target : Tensor of one shape
    weight : Tensor that broadcasts, optional
        1 for values that count, 0 for missing ones.
    dim : int
        Axis of the values that are correlated.

    Returns
    -------
    Tensor
        The shape of ``target`` without ``dim``; in [-1, 1].

    Examples
    --------
    >>> import torch
    >>> concordance(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 3.0])).item()
    1.0
    """
    weight = torch.ones_like(target) if weight is None else weight.to(target.dtype).expand_as(target)
    count = weight.sum(dim, keepdim=True).clamp_min(1)
    target, prediction = torch.where(weight > 0, target, 0.0), torch.where(weight > 0, prediction, 0.0)
    mean_p, mean_t = prediction.sum(dim, keepdim=True) / count, target.sum(dim, keepdim=True) / count
    p, t = (prediction - mean_p) * weight, (target - mean_t) * weight
    covariance = (p * t).sum(dim) / count.squeeze(dim)
    spread = (p.square() + t.square()).sum(dim) / count.squeeze(dim) + (mean_p - mean_t).square().squeeze(dim)
    return 2 * covariance / torch.where(spread > 0, spread, 1.0)


@dataclass(frozen=True)
class LSEFLoss:
    """Task loss + consistency + weak rank and sparsity terms.

    Parameters
    ----------
    task : {"classification", "regression"}
        Cross-entropy, or 1 - CCC averaged over the outputs, pooled over the batch.
    consistency : float
        Weight of ``||x - base - transient||^2 / ||x||^2``.
    rank : float
        Weight of the base's effective rank, the participation ratio ``||L||_F^4 / ||L^T L||_F^2`` over min(T, D).
    sparsity : float
        Weight of ``||transient||_1 / ||x||_1``.
    class_weights : tuple of float, optional
        How much a sequence of each class counts in the cross-entropy; all alike by default.

    Examples
    --------
    >>> import torch
    >>> scores = torch.tensor([[9.0, 0.0], [0.0, 9.0]])
    >>> bool(LSEFLoss()(scores, torch.tensor([0, 1])) < LSEFLoss()(scores, torch.tensor([1, 0])))
    True
    """

    task: str = "classification"
    consistency: float = 0.1
    rank: float = 0.0
    sparsity: float = 0.0
    class_weights: tuple[float, ...] | None = None

    def __call__(self, output: LSEFOutput | Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mean loss of a batch; ``target`` (B,) classes, (B, C) or (B, T, C) values with NaN where not rated."""
        prediction = output.prediction if isinstance(output, LSEFOutput) else output
        if self.task == "classification":
            weights = None if self.class_weights is None else prediction.new_tensor(self.class_weights)
            loss = F.cross_entropy(prediction, target, weights)
        else:
            known = torch.isfinite(target)
            if target.ndim == 3 and mask is not None:
                frames = mask if mask.ndim == 2 else mask.any(-1)
                known = known & frames[..., None]
            guess, truth, known = (t.flatten(0, -2) for t in (prediction, torch.where(known, target, 0.0), known))
            loss = (1 - concordance(guess, truth, known)).mean()
        if isinstance(output, LSEFOutput) and output.stages is not None and output.stages.base.requires_grad:
            loss = loss + self.split_terms(output.stages)
        return loss

    def split_terms(self, stages: Stages) -> Tensor:
        """The terms that do not look at the target."""
        total = self.consistency * stages.residual[-1].square().mean()
        base, transient = stages.base, stages.transient
        if self.rank:
            gram = base @ base.mT if base.shape[-1] > base.shape[-2] else base.mT @ base
            energy, square = base.square().sum((-2, -1)), gram.square().sum((-2, -1))
            ratio = energy.square() / torch.where(square > 0, square, 1.0)
            total = total + self.rank * ratio.mean() / min(base.shape[-2:])
        if self.sparsity:
            size = (base + transient).detach().abs().sum((-2, -1))
            share = transient.abs().sum((-2, -1)) / torch.where(size > 0, size, 1.0)
            total = total + self.sparsity * share.mean()
        return total
