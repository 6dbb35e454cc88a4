"""
Select columns: L1 paths and cross-validation
=============================================

An L1 penalty sets coefficients to zero, more of them the stronger it is. How strong is a question
for held-out rows; that each fit on the way is at its optimum is one for its certificate.
"""

# %%
# Ten measurements of patients, with their squares and products: 64 columns, since the square of
# sex, which has two values, says what sex does.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.feature_selection import SelectFromModel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_optland.linear_model import (
    FiniteSumRegressor,
    FiniteSumRegressorCV,
    alpha_max,
    regularization_path,
)

X, y = load_diabetes(return_X_y=True, as_frame=True)
expand = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler())
expand.set_output(transform="pandas")
X = expand.fit_transform(X).drop(columns="sex^2")
print(X.shape)

# %%
# The path: from the least strength at which all coefficients are zero, a hundred fits in one call.
lasso = FiniteSumRegressor(l1_ratio=1.0)
strengths = alpha_max(lasso, X, y) * np.logspace(0, -3, 100)
path = regularization_path(lasso, X, y, strengths)
worst = max(certificate.relative for certificate in path.certificates)
print(f"{sum(path.seconds):.2f} s, all proven to be within {worst:.0e} of their optima")

# %%
# Which strength? The best by five folds, and the strongest whose score is within one standard error
# of the best.
chosen = {}
for selection in ("best", "one_standard_error"):
    model = FiniteSumRegressorCV(alphas=strengths, l1_ratios=(1.0,), selection=selection)
    chosen[selection] = model.fit(X, y)
    print(f"{selection}: {np.count_nonzero(model.coef_)} columns at {model.alpha_:.2f}")

# %%
# Both on the path. Named are the columns that the simpler one keeps.
simple = chosen["one_standard_error"]
figure, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
for name, coefs in zip(X.columns, path.coefs.T, strict=True):
    kept = simple.coef_[list(X.columns).index(name)] != 0
    ax.semilogx(strengths, coefs, linewidth=2 if kept else 0.6, label=name if kept else "")
for (selection, model), style in zip(chosen.items(), (":", "--"), strict=True):
    ax.axvline(model.alpha_, color="black", linestyle=style, label=selection.replace("_", " "))
ax.invert_xaxis()
ax.set(xlabel="alpha", ylabel="coefficient")
handles, labels = ax.get_legend_handles_labels()
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
# In a pipeline: `SelectFromModel` keeps the columns in use.
selector = SelectFromModel(simple).set_output(transform="pandas")
print(list(selector.fit_transform(X, y).columns))
