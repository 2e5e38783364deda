"""Many recordings as one study: split one by one, resumable, one table over all of them, one page that links them."""

from rpca_affect.study.failures import Failure, failure_of
from rpca_affect.study.many import decompose_many
from rpca_affect.study.study import Study

__all__ = ["Failure", "Study", "decompose_many", "failure_of"]
