"""What classifiers and regressors around an autoencoder do to rows, as a torch module."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..around.classifier import AutoencoderClassifier
from .columns import Ends
from .methods import Methods, methods_of, shape_of


class OfSupervised(Methods):
    """Those of an `AutoencoderClassifier` or `AutoencoderRegressor`: its encoder and its head."""

    judging = ()

    def __init__(self, estimator, methods, dtype):
        super().__init__(estimator, methods, dtype)
        self.check_format(estimator._format)
        encoder = estimator.encoder_
        self.takes = shape_of(estimator._format)
        self.inner = methods_of(encoder)(encoder, ("transform",), dtype)
        self.center, self.scale = (
            torch.as_tensor(np.asarray(array), dtype=dtype)
            for array in (encoder.center_, encoder.scale_)
        )
        self.head = OfHead(estimator.head_, dtype)
        self.classes = None
        if isinstance(estimator, AutoencoderClassifier):
            self.classes = estimator.classes_

    def finish(self, model):
        if "predict" in self.methods and self.classes is not None:
            ends = Ends(model)
            ends.name_classes("predict", self.classes)
            ends.written()

    def transform(self, x):
        return self.inner.transform(x).flatten(1)

    def outputs(self, x):
        """What the head says of rows."""
        features = self.transform(x)
        if len(self.head.center) > features.shape[1]:
            rows = (x.flatten(1) - self.center) / self.scale
            features = torch.cat([features, torch.where(rows.isnan(), 0.0, rows)], dim=1)
        return self.head(features)

    def decision_function(self, x):
        logits = self.outputs(x)
        return logits[:, 1] - logits[:, 0] if len(self.classes) == 2 else logits

    def predict_proba(self, x):
        return self.outputs(x).softmax(1)

    def predict(self, x):
        """The expected number, or which of the classes."""
        outputs = self.outputs(x)
        if self.classes is None:
            return self.estimator._center + self.estimator._scale * outputs[:, 0]
        return outputs.argmax(1)


class OfHead(nn.Module):
    """`TrainedHead`."""

    def __init__(self, head, dtype):
        super().__init__()
        self.center, self.scale = (
            torch.as_tensor(array, dtype=dtype) for array in (head.center, head.scale)
        )
        self.linear, *self.layers = (
            tuple(torch.as_tensor(array, dtype=dtype) for array in layer)
            for layer in (head.linear, *head.layers)
        )

    def forward(self, features):
        hidden = (features - self.center) / self.scale
        outputs = F.linear(hidden, *self.linear)
        for i, layer in enumerate(self.layers):
            hidden = F.linear(F.silu(hidden) if i else hidden, *layer)
        return outputs + hidden if self.layers else outputs
