"""Trainable robust PCA: SEM, DDM, CIM and RAO, and networks that start as a classical solver."""

from rpca_affect.deep.baselines import SequenceModel, build
from rpca_affect.deep.batches import centred_per_person
from rpca_affect.deep.corruption import corrupt
from rpca_affect.deep.fusion import CIM, Fused
from rpca_affect.deep.learners import LSEFClassifier, LSEFRegressor
from rpca_affect.deep.losses import LSEFLoss, concordance
from rpca_affect.deep.model import LSEF, FeatureScale, LSEFOutput
from rpca_affect.deep.modules import DDM, SEM
from rpca_affect.deep.planted_affect import planted_affect, planted_parts
from rpca_affect.deep.predicting import predict, scores
from rpca_affect.deep.rao import RAO
from rpca_affect.deep.spectral import effective_rank, singular_value_shrink
from rpca_affect.deep.storage import load, save
from rpca_affect.deep.track import Continuity
from rpca_affect.deep.training import train
from rpca_affect.deep.unroll import Stages, Unrolled
from rpca_affect.solvers import ADMM, InexactALM

__all__ = [
    "ADMM",
    "CIM",
    "DDM",
    "LSEF",
    "RAO",
    "SEM",
    "Continuity",
    "FeatureScale",
    "Fused",
    "InexactALM",
    "LSEFClassifier",
    "LSEFLoss",
    "LSEFOutput",
    "LSEFRegressor",
    "SequenceModel",
    "Stages",
    "Unrolled",
    "build",
    "centred_per_person",
    "concordance",
    "corrupt",
    "effective_rank",
    "load",
    "planted_affect",
    "planted_parts",
    "predict",
    "save",
    "scores",
    "singular_value_shrink",
    "train",
]
