r"""
Matrix completion with a proof
==============================

A table with holes is filled by a low-rank model. The model is the best one, and the fit proves it;
what the proof does not promise is a good prediction, and there the shrinkage that makes the problem
convex is in the way.
"""

# %%
# Digits with pixels missing
# --------------------------
# Three in ten pixels of handwritten digits are missing. The imputer is fitted to 1400 of them, and
# fills the others, which it has not seen.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer

from sklearn_optland.decomposition import LowRankFactorization
from sklearn_optland.impute import LowRankImputer

X = load_digits().data
rng = np.random.default_rng(0)
hidden = rng.random(X.shape) < 0.3
holes = np.where(hidden, np.nan, X)
imputer = LowRankImputer(keep_empty_features=True).fit(holes[:1400])
print(f"alpha {imputer.alpha_:.2f}, rank {imputer.rank_}, {imputer.certificate_}")

pictures = {"as they are": X[1400:], "with holes": holes[1400:]}
pictures["filled"] = imputer.transform(holes[1400:])
figure, axes = plt.subplots(3, 10, figsize=(9, 3.1))
for row, (name, rows) in zip(axes, pictures.items(), strict=True):
    for ax, picture in zip(row, rows, strict=False):
        ax.imshow(np.ma.masked_invalid(picture.reshape(8, 8)), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[], facecolor="#f0c9a0")
        ax.grid(False)
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()

# %%
# The certificate
# ---------------
# Above, the strength was chosen by entries that were held out. Here the path is seen as a whole:
# the gap of each fit is a ten-thousandth of its objective, the rank follows from the strength, and
# the polar, the largest singular value of what the model leaves, is 1 in units of it: another
# component would not help. The error of unseen rows has two curves: as the optimum fills
# them, and without the shrinkage of its singular values.
alphas = np.geomspace(0.04, 1.5, 10)
curves = {"as the optimum fills": [], "debias=True": []}
ranks = []
for alpha in alphas:
    for name, debias in zip(curves, (False, True), strict=True):
        model = LowRankImputer(alpha, debias=debias, keep_empty_features=True).fit(holes[:1400])
        error = (model.transform(holes[1400:]) - X[1400:])[hidden[1400:]]
        curves[name].append(np.sqrt(np.mean(error**2)))
    ranks.append(model.rank_)
    print(f"alpha {alpha:.2f}: rank {model.rank_:2}, polar {model.polar_:.4f}, "
          f"{model.certificate_}")  # fmt: skip

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
for name, errors in curves.items():
    left.plot(alphas, errors, "o-", label=name)
for Rival, style in ((KNNImputer, "--"), (SimpleImputer, ":")):
    filled = Rival(keep_empty_features=True).fit(holes[:1400]).transform(holes[1400:])
    error = np.sqrt(np.mean((filled - X[1400:])[hidden[1400:]] ** 2))
    left.axhline(error, color="0.4", linestyle=style, label=Rival.__name__)
left.set(xscale="log", xlabel="alpha", ylabel="error of missing pixels")
left.legend()
right.plot(alphas, ranks, "o-")
right.set(xscale="log", xlabel="alpha", ylabel="rank of the optimum")
plt.show()

# %%
# Ratings
# -------
# 300 users have rated some of 200 items, a tenth of all pairs. Factors start at rank 0, and get new
# columns as long as the polar asks for them; those that the descent takes to zero go again.
n_users, n_items = 300, 200
truth = 3.5 + 0.4 * rng.normal(size=(n_users, 1)) + 0.5 * rng.normal(size=(1, n_items))
truth = truth + rng.normal(size=(n_users, 4)) @ (0.5 * rng.normal(size=(4, n_items)))
users, items = np.nonzero(rng.random(truth.shape) < 0.1)
values = np.clip(np.round(truth[users, items] + 0.5 * rng.normal(size=len(users))), 1, 5)
ratings = csr_array((values, (users, items)), shape=truth.shape)
model = LowRankFactorization(0.3, tol=1e-5).fit(ratings)
print(f"rank {model.rank_}, polar {model.polar_:.5f}, {model.certificate_}")

history = model.history_
known = np.isfinite(history["certificate"])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
share = history["certificate"] / history["objective"]
left.semilogy(history["passes"][known], share[known], "o-")
left.set(xlabel="passes over the ratings", ylabel="duality gap / objective")
right.step(history["passes"], history["rank"], where="post")
right.set(xlabel="passes over the ratings", ylabel="columns of the factors")
plt.show()

# %%
# On pairs that nobody has rated, the refit without shrinkage is better at every strength. Its
# certificate is that of the convex problem, of which it keeps the directions.
everywhere = np.divmod(np.arange(truth.size), n_items)
unseen = np.ones(truth.shape, dtype=bool)
unseen[users, items] = False
warnings.simplefilter("ignore")
for alpha in (0.5, 0.4, 0.3, 0.2):
    errors = []
    for debias in (False, True):
        model = LowRankFactorization(alpha, debias=debias).fit(ratings)
        found = model.predict_entries(*everywhere).reshape(truth.shape)
        errors.append(np.sqrt(np.mean((found - truth)[unseen] ** 2)))
    print(f"alpha {alpha}: rank {model.rank_:2}, error {errors[0]:.3f}, debiased {errors[1]:.3f}")
