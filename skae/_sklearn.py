"""All that skae takes from scikit-learn's private modules: its next version breaks one file."""

from types import SimpleNamespace

from sklearn.base import BaseEstimator
from sklearn.base import _fit_context as fit_context
from sklearn.impute._base import _BaseImputer as BaseImputer
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._mask import _get_mask as mask_of
from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, StrOptions
from sklearn.utils._set_output import _get_container_adapter as container_adapter
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _get_feature_names as names_of_columns
from sklearn.utils.validation import _num_samples as n_samples_of

__all__ = [
    "BaseImputer",
    "DocumentedMixin",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "check_feature_names_in",
    "check_sample_weight",
    "container_adapter",
    "fit_context",
    "mask_of",
    "n_samples_of",
    "names_of_columns",
    "safe_indexing",
]


class DocumentedMixin:
    """The picture of an estimator in a notebook: its sizes, and links to our documentation."""

    _doc_link_module = "skae"
    _doc_link_template = (
        "https://skae.readthedocs.io/en/latest/generated/skae.{estimator_name}.html"
    )

    def _get_fitted_attr_html(self, doc_link=""):
        """What is there, and not what is learned when it is asked for: looking costs nothing."""
        there = SimpleNamespace(**vars(self))
        shown = BaseEstimator._get_fitted_attr_html(there, doc_link)
        shown.estimator_class = type(self)
        if "net_" in shown:
            n_weights = sum(weight.numel() for weight in self.net_.module_.parameters())
            shown["net_"] = {"type_name": "torch module, number of weights", "value": n_weights}
        return shown
