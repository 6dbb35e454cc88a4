r"""
Depth efficiency
================

A net of sums and products is a tensor of coefficients, decomposed: a shallow net is a sum of
products (CP), a deep one a tree of them (hierarchical Tucker, HT). Cohen, Sharir and Shashua proved
that almost every deep net of a few hundred parameters needs exponentially many products.
"""

# %%
# The rank that gives it away
# ---------------------------
# Take every other mode of a tensor as a row of a matrix, the others as columns. A product of
# vectors becomes a matrix of rank one, so K products have at most rank K. Random trees of rank r
# with N modes of side M have the rank :math:`\min(r, M)^{N/2}`, all of them.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.tensor import TensorNetRegressor, matricization_rank, random_tensor

print("modes  side  rank   HT, five draws             theorem   CP")
for n_modes, side, rank in [(4, 2, 2), (4, 3, 3), (8, 2, 2), (8, 3, 2), (8, 3, 3), (10, 2, 3)]:
    sizes = {"n_modes": n_modes, "side": side, "rank": rank}
    found = [matricization_rank(random_tensor("ht", **sizes, random_state=i)) for i in range(5)]
    flat = matricization_rank(random_tensor("cp", **sizes, random_state=0))
    theorem = min(rank, side) ** (n_modes // 2)
    print(f"{n_modes:5} {side:5} {rank:5}   {found!s:25}  {theorem:7} {flat:4}")

# %%
# How close few products come
# ---------------------------
# What the K largest singular values of the matrix leave is less than what any K products leave: a
# bound that needs no fit. Trees of eight modes of side 3, against the parameters that the sum of
# products would have; the crosses are the trees' own.
figure, ax = plt.subplots(figsize=(7.5, 4.2))
for rank in (1, 2, 3):
    tensor = random_tensor("ht", n_modes=8, side=3, rank=rank, random_state=1)
    matrix = tensor.transpose(0, 2, 4, 6, 1, 3, 5, 7).reshape(81, 81)
    singular = np.linalg.svd(matrix, compute_uv=False)
    left = np.sqrt(np.append(np.cumsum(singular[::-1] ** 2)[::-1], 0)) / np.linalg.norm(matrix)
    products = np.arange(len(left))
    (line,) = ax.plot(products * 8 * 3, np.maximum(left, 1e-8), label=f"HT of rank {rank}")
    ax.plot(8 * 3 * rank + 6 * rank**2 + rank, 1e-7, "X", color=line.get_color(), markersize=9)
ax.set(yscale="log", ylim=(5e-8, 2), xlabel="parameters of the sum of products")
ax.set_ylabel("least relative error")
ax.legend()
plt.show()

# %%
# Nets that learn
# ---------------
# The same with data: a deep teacher of eight columns, and students of both kinds. A deep student
# with the teacher's rank has what it takes; shallow ones with as many or more parameters do not.
rng = np.random.default_rng(0)
teacher = random_tensor("ht", n_modes=8, side=2, rank=2, random_state=3)
X = rng.uniform(-1.5, 1.5, size=(6000, 8))


def outputs(X):
    value = np.broadcast_to(teacher, (len(X), *teacher.shape))
    for column in X.T:
        shape = (len(X),) + (1,) * (value.ndim - 2)
        value = value[:, 0] * column.reshape(shape) + value[:, 1]
    return value


y = outputs(X)
warnings.simplefilter("ignore", ConvergenceWarning)
table = {}
for decomposition, ranks in {"cp": (2, 4, 8, 16), "ht": (2, 4)}.items():
    for rank in ranks:
        net = TensorNetRegressor(
            8, rank, decomposition=decomposition, alpha=1e-5, tol=1e-3, max_iter=400
        ).fit(X[:4000], y[:4000])
        n_parameters = (
            sum(part.size for part in (net.factors_, *net.mixings_, net.output_weights_)) + 1
        )
        table[decomposition, rank] = n_parameters, 1 - net.score(X[4000:], y[4000:])
        print(f"{decomposition}, rank {rank:2}: {n_parameters:4} parameters, "
              f"unexplained variance {table[decomposition, rank][1]:.1e}")  # fmt: skip

figure, ax = plt.subplots(figsize=(7, 4))
for decomposition, name in {"cp": "shallow (CP)", "ht": "deep (HT)"}.items():
    points = [point for (kind, _), point in table.items() if kind == decomposition]
    ax.plot(*np.transpose(points), "o-", label=name)
ax.set(xlabel="parameters", ylabel="unexplained variance of new rows", yscale="log")
ax.legend()
plt.show()
