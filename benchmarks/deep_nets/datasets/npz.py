import numpy as np
from common.bases import NpzDataset
from common.npz import PIXEL_RANGE, split_parts


class Dataset(NpzDataset):
    """A dense data set of `common/npz.py`; a tenth is drawn for the test if it has no split.

    Pixels are divided by their range, all else is standardised by the training part.

    dataset : its name
    task : "regression" or "classification"
    n_rows : so many rows of the training part are drawn; 0 takes all
    dtype : of the inputs
    """

    name = "npz"
    parameters = {
        "dataset": ["digits"],
        "task": ["classification"],
        "n_rows": [0],
        "dtype": ["float64"],
    }

    def prepare(self, X, y, n_train):
        rng = np.random.default_rng(0)
        if n_train < len(y):
            train, test = rng.permutation(n_train), np.arange(n_train, len(y))
        else:
            test, train = np.split(rng.permutation(len(y)), [len(y) // 10])
        train = train[: self.n_rows or len(train)]
        scale = PIXEL_RANGE.get(self.dataset)
        return split_parts(X, y, train, test, self.task, scale, self.dtype)
