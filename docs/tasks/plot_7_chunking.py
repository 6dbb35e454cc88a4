"""
Chain CRF: chunks of sentences
==============================

A chunker says where phrases begin and end: B-NP begins a noun phrase, I-NP goes on with one, O is
outside. Words alone do not say it. A conditional random field knows a label's neighbours too.
"""

# %%
# Sentences of a small grammar. "watch", "plan" and "cook" are nouns or verbs, and the label of a
# noun depends on whether a phrase has begun before it.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_optland.metrics import chunk_f1
from sklearn_optland.plotting import ConvergenceDisplay, CRFDisplay
from sklearn_optland.structured import ChainCRFClassifier

rng = np.random.default_rng(0)
words = {
    "article": ["the", "a", "this", "every"],
    "adjective": ["old", "young", "tall", "quiet", "cold"],
    "noun": ["sailor", "captain", "harbour", "storm", "ship", "watch", "plan", "cook"],
    "verb": ["sees", "hears", "leaves", "fears", "watch", "plan", "cook"],
    "adverb": ["often", "never", "slowly", "again"],
    "preposition": ["near", "behind", "from", "with"],
}


def noun_phrase():
    kinds = ["article"] * (rng.random() < 0.7) + ["adjective"] * rng.choice(3, p=[0.5, 0.3, 0.2])
    return [*kinds, "noun"], ["B-NP"] + ["I-NP"] * len(kinds)


def sentence():
    kinds, labels = noun_phrase()
    for head, label in [("adverb", "O"), ("verb", "B-VP"), (None, None), ("preposition", "B-PP")]:
        if head in ("adverb", "preposition") and rng.random() < 0.5:
            continue
        added = noun_phrase() if head is None else ([head], [label])
        kinds, labels = kinds + added[0], labels + added[1]
        if head == "preposition":
            added = noun_phrase()
            kinds, labels = kinds + added[0], labels + added[1]
    return [str(rng.choice(words[kind])) for kind in kinds], np.array(labels)


sentences, y = zip(*(sentence() for _ in range(900)), strict=True)
print(*(f"{word}/{label}" for word, label in zip(sentences[0], y[0], strict=True)))

# %%
# Features are dicts of strings, as sklearn-crfsuite takes them: here the word alone. The fit ends
# when a duality gap proves that it is within `tol` of the optimum.
X = [[{"word": word} for word in sentence] for sentence in sentences]
train, test = slice(600), slice(600, None)

chain = ChainCRFClassifier(C=5.0).fit(X[train], y[train])
tokens = [[token] for sentence in X[train] for token in sentence]
alone = ChainCRFClassifier(C=5.0).fit(tokens, [[label] for labels in y[train] for label in labels])

print(chain.certificate_)
for name, predicted in {
    "chain": chain.predict(X[test]),
    "tokens alone": [alone.predict([[token] for token in sentence]) for sentence in X[test]],
}.items():
    predicted = [np.ravel(labels) for labels in predicted]
    print(f"{name}: F1 of chunks {chunk_f1(y[test], predicted):.3f}")

# %%
# Transitions, and a sentence
# ---------------------------
# I-NP hardly follows O or B-VP. Beside that, the probabilities of each word's labels given all
# words of the sentence.
number = max(range(600, 900), key=lambda i: len(set(sentences[i]) & {"watch", "plan", "cook"}))
figure, axes = plt.subplots(1, 2, figsize=(11, 4), width_ratios=[1, 1.6])
CRFDisplay.from_estimator(chain, ax=axes[0])
CRFDisplay.from_estimator(chain, X[number], tokens=sentences[number], y_true=y[number], ax=axes[1])
plt.show()

# %%
# What the labels may be
# ----------------------
# Without training on it, a decoder can be told the rules of BIO.


def bio(before, label):
    return not label.startswith("I-") or before in (label, f"B-{label[2:]}")


loose, strict = chain.predict(X[test]), chain.predict(X[test], allowed_transitions=bio)
changed = sum(not np.array_equal(a, b) for a, b in zip(loose, strict, strict=True))
print(f"{changed} of {len(strict)} sentences change; F1 {chunk_f1(y[test], strict):.3f}")

# %%
# Solvers
# -------
# Dual ascent and the stochastic average gradient visit sentences one at a time; L-BFGS needs all of
# them for a step. All have a lower bound of the optimum.
fits = {
    solver: ChainCRFClassifier(C=5.0, solver=solver, tol=1e-8).fit(X[train], y[train])
    for solver in ("sdca", "sag", "lbfgs")
}
ConvergenceDisplay.from_estimators(list(fits.values()), names=list(fits), x="passes")
plt.show()
