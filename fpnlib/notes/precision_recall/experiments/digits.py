"""A linear classifier's scores on real digits."""

import functools

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fpnlib.data import digits

DIGIT = 8  # the digit a linear classifier confuses most


@functools.cache
def digit_scores() -> tuple[Float[Tensor, " n"], Bool[Tensor, " n"]]:
    """Score scikit-learn's 1797 digits by "is this an 8?".

    Logistic regression on the 64 grey values. Each digit is scored by a model that was fitted without it (5 folds), so
    no score is flattered by having seen its answer.

    Returns:
        scores: logits, shape (1797,).
        targets: True where the digit is an 8, shape (1797,).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    images, labels = digits()
    targets = labels == DIGIT
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, images.flatten(1).numpy(), targets.numpy(), cv=folds, method="decision_function")
    return torch.from_numpy(scores).round(decimals=3), targets
