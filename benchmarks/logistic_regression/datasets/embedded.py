from benchopt import BaseDataset
from sklearn import datasets
from sklearn.preprocessing import StandardScaler


class Dataset(BaseDataset):
    """The classification sets that scikit-learn carries, standardised."""

    name = "embedded"
    requirements = ["scikit-learn"]
    parameters = {"dataset": ["breast_cancer", "digits", "iris", "wine"]}

    def get_data(self):
        X, y = getattr(datasets, f"load_{self.dataset}")(return_X_y=True)
        return {"X": StandardScaler().fit_transform(X), "y": y}
