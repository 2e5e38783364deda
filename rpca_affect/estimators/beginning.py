"""The first base of a stream: the model of RobustPCA on its first frames, while the next ones arrive."""

import contextvars
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from rpca_affect.arrays import Observed, array_namespace
from rpca_affect.decomposition import Status
from rpca_affect.estimators.components import centred_rank, learned_base
from rpca_affect.estimators.stream import Past
from rpca_affect.lags import Windows
from rpca_affect.noise_model import NoiseModel, split_frames

__all__ = ["Beginning"]

Found = tuple[Past, Status]


class Beginning:
    """First base of a stream, learned from a first block in a thread of its own.

    Parameters
    ----------
    block : Observed
        Frames (m, n).
    rank : int or None
        Number of components; None for the rank that is found.
    model : NoiseModel
    """

    def __init__(self, block: Observed, rank: int | None, model: NoiseModel) -> None:
        with_settings = contextvars.copy_context().run
        hand = ThreadPoolExecutor(1, thread_name_prefix="rpca_affect-stream")
        self._found: Future[Found] = hand.submit(with_settings, _first, block, rank, model)
        hand.shutdown(wait=False)

    def result(self) -> Found:
        """Wait; return the past, and how the solve ended."""
        return self._found.result()

    def __getstate__(self) -> dict[str, Any]:
        return {"found": self.result()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._found = Future()
        self._found.set_result(state["found"])


def _first(block: Observed, rank: int | None, model: NoiseModel) -> Found:
    found = split_frames(block, model)
    xp = array_namespace(found.base)
    cleaned = block.values - found.transient
    if block.mask is not None:
        cleaned = xp.where(block.mask, cleaned, found.base)
    if rank is None:
        rank = centred_rank(found.base) if found.lags == 1 else max(1, int(found.decomposition.rank))
    base = learned_base(block, found.base, cleaned, rank, Windows(found.lags))
    # The limit of a cell is known in units of the noise; the remainder of the base says how that unit changes.
    share = xp.ones_like(found.sigma) if model.noise is None else found.sigma / base.noise_scale
    past = Past(block, cleaned, base.components.shape[0], found.lags, base.noise_scale, share)
    return past, found.decomposition.status
