"""The data sets that benchmarks read: `.npz` files in a folder.

OPTLAND_DATA names the folder. A file NAME.npz of it holds X and y, or the CSR parts data, indices,
indptr, shape, and y; rows [:n_train] are the training part where n_train is stored. With
OPTLAND_FETCH=1 a file that is not there is made from the public original and stays in the folder;
otherwise nothing is fetched.
"""

import os
from pathlib import Path

import numpy as np
from common.originals import fetch
from scipy.sparse import csr_matrix
from sklearn import datasets

PIXEL_RANGE = {"mnist": 255}  # bytes, which are divided by this instead of standardised


def load(name):
    """A data set.

    Parameters
    ----------
    name : str
        The file's name without `.npz`; or "digits", which scikit-learn carries.

    Returns
    -------
    X : ndarray of float32 or uint8, or CSR matrix of float32, of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
        int64 labels, or float64 targets of a regression.
    n_train : int
        Rows [:n_train] are the training part: all, where there is no original split.

    Raises
    ------
    FileNotFoundError
        If OPTLAND_DATA names no folder, or if there is no such file and it is not fetched.
    ValueError
        If what was fetched is not of the known size.
    """
    if name == "digits":
        X, y = datasets.load_digits(return_X_y=True)
        return X, y, len(y)
    if not os.environ.get("OPTLAND_DATA"):
        raise FileNotFoundError(f"{name}: OPTLAND_DATA must name the folder of the .npz files")
    path = Path(os.environ["OPTLAND_DATA"], f"{name}.npz").expanduser()
    if not path.exists():
        fetch(name, path)
    with np.load(path) as file:
        y = file["y"]
        if "indptr" in file:
            X = csr_matrix((file["data"], file["indices"], file["indptr"]), shape=file["shape"])
        else:
            X = file["X"]
        return X, y, int(file.get("n_train", len(y)))


def standardised(X, train):
    """The rows with the columns' means and standard deviations of the training rows taken out."""
    deviation = X[train].std(axis=0)
    return (X - X[train].mean(axis=0)) / np.where(deviation > 0, deviation, 1)


def split_parts(X, y, train, test, task, pixel_range=None, dtype=float):
    """What an objective of nets takes of dense rows.

    Inputs are divided by the range of their pixels, or else standardised by the training rows, as
    the target of a regression is; labels become 0, 1, …
    """
    X = X.astype(float)
    X = standardised(X, train) if pixel_range is None else X / pixel_range
    X = X.astype(dtype)
    if task == "regression":
        y = (y - y[train].mean(dtype=float)) / y[train].std(dtype=float)
    else:
        y = np.unique(y, return_inverse=True)[1]
    parts = {"X": X[train], "y": y[train], "X_test": X[test], "y_test": y[test]}
    return {**parts, "task": task}
