"""
A table from pandas or polars
=============================

Columns with names go in, columns with names come out: estimators stand in pipelines behind
scikit-learn's transformers, and take data frames of pandas and polars alike.
"""

# %%
# Who recovers well from a year of diabetes, by ten measurements; "sex" is a category.
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

X, progression = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = np.where(X["sex"] == 1, "first", "second").astype(object)
y = np.where(progression < progression.median(), "well", "badly")
print(X.head(3))

# %%
# A pipeline that scales numbers and encodes categories. Its score is that of held-out rows.
columns = make_column_transformer(
    (OneHotEncoder(drop="if_binary"), ["sex"]),
    (StandardScaler(), [name for name in X if name != "sex"]),
    verbose_feature_names_out=False,
)
model = make_pipeline(columns, BoundMajorizationLogisticRegression(C=0.1))
print(cross_val_score(model, X, y, cv=5).mean().round(3))

# %%
# The same rows from polars: the same fit, to the last bit.
model.fit(X, y)
from_polars = make_pipeline(columns, BoundMajorizationLogisticRegression(C=0.1))
from_polars.fit(pl.from_pandas(X), y)
assert (from_polars[-1].coef_ == model[-1].coef_).all()
print(model[-1].certificate_)

# %%
# Coefficients by name. The certificate says that they are those of the optimum: strong convexity
# bounds their error by the root of twice the gap.
classifier, names = model[-1], model[:-1].get_feature_names_out()
order = np.argsort(classifier.coef_[0])
error = np.sqrt(2 * classifier.certificate_.value)
figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.barh(names[order], classifier.coef_[0, order], xerr=error)
ax.axvline(0, color="black", linewidth=0.8)
ax.set_xlabel("log-odds of recovering well, for a standard deviation")
plt.show()
