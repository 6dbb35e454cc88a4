"""
Probabilities that can be trusted
=================================

A classifier whose probabilities enter a decision must mean them. Logistic regression at its optimum
balances them by construction: with an intercept and no penalty on it, predicted and true counts of
each class are equal on the training rows. A fit that stopped early has lost that.
"""

# %%
# Is a patch of 3 × 3 pixels from one photograph or the other? Columns as they come.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import load_sample_image
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression


def patches(name):
    image = load_sample_image(name).astype(float)
    return sliding_window_view(image, (3, 3, 3)).reshape(-1, 27)[::20]


both = [patches("china.jpg"), patches("flower.jpg")]
X, y = np.vstack(both), np.repeat(["china", "flower"], [len(rows) for rows in both])
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

figure, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
for model in (BoundMajorizationLogisticRegression(), LogisticRegression()):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what this page is about
        model.fit(X_train, y_train)
    name = type(model).__name__
    flower = model.predict_proba(X_test)[:, 1]
    print(
        f"{name}: log-loss {log_loss(y_test, flower):.3f}, "
        f"Brier score {brier_score_loss(y_test, flower, pos_label='flower'):.3f}, "
        f"accuracy {model.score(X_test, y_test):.3f}, "
        f"mean probability {model.predict_proba(X_train)[:, 1].mean():.4f} "
        f"of {np.mean(y_train == 'flower'):.4f}"
    )
    CalibrationDisplay.from_predictions(
        y_test, flower, n_bins=15, strategy="quantile", pos_label="flower", name=name, ax=ax
    )
plt.show()
