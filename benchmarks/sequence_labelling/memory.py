"""Print the memory of the training data as a solver has them, and its peak above that, in MB.

python memory.py SOLVER N_SENTENCES
"""

import gc
import re
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from datasets.conll2000 import Dataset


def megabytes(name):
    """An entry of this process's status, by Linux."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"{name}:\s*(\d+)", status).group(1)) / 1024


def peak_of(fit, before):
    """Memory before a fit, less what there was without data, and the peak above that."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget the peak so far
    start = megabytes("VmRSS")
    fit()
    return start - before, megabytes("VmHWM") - start


def main(solver, n_sentences):
    import pycrfsuite

    from sklearn_optland.structured import ChainCRFClassifier

    before = megabytes("VmRSS")
    setting = {"task": "chunks", "n_sentences": int(n_sentences)}
    data = Dataset.get_instance(**setting).get_data()
    if solver == "CRFsuite":
        settings = {"feature.possible_states": True, "feature.possible_transitions": True}
        trainer = pycrfsuite.BaseTrainer("lbfgs", {"max_iterations": 3, **settings})
        for names, labels in zip(data.pop("names"), data.pop("y"), strict=True):
            trainer.append(names, labels)
        data.clear()
        print(*peak_of(lambda: trainer.train("/dev/null"), before))
    else:
        X, y = data.pop("X"), data.pop("y")
        data.clear()
        model = ChainCRFClassifier(boundary=False, max_iter=3)
        print(*peak_of(lambda: model.fit(X, y), before))


if __name__ == "__main__":
    main(*sys.argv[1:])
