"""RAO: AdamW whose step leans on the dominant subspace of the momentum when the gradient's spectrum spreads."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer


class RAO(Optimizer):
    """Rank-aware optimisation: balance the smooth and the sensitive part of every matrix-shaped momentum.

    The momentum ``M`` of a matrix is split into a smooth part ``P``, its projection on a warm-started dominant subspace
    of ``rank`` directions, and a sensitive part ``R = M - P``. AdamW's step then follows ``P + alpha R``. The
    effective rank ``exp(entropy(s^2 / sum s^2))`` of the momentum is compared with its own moving average:
    ``alpha = clip((average / now) ** strength, low, high)`` falls when the spectrum spreads (noise: smoothness)
    and rises when it concentrates (structure: sensitivity). Where nothing changes alpha is 1, which is AdamW.
    Vectors, scalars and matrices with no more than ``rank`` rows or columns always take AdamW's step.

    Parameters
    ----------
    params : iterable of Tensor or of dict
        Parameters or parameter groups.
    lr, betas, eps, weight_decay
        As in `torch.optim.AdamW`.
    rank : int
        Directions in the smooth part.
    alpha : float, optional
        Fixed weight of the sensitive part; 1 is AdamW. By default it is adapted.
    strength : float
        How strongly alpha answers to a change of the effective rank.
    limits : tuple of two floats
        Smallest and largest alpha.
    every : int
        Steps between two updates of the subspace and of alpha.
    memory : float
        Weight of the past in the moving average of the (logarithm of the) effective rank.

    Notes
    -----
    The published description names the role (rank aware, smoothness against sensitivity); this definition is a
    reconstruction and has been compared with AdamW, SAM and Muon in the card of the deep part.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(8, 8)
    >>> optimizer = RAO(layer.parameters(), lr=1e-2)
    >>> loss = layer(torch.ones(1, 8)).square().sum()
    >>> loss.backward(); optimizer.step()
    >>> bool(layer(torch.ones(1, 8)).square().sum() < loss)
    True
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        rank: int = 4,
        alpha: float | None = None,
        strength: float = 1.0,
        limits: tuple[float, float] = (0.1, 1.5),
        every: int = 10,
        memory: float = 0.9,
    ):
        if lr < 0 or eps < 0 or weight_decay < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(
                f"lr={lr}, betas={betas}, eps={eps}, weight_decay={weight_decay}: "
                "give non-negative numbers, betas below 1."
            )
        if rank < 1 or every < 1:
            raise ValueError(f"rank={rank} and every={every} must be at least 1.")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "rank": rank,
            "alpha": alpha,
            "strength": strength,
            "limits": limits,
            "every": every,
            "memory": memory,
        }
        super().__init__(params, defaults)
        self._buffers: dict = {}

    @torch.no_grad()
    def step(self, closure=None):
        """Perform one step; ``closure`` re-evaluates the model and returns the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for param in group["params"]:
                if param.grad is None:
                    continue
                state = self.state[param]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(param)
                    state["exp_avg_sq"] = torch.zeros_like(param)
                state["step"] += 1
                momentum, square = state["exp_avg"], state["exp_avg_sq"]
                # The same operations in the same order as torch.optim.AdamW, so that alpha = 1 is bitwise AdamW.
                param.mul_(1 - group["lr"] * group["weight_decay"])
                momentum.lerp_(param.grad, 1 - beta1)
                square.mul_(beta2).addcmul_(param.grad, param.grad, value=1 - beta2)
                correction = math.sqrt(1 - beta2 ** state["step"])
                denominator = torch.sqrt(square, out=self._scratch(param, 0)).div_(correction).add_(group["eps"])
                direction = _leaning(momentum, state, group, self._scratch(param, 1))
                param.addcdiv_(direction, denominator, value=-group["lr"] / (1 - beta1 ** state["step"]))
        return loss

    def _scratch(self, param: Tensor, number: int) -> Tensor:
        """A buffer in the shape of the parameter, shared by all parameters of that shape and never saved."""
        key = (number, param.shape, param.dtype, param.device)
        if key not in self._buffers:
            self._buffers[key] = torch.empty_like(param, memory_format=torch.contiguous_format)
        return self._buffers[key]

    def __getstate__(self):
        return {**super().__getstate__(), "_buffers": {}}

    def diagnostics(self) -> list[dict[str, float]]:
        """Alpha and effective rank of every matrix that has taken a step, in the order of the parameters."""
        states = (self.state[p] for group in self.param_groups for p in group["params"] if p in self.state)
        return [{"alpha": s["alpha"], "effective_rank": s["effective_rank"]} for s in states if "effective_rank" in s]


def _leaning(momentum: Tensor, state: dict, group: dict, out: Tensor) -> Tensor:
    """``P + alpha R`` for a matrix, the momentum itself otherwise."""
    if momentum.ndim < 2 or group["alpha"] == 1:
        return momentum
    matrix = momentum.reshape(len(momentum), -1)
    tall = matrix.shape[0] >= matrix.shape[1]
    matrix = matrix if tall else matrix.mT
    rank = group["rank"]
    if matrix.shape[1] <= rank:
        return momentum
    if "basis" not in state or state["step"] % group["every"] == 0:
        _follow(matrix, state, group)
    alpha = state["alpha"]
    if alpha == 1:
        return momentum
    basis = state["basis"]
    flat = out.view(len(momentum), -1)
    torch.addmm(matrix, matrix @ basis, basis.mT, beta=alpha, alpha=1 - alpha, out=flat if tall else flat.mT)
    return out


def _follow(matrix: Tensor, state: dict, group: dict) -> None:
    """One warm-started power step of the dominant subspace, the effective rank, and from it alpha."""
    basis = state.get("basis")
    if basis is None:
        # The longest rows are a deterministic start that lies in the row space.
        basis = matrix[matrix.square().sum(1).topk(group["rank"]).indices].mT
    # In memory as it comes back from a file, so that a resumed run rounds in the same way.
    basis = torch.linalg.qr(matrix.mT @ (matrix @ basis))[0].contiguous()
    energy = torch.linalg.vector_norm(matrix @ basis, dim=0).double().square()
    total = torch.maximum(torch.linalg.vector_norm(matrix).double().square(), energy.sum())
    rest = total - energy.sum()
    others = matrix.shape[1] - group["rank"]
    if total > 0:
        # Energy outside the subspace counts as spread evenly over what is left.
        entropy = torch.special.entr(energy / total).sum() + others * torch.special.entr(rest / total / others)
        now = float(entropy)
    else:
        now = 0.0
    average = state.get("log_rank", now)
    state["basis"], state["effective_rank"] = basis, math.exp(now)
    state["log_rank"] = group["memory"] * average + (1 - group["memory"]) * now
    low, high = group["limits"]
    # In steps of a tenth: the estimate is no finer, and in a steady spectrum the step is exactly (and as cheap
    # as) AdamW's.
    adapted = round(min(max(math.exp(group["strength"] * (average - now)), low), high), 1)
    state["alpha"] = adapted if group["alpha"] is None else group["alpha"]
