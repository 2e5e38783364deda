"""Any classical splitting as a network: a stage is the solver's own step with trained operators and numbers."""

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rpca_affect.arrays import Observed
from rpca_affect.deep.modules import DDM, SEM, observed_frames
from rpca_affect.deep.spectral import effective_rank, frame_mask, spectrum
from rpca_affect.solvers import InexactALM
from rpca_affect.solvers.solver import Splitting


class Stages(NamedTuple):
    """Output of an unrolled network.

    Attributes
    ----------
    base, transient : Tensor of shape (B, T, D)
        Low-rank and sparse part after the last stage; zero where nothing was observed.
    bases, transients : list of Tensor of shape (B, T, D)
        The parts after every stage.
    residual : Tensor of shape (K, B)
        ``||x - base - transient|| / ||x||`` on the observed cells after every stage.

    Examples
    --------
    >>> import torch
    >>> stages = Unrolled(4)(torch.randn(2, 20, 6, generator=torch.Generator().manual_seed(0)))
    >>> len(stages.bases), tuple(stages.residual.shape), sorted(stages.diagnostics())
    (4, (4, 2), ['rank', 'residual', 'sparsity'])
    """

    base: Tensor
    transient: Tensor
    bases: list[Tensor]
    transients: list[Tensor]
    residual: Tensor

    def diagnostics(self) -> dict[str, Tensor]:
        """Effective rank, share of non-zero cells and residual, each of shape (K, B); no gradient."""
        with torch.no_grad():
            rank = torch.stack([effective_rank(spectrum(base).values) for base in self.bases])
            sparsity = torch.stack([(s != 0).double().mean((-2, -1)) for s in self.transients])
            return {"rank": rank, "sparsity": sparsity, "residual": self.residual.detach().double()}


class _Batch(Observed):
    """Observed sequences whose spectral norm comes from the Gram matrices, several times as quick as an SVD's."""

    __slots__ = ()

    def spectral_norm(self) -> Tensor:
        """Largest singular values (B, 1, 1), found once; like all numbers that the solver takes from data, held."""
        if self._top is None:
            self._top = spectrum(self.values).values[..., :1, None].to(self.values.dtype)
        return self._top


