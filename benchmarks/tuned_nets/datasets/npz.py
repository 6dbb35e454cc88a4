import numpy as np
from common.bases import NpzDataset
from common.npz import split_parts

TEST_SHARE = 0.1
SEARCH_FOLDS = 5


class Dataset(NpzDataset):
    """A dense data set of `common/npz.py`, split at random.

    Inputs, and the target of a regression, are standardised by the training part.

    dataset : its name
    task : "regression" or "classification"
    max_rows : of the training part so many are drawn, if it has more
    fold : the seed of a split, 0 to 9, a tenth of the rows for the test; or "search 0" to
        "search 4", a fold of the training part of split 0, by which hyperparameters are chosen
    """

    name = "npz"
    parameters = {
        "dataset": ["digits"],
        "task": ["classification"],
        "max_rows": [2000],
        "fold": [0],
    }

    def prepare(self, X, y, n_train):
        train, test, seed = self._split(len(y))
        return {**split_parts(X, y, train, test, self.task), "seed": seed}

    def _split(self, n_rows):
        fold = str(self.fold)
        search = fold.startswith("search")
        seed = 0 if search else int(fold)
        rows = np.random.default_rng(seed).permutation(n_rows)
        test, train = np.split(rows, [round(TEST_SHARE * n_rows)])
        train = train[: self.max_rows]
        if search:
            parts = np.array_split(train, SEARCH_FOLDS)
            test = parts.pop(int(fold.split()[1]))
            train = np.concatenate(parts)
        return train, test, seed
