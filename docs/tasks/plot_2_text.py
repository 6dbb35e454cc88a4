"""
Text with twenty classes
========================

From which module of Python's library is a sentence? Twenty classes, thousands of sparse columns.
"""

# %%
# Sentences from the docstrings of twenty modules: real text that every Python has.
import importlib
import inspect
import re
from time import process_time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

MODULES = [
    *("argparse", "asyncio", "collections", "csv", "datetime", "decimal", "email.message"),
    *("fractions", "functools", "gzip", "http.client", "inspect", "logging", "pathlib"),
    *("random", "socket", "statistics", "subprocess", "tarfile", "unittest.mock"),
]


def sentences(name):
    """Sentences of more than four words in the docstrings of a module and of what it defines."""
    module = importlib.import_module(name)
    found, queue, seen = set(), [module], set()
    while queue:
        thing = queue.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        text = inspect.getdoc(thing) or ""
        found |= {part for part in re.split(r"[.:]\s+|\n\n", text) if len(part.split()) > 4}
        if inspect.ismodule(thing) or inspect.isclass(thing):
            queue += [
                member
                for _, member in inspect.getmembers(thing)
                if callable(member) and (getattr(member, "__module__", "") or "").startswith(name)
            ]
    return sorted(found)


texts, labels = [], []
for name in MODULES:
    own = sentences(name)
    texts += own
    labels += [name] * len(own)
train, test, y_train, y_test = train_test_split(texts, labels, random_state=0, stratify=labels)
vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2)
X_train, X_test = vectorizer.fit_transform(train), vectorizer.transform(test)
print(X_train.shape)

# %%
# A weak penalty suits text. Both classes at their defaults but for `C`:
for model in (BoundMajorizationLogisticRegression(C=10), LogisticRegression(C=10)):
    start = process_time()
    model.fit(X_train, y_train)
    seconds = process_time() - start
    print(f"{type(model).__name__}: {model.score(X_test, y_test):.3f} in {seconds:.2f} CPU seconds")

# %%
# Words that speak for a module, and which modules are taken for each other.
model = BoundMajorizationLogisticRegression(C=10).fit(X_train, y_train)
print(model.certificate_)
words = vectorizer.get_feature_names_out()
for name in ("csv", "datetime", "socket"):
    weights = model.coef_[list(model.classes_).index(name)]
    print(f"{name}: {', '.join(words[np.argsort(-weights)[:6]])}")

figure, ax = plt.subplots(figsize=(6.5, 6), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y_test, model.predict(X_test), xticks_rotation="vertical", colorbar=False, ax=ax, cmap="Blues"
)
ax.grid(visible=False)
plt.show()
