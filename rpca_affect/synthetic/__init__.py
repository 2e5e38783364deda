"""Problems with a known answer: planted matrices, and a generated face session in OpenFace form."""

import importlib
from typing import TYPE_CHECKING, Any

from rpca_affect.synthetic.planted import PlantedProblem, planted

if TYPE_CHECKING:
    from rpca_affect.synthetic.session import GeneratedSession as GeneratedSession
    from rpca_affect.synthetic.session import make_session as make_session

__all__ = ["GeneratedSession", "PlantedProblem", "make_session", "planted"]


def __getattr__(name: str) -> Any:
    # Sessions are tables and need pandas; planted matrices must not.
    if name in ("GeneratedSession", "make_session"):
        return getattr(importlib.import_module("rpca_affect.synthetic.session"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
