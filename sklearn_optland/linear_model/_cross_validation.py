"""Penalties chosen by cross-validation: folds, warm-started paths and scores of linear models."""

from inspect import signature
from itertools import chain
from numbers import Integral
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, metadata_routing
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import _check_method_params, _check_sample_weight

from sklearn_optland._estimator.advice import warn_of_the_worst, warnings_kept
from sklearn_optland._estimator.training_rows import balanced_weights, total_weight
from sklearn_optland.linear_model._paths import fits_along, strongest_first

# scikit-learn's number.
N_FOLDS = 5
# Scores of test rows, or coefficients, that the default score takes at once.
BATCH_VALUES = 1 << 22


class Path(NamedTuple):
    """Fits along one parameter, in any order, and what other parameters are meanwhile."""

    values: np.ndarray
    settings: dict


class CrossValidated:
    """Mixin of models whose penalty is chosen by cross-validation.

    A subclass has `_new_model`, which makes the estimator that is fitted, and parameters for
    `_cv_constraints`.
    """

    _cv_constraints = {
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "n_jobs": [Integral, None],
        "refit": ["boolean"],
    }

    def _cross_validated(self, model, name, paths, rows, sample_weight, params, *, with_coefs):
        """Fit each fold along each path, and score the rows that it leaves out.

        Parameters
        ----------
        model : estimator with `warm_start`
        name : str
            The parameter that varies along a path.
        paths : list of Path
            Of equal lengths.
        rows : TrainingRows
        sample_weight : ndarray of shape (n_rows,) or None
        params : dict
            What `fit` was given for the splitter and the scorer.
        with_coefs : bool
            Whether coefficients are kept.

        Returns
        -------
        found : Bunch
            "scores" and "n_iter" of shape (n_folds, n_paths, n_values); "certificates", lists
            nested in the same way; "coefs" of shape (n_folds, n_paths, n_values, 1 or n_classes,
            n_features + 1), the intercepts last, or None.
        """
        X, y = rows.X, rows.y
        routed = self._routed(sample_weight, params)
        cv = self.cv
        if cv is None and is_classifier(self):  # no more than some class has rows
            cv = np.clip(np.bincount(rows.codes).max(), 2, N_FOLDS)
        cv = check_cv(cv, y, classifier=is_classifier(self))
        folds = list(cv.split(X, y, **routed.splitter.split))
        score = None if self.scoring is None else self._scorer()
        arguments = model, name, X, y, sample_weight, score, routed.scorer.score, with_coefs
        found = Parallel(n_jobs=self.n_jobs)(
            delayed(_path_of_fold)(path, train, test, *arguments)
            for train, test in folds
            for path in paths
        )
        scores, n_iter, certificates, coefs, kept = zip(*found, strict=True)
        warn_of_the_worst(list(chain.from_iterable(kept)), np.size(scores))
        if not np.isfinite(scores).all():
            raise ValueError(
                f"scoring={self.scoring!r}: found NaN or infinity among the scores of the folds; "
                "allowed are scores that are finite on the test rows of each."
            )
        n = len(paths)
        shape = len(folds), n, -1
        return Bunch(
            scores=np.reshape(scores, shape),
            n_iter=np.reshape(n_iter, shape),
            certificates=[list(certificates[i : i + n]) for i in range(0, len(found), n)],
            coefs=np.reshape(coefs, (*shape, *coefs[0].shape[1:])) if with_coefs else None,
        )

    def _scorer(self):
        default = "accuracy" if is_classifier(self) else "neg_mean_squared_error"
        scorer = check_scoring(self._new_model(), scoring=self.scoring or default)
        if self.scoring is None and metadata_routing._routing_enabled():
            # users, who do not see this scorer, could not ask for them
            scorer.set_score_request(sample_weight=True)
        return scorer

    def _routed(self, sample_weight, params):
        if metadata_routing._routing_enabled():
            return metadata_routing.process_routing(
                self, "fit", sample_weight=sample_weight, **params
            )
        if params:
            metadata_routing._raise_for_params(params, self, "fit")
        score = {}
        if sample_weight is not None and _takes_weights(self._scorer()):
            score["sample_weight"] = sample_weight
        return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=score))

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing of this object: to the splitter and to the scorer.

        Returns
        -------
        routing : MetadataRouter
            Which metadata go where.
        """
        router = metadata_routing.MetadataRouter(owner=self).add_self_request(self)
        mapping = metadata_routing.MethodMapping
        router.add(
            splitter=check_cv(self.cv, classifier=is_classifier(self)),
            method_mapping=mapping().add(caller="fit", callee="split"),
        )
        return router.add(
            scorer=self._scorer(),
            method_mapping=mapping().add(caller="fit", callee="score"),
        )


def checked_weights(rows):
    """The sample weights as an array, or None if there are none."""
    if rows.sample_weight is None:
        return None
    return _check_sample_weight(rows.sample_weight, rows.X, dtype=np.float64)


def class_weight_of_all(class_weight, rows, sample_weight):
    """Class weights that know all rows: those that a fold has would be balanced otherwise."""
    if class_weight != "balanced":
        return class_weight
    weights = np.ones(len(rows.y)) if sample_weight is None else sample_weight
    return dict(zip(rows.classes, balanced_weights(weights, rows.codes), strict=True))


def best_of(scores):
    """Indices of the best mean score over the first axis, the folds; the first among equals."""
    mean = scores.mean(axis=0)
    return np.unravel_index(mean.argmax(), mean.shape)


def strongest_of(scores):
    """Indices (path, value) by the rule of one standard error.

    Parameters
    ----------
    scores : ndarray of shape (n_folds, n_paths, n_values)
        From the strongest penalty of each path to the weakest.
    """
    path, best = best_of(scores)
    along = scores[:, path]
    n_folds, mean = len(along), along.mean(axis=0)
    error = along[:, best].std(ddof=1) / np.sqrt(n_folds) if n_folds > 1 else 0.0
    return path, (mean >= mean[best] - error).argmax()


def best_of_each(scores):
    """Indices (folds, paths, values) of the best score of each fold."""
    flat = scores.reshape(len(scores), -1).argmax(axis=1)
    return np.arange(len(scores)), *np.unravel_index(flat, scores.shape[1:])


def _path_of_fold(
    path, train, test, model, name, X, y, sample_weight, score, score_params, with_coefs
):
    """Scores, iterations, certificates, coefficients and warnings of a fold along a path."""
    weight = np.ones(len(train)) if sample_weight is None else sample_weight[train]
    if is_classifier(model):  # it shall know the classes that the fold does not see
        missing = [np.flatnonzero(y == label)[0] for label in np.setdiff1d(y, y[train])]
        weight = np.append(weight, np.zeros(len(missing)))
        train = np.append(train, missing).astype(int)
    score_params = _check_method_params(X, params=score_params, indices=test)
    if score_params.get("sample_weight") is not None:
        total_weight(score_params["sample_weight"], "sample_weight of a fold's test rows")
    n = len(path.values)
    scores, n_iter = np.empty(n), np.empty(n, dtype=int)
    certificates, coefs = [None] * n, [None] * n
    order = strongest_first(name, path.values)
    X_test, y_test = X[test], y[test]
    model = clone(model).set_params(**path.settings)
    fits = fits_along(model, X[train], y[train], name, path.values[order], weight)
    numbers, batch = [], []
    with warnings_kept() as kept:
        for number, fitted in zip(order, fits, strict=True):
            n_iter[number], certificates[number] = fitted.n_iter_, fitted.certificate_
            if score is None or with_coefs:
                intercept = np.atleast_1d(fitted.intercept_)
                W = np.column_stack([np.atleast_2d(fitted.coef_), intercept])
            if with_coefs:
                coefs[number] = W
            if score is not None:
                scores[number] = score(fitted, X_test, y_test, **score_params)
                continue
            numbers.append(number)
            batch.append(W)
            if number == order[-1] or len(batch) * len(W) * max(X_test.shape) > BATCH_VALUES:
                scores[numbers] = _default_scores(fitted, batch, X_test, y_test, **score_params)
                numbers, batch = [], []
    return scores, n_iter, certificates, np.array(coefs), kept


def _default_scores(model, coefs, X, y, sample_weight=None):
    """Accuracies, or minus mean squared errors, of one model with many coefficients.

    There are no checks of rows that have been checked, which take longer than short fits.
    """
    W = np.stack(coefs)
    scores = safe_sparse_dot(X, W[..., :-1].reshape(-1, X.shape[1]).T, dense_output=True)
    scores = scores.reshape(len(y), *W.shape[:2]) + W[..., -1]
    if not is_classifier(model):
        predicted = np.exp(scores) if getattr(model, "_log_link", False) else scores
        return -np.average((y[:, None] - predicted[..., 0]) ** 2, axis=0, weights=sample_weight)
    codes = scores.argmax(axis=-1) if scores.shape[-1] > 1 else scores[..., 0] > 0
    is_right = codes == np.searchsorted(model.classes_, y)[:, None]
    return np.average(is_right, axis=0, weights=sample_weight)


def _takes_weights(scorer):
    """Whether a scorer, scikit-learn's or a function, has the argument `sample_weight`."""
    if hasattr(scorer, "_accept_sample_weight"):
        return scorer._accept_sample_weight()
    return "sample_weight" in signature(scorer).parameters
