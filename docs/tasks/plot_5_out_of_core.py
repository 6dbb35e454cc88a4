"""
More rows than memory: memory maps and Dask
===========================================

A fit reads rows by blocks and keeps sums, so that rows may stay in a file, or in the partitions of
a Dask collection. The coefficients are those of a fit in memory.
"""

# %%
# A file of 200 000 rows and 50 columns, as float32.
import tempfile
from pathlib import Path

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
from sklearn_optland.plotting import ConvergenceDisplay

n, d = 200_000, 50
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "rows.f32"
rng = np.random.default_rng(0)
rows = np.memmap(file, np.float32, "w+", shape=(n, d))
for start in range(0, n, 50_000):
    rows[start : start + 50_000] = rng.standard_normal((50_000, d))
rows.flush()
scores = rows @ rng.standard_normal(d).astype(np.float32) / 3
y = rng.random(n) < 1 / (1 + np.exp(-scores))

# %%
# As a memory map: the operating system brings what is read. Nothing else changes.
mapped = np.memmap(file, np.float32, "r", shape=(n, d))
model = BoundMajorizationLogisticRegression().fit(mapped, y)
print(model.certificate_)

# %%
# As a Dask array of four partitions: rows stay where they are, and what travels are sums.
# ``dask.distributed.Client()`` before the fit would share them among processes or machines.
lazy_rows = da.from_array(mapped, chunks=(n // 4, d))
lazy_y = da.from_array(y, chunks=n // 4)
shared = BoundMajorizationLogisticRegression().fit(lazy_rows, lazy_y)
print(np.abs(shared.coef_ - model.coef_).max())
print(shared.predict(lazy_rows))  # lazy, too

# %%
# Another algorithm, step by step, from both: the bound of Jebara and Choromanska. One curve lies on
# the other.
fits = [
    BoundMajorizationLogisticRegression(curvature="jc12", tol=1e-12).fit(*data)
    for data in ((mapped, y), (lazy_rows, lazy_y))
]
display = ConvergenceDisplay.from_estimators(fits, names=["memory map", "Dask"], slopes=False)
display.lines_[1].set(linestyle="--", marker="")
display.ax_.legend()
plt.show()
folder.cleanup()