class Unrolled(nn.Module):
    """``n_stages`` steps of a classical solver, each with its own trained operators, penalty growth and relaxation.

    Stage k is ``dataclasses.replace(solver, growth=..., relax=..., lam=..., lowrank=SEM_k, shrink=DDM_k).step``, and
    from one stage to the next the change is continued by a trained share (momentum). At initialisation the trained
    numbers are the classical ones and the share is 0, so the untrained network **is** that many steps of the solver.

    Parameters
    ----------
    n_stages : int
        Number of steps.
    n_features : int, optional
        Gives SEM and DDM one value per feature; by default all features share one, and any number of features is taken.
    solver : Splitting, optional
        ``InexactALM(relax=1.0)`` by default, or ``ADMM()``; its open numbers (``lam``, ``mu``) are filled in from each
        sequence.
    filter_width : int
        Frames in the trained temporal low-pass of SEM (odd; 1 = none).
    tied : bool
        Whether all stages share one SEM and one DDM.

    Examples
    --------
    >>> import torch
    >>> x = torch.outer(torch.arange(1.0, 21.0), torch.ones(10)); x[3, 5] += 100
    >>> stages = Unrolled(12)(x[None])
    >>> stages.transient[0].abs().argmax().item() == 3 * 10 + 5
    True
    """

    def __init__(
        self,
        n_stages: int,
        n_features: int | None = None,
        solver: Splitting | None = None,
        filter_width: int = 1,
        tied: bool = False,
    ):
        super().__init__()
        if n_stages < 1:
            raise ValueError(f"n_stages is {n_stages}; give at least one.")
        # Not over-relaxed: the networks of the card were trained from the plain iteration.
        self.solver: Any = InexactALM(relax=1.0) if solver is None else solver
        self.n_stages = n_stages
        count = 1 if tied else n_stages
        self.sem = nn.ModuleList(SEM(n_features, filter_width) for _ in range(count))
        self.ddm = nn.ModuleList(DDM(n_features) for _ in range(count))
        # Factors on the classical numbers, as logarithms: 0 is the classical iteration.
        self.log_mu = nn.Parameter(torch.zeros(()))
        self.log_growth = nn.Parameter(torch.zeros(n_stages))
        self.log_lam = nn.Parameter(torch.zeros(n_stages))
        self.relax = nn.Parameter(torch.zeros(n_stages))
        self.momentum = nn.Parameter(torch.zeros(n_stages - 1))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Stages:
        """Split a batch of sequences.

        Parameters
        ----------
        x : Tensor of shape (B, T, D)
            Per-frame features.
        mask : Tensor of bool, shape (B, T) or (B, T, D), optional
            True where observed.

        Returns
        -------
        Stages
        """
        # Under mixed precision the split stays in single precision: half has too few digits for singular values.
        with torch.autocast(x.device.type, enabled=False):
            return self._forward(x.float() if x.dtype in (torch.float16, torch.bfloat16) else x, mask)

    def _forward(self, x: Tensor, mask: Tensor | None) -> Stages:
        cells = None if mask is None else frame_mask(mask, x)
        values = x if cells is None else torch.where(cells, x, 0.0)
        # The unit of each sequence: everything below runs on data of size one, whatever the units of the input.
        unit = values.detach().abs().amax((-2, -1), keepdim=True)
        unit = torch.where(unit > 0, unit, 1.0)
        observed = _Batch(values / unit, cells)
        frames = observed_frames(cells, values)
        solver = self._tuned(observed, unit)
        state = None
        bases, transients, residuals = [], [], []
        size = _norm(observed.values)
        for k in range(self.n_stages):
            layer = self._layer(k, solver, cells, frames)
            state = layer.init(observed) if state is None else state
            before, state = state.argument, layer.step(observed, state, judged=False)
            if k < len(self.momentum):
                ahead = self.momentum[k] * (state.argument - before)
                state = state._replace(argument=state.argument + ahead)
            low, sparse = state.low_rank, state.sparse
            rest = observed.values - low - sparse
            if cells is not None:
                rest = torch.where(cells, rest, 0.0)
                low = low * frames
            residuals.append(_norm(rest) / torch.where(size > 0, size, 1.0))
            bases.append(low * unit)
            transients.append(sparse * unit)
        return Stages(bases[-1], transients[-1], bases, transients, torch.stack(residuals))

    def _tuned(self, observed: Observed, unit: Tensor) -> Any:
        """The solver with its open numbers filled in from each sequence, blind to how far it was padded."""
        solver = self.solver.rescaled(unit)
        if solver.lam is None:
            frames, features = observed.values.shape[-2:]
            lengths = torch.full((len(observed.values), 1, 1), float(frames), dtype=observed.values.dtype)
            share = torch.ones_like(lengths)
            if observed.mask is not None:
                lengths = observed.mask.any(-1, keepdim=True).sum(-2, keepdim=True).to(observed.values.dtype)
                count = observed.mask.sum((-2, -1), keepdim=True).to(observed.values.dtype)
                share = count / (lengths * features).clamp_min(1)
            larger = lengths.clamp_min(features).to(observed.values)
            solver = replace(solver, lam=1 / torch.sqrt(share.to(observed.values).clamp_min(1e-12) * larger))
        with torch.no_grad():
            return solver.tuned(observed)

    def _layer(self, k: int, solver: Any, cells: Tensor | None, frames: Tensor) -> Any:
        sem: Any = self.sem[k % len(self.sem)]
        ddm: Any = self.ddm[k % len(self.ddm)]
        return replace(
            solver,
            mu=solver.mu * self.log_mu.exp(),
            growth=solver.growth * self.log_growth[k].exp(),
            lam=solver.lam * self.log_lam[k].exp(),
            relax=solver.relax + self.relax[k],
            lowrank=lambda argument, level: sem.shrink(argument, level, cells),
            shrink=lambda argument, level, base: ddm.shrink(argument, level, base, cells, frames),
        )


def _norm(x: Tensor) -> Tensor:
    # The smallest normal number inside the root keeps its gradient finite at zero and changes no other value.
    return (x.square().sum((-2, -1)) + torch.finfo(x.dtype).tiny).sqrt()
