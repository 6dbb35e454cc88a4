import numpy as np
from benchmark_utils import MulticlassSolver, median_cpu_seconds, products_per_pass
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix, issparse
from sklearn.svm import LinearSVC

BATCH_ROWS = 256
BLOCK_CLASSES = 1024  # scores of a batch stay in the cache
SINGLE_ROWS = 300  # timed one at a time
MAX_PRODUCTS = 2e9  # of a pass, for LIBLINEAR
MAX_WEIGHTS = 1.1e8


class Solver(MulticlassSolver):
    """A score for every class, done well: float32 weights, BLAS over batches, argmax over blocks.

    training : "lda", linear discriminants of the class means and the pooled covariance plus
        `strength` times its mean diagonal (dense rows only); "squared hinge", one against the rest
        by LIBLINEAR with C = `strength`; "class means", the nearest mean
    """

    name = "one-against-all"
    requirements = ["scikit-learn", "scipy"]
    parameters = {
        "training, strength": [
            *(("lda", ridge) for ridge in (0.01, 0.03, 0.1, 0.3)),
            *(("squared hinge", C) for C in (0.02, 0.2, 2.0)),
            ("class means", 0.0),
        ]
    }
    parameter_template = "{training},{strength}"
    deterministic = True

    def skip(self, X, n_classes, **problem):
        weights = n_classes * X.shape[1]
        if weights > MAX_WEIGHTS:
            return True, f"{weights:.1e} weights"
        if self.training == "class means":
            return False, None
        if self.training == "lda":
            return issparse(X), "a covariance of dense rows"
        products = products_per_pass(X, n_classes)
        return products > MAX_PRODUCTS, f"{products:.1e} products a pass over all classes"

    def fit(self):
        learners = {
            "lda": self.discriminants,
            "squared hinge": self.hinges,
            "class means": self.class_means,
        }
        coef, intercept = learners[self.training]()
        coef, self.intercept = coef.astype(np.float32), intercept.astype(np.float32)
        starts = range(0, self.n_classes, BLOCK_CLASSES)
        self.blocks = [np.ascontiguousarray(coef[i : i + BLOCK_CLASSES].T) for i in starts]
        # One row's scores: rows of features are gathered for a sparse one.
        self.coef = np.ascontiguousarray(coef.T) if issparse(self.X) else coef
        self.model = self.coef, self.intercept

    def means(self):
        n, k = len(self.y), self.n_classes
        member = csr_matrix((np.ones(n), (self.y, np.arange(n))), shape=(k, n))
        counts = np.asarray(member.sum(axis=1)).ravel()
        sums = member @ self.X
        sums = sums.toarray() if issparse(sums) else sums
        return counts, sums / np.maximum(counts, 1)[:, None]

    def class_means(self):
        _, means = self.means()
        return means, -0.5 * np.einsum("ij,ij->i", means, means)

    def discriminants(self):
        counts, means = self.means()
        rest = self.X - means[self.y].astype(np.float32)
        covariance = (rest.T @ rest).astype(np.float64) / len(rest)
        d = len(covariance)
        covariance += self.strength * np.trace(covariance) / d * np.eye(d)
        coef = cho_solve(cho_factor(covariance), means.T).T
        log_prior = np.log(np.maximum(counts, 1e-9) / len(rest))
        return coef, log_prior - 0.5 * np.einsum("ij,ij->i", coef, means)

    def hinges(self):
        model = LinearSVC(C=self.strength, random_state=self.seed).fit(self.X, self.y)
        coef = np.zeros((self.n_classes, self.X.shape[1]))
        intercept = np.full(self.n_classes, -np.inf)  # of a class that is not in these rows
        coef[model.classes_], intercept[model.classes_] = model.coef_, model.intercept_
        return coef, intercept

    def predict(self):
        predicted = np.empty(self.X_test.shape[0], dtype=np.intp)
        for start in range(0, len(predicted), BATCH_ROWS):
            rows = self.X_test[start : start + BATCH_ROWS]
            best = np.full(rows.shape[0], -np.inf, dtype=np.float32)
            arg = np.zeros(rows.shape[0], dtype=np.intp)
            for i, block in enumerate(self.blocks):
                first = i * BLOCK_CLASSES
                scores = rows @ block
                scores += self.intercept[first : first + BLOCK_CLASSES]
                here = scores.argmax(axis=1)
                top = scores[np.arange(len(here)), here]
                better = top > best
                best[better], arg[better] = top[better], first + here[better]
            predicted[start : start + BATCH_ROWS] = arg
        return predicted

    def predict_one_by_one(self):
        X = self.X_test
        for row in range(min(SINGLE_ROWS, X.shape[0])):
            if issparse(X):
                part = slice(X.indptr[row], X.indptr[row + 1])
                scores = X.data[part] @ self.coef[X.indices[part]]
            else:
                scores = self.coef @ X[row]
            scores += self.intercept
            scores.argmax()

    def costs(self):
        rows = min(SINGLE_ROWS, self.X_test.shape[0])
        return {"single_microseconds": 1e6 * median_cpu_seconds(self.predict_one_by_one) / rows}
