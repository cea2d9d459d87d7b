"""Pictures of fitted estimators: displays, as scikit-learn has them.

Each has a class method ``from_estimator``, which computes and draws, keeps the numbers it shows as
attributes, and draws them again by ``plot(ax=...)``. They take fitted estimators, Pipelines that
end in one (or have one before the last step), searches over those, and for comparison PCA and
whatever else has the methods. They need matplotlib: ``pip install "skae[plot]"``.
"""

from .code_sizes import CodeSizeDisplay
from .codes import CodeDisplay
from .explanations import ExplanationDisplay
from .feature_errors import FeatureErrorDisplay
from .filters import FilterDisplay
from .loss_curves import LossCurveDisplay
from .reconstructions import ReconstructionDisplay
from .scores import ScoreDisplay
from .traversals import TraversalDisplay

__all__ = [
    "CodeDisplay",
    "CodeSizeDisplay",
    "ExplanationDisplay",
    "FeatureErrorDisplay",
    "FilterDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "ScoreDisplay",
    "TraversalDisplay",
]
