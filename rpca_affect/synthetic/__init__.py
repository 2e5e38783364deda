"""Problems with a known answer: planted matrices, and a generated face session in OpenFace form."""

from rpca_affect.synthetic.planted import PlantedProblem, planted
from rpca_affect.synthetic.session import GeneratedSession, make_session

__all__ = ["GeneratedSession", "PlantedProblem", "make_session", "planted"]
