import os
from pathlib import Path

from benchmark_utils import as_matrices, read_conll, token_features
from benchopt import BaseDataset


class Dataset(BaseDataset):
    """Sentences of the CoNLL-2000 task, from the folder `OPTLAND_DATA`.

    task : "chunks" (22 labels), or "tags" (44 labels, from words alone)
    n_sentences : of the training part, the first so many
    """

    name = "conll2000"
    parameters = {"task": ["chunks"], "n_sentences": [8936]}

    def get_data(self):
        folder = Path(os.environ.get("OPTLAND_DATA", "."))
        try:
            parts = [
                read_conll(folder / f"conll2000_{part}.txt.gz")[:n]
                for part, n in (("train", self.n_sentences), ("test", None))
            ]
        except FileNotFoundError as error:
            return {"missing": str(error)}
        data, columns = {"task": self.task}, {}
        for ending, sentences in zip(("", "_test"), parts, strict=True):
            names, labels = [], []
            for sentence in sentences:
                words, tags, chunk_labels = zip(*sentence, strict=True)
                has_tags = self.task == "chunks"
                names.append(list(token_features(words, tags if has_tags else None)))
                labels.append(list(chunk_labels if has_tags else tags))
            data[f"names{ending}"], data[f"y{ending}"] = names, labels
            data[f"X{ending}"] = as_matrices(names, columns, grows=not ending)
        # columns that came later widen the matrices of the first sentences
        for X in data["X"]:
            X.resize(X.shape[0], len(columns))
        return data | {"columns": columns}
