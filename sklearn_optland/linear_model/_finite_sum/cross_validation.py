"""Finite sums whose penalty is chosen by cross-validation: warm-started paths for each fold."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.base import OptlandEstimator
from sklearn_optland.linear_model._cross_validation import (
    CrossValidated,
    Path,
    best_of,
    best_of_each,
    strongest_of,
)
from sklearn_optland.linear_model._finite_sum.estimator import (
    PARAMETER_CONSTRAINTS,
    PENALTY_CONSTRAINTS,
    penalty_name,
)
from sklearn_optland.linear_model._finite_sum.strengths import strengths


class _FiniteSumCV(CrossValidated, OptlandEstimator, BaseEstimator):
    """What classifiers and regressors share; `_single` is the estimator of one fit."""

    _takes_sparse = True
    _parameter_constraints = {
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "eps": [Interval(Real, 0, 1, closed="neither")],
        "l1_ratios": ["array-like"],
        "selection": [StrOptions({"best", "one_standard_error"})],
        **{
            name: allowed
            for name, allowed in PARAMETER_CONSTRAINTS.items()
            if name not in ("alpha", "l1_ratio")
        },
        **PENALTY_CONSTRAINTS,
        **CrossValidated._cv_constraints,
    }

    @property
    def penalty(self) -> str:
        """What the chosen penalty is, see :class:`FiniteSumClassifier`."""
        return penalty_name(self.alpha_, self.l1_ratio_)

    def _new_model(self):
        own = self.get_params()
        names = self._single._get_param_names()
        return self._single(**{name: own[name] for name in names if name in own})

    def _fit(self, model, rows, sample_weight, params):
        """Choose alpha and l1_ratio, then fit all rows."""
        l1_ratios = self._l1_ratios()
        self.alphas_ = self._strengths(model, rows, l1_ratios)
        paths = [
            Path(alphas, {"l1_ratio": l1_ratio})
            for l1_ratio, alphas in zip(l1_ratios, self.alphas_, strict=True)
        ]
        found = self._cross_validated(
            model, "alpha", paths, rows, sample_weight, params, with_coefs=not self.refit
        )
        self.scores_, self.n_iter_ = found.scores, found.n_iter
        self.certificates_ = found.certificates
        if self.refit:
            path, best = (best_of if self.selection == "best" else strongest_of)(self.scores_)
            self.alpha_, self.l1_ratio_ = float(self.alphas_[path, best]), l1_ratios[path]
            model.set_params(alpha=self.alpha_, l1_ratio=self.l1_ratio_)
            model.fit(rows.X, rows.y, sample_weight)
            self.coef_, self.intercept_ = model.coef_, model.intercept_
            self.certificate_, self.history_ = model.certificate_, model.history_
            self.solver_ = model.solver_
            return
        folds, paths, best = best_of_each(self.scores_)
        self.alpha_ = float(self.alphas_[paths, best].mean())
        self.l1_ratio_ = float(np.mean(np.array(l1_ratios)[paths]))
        W = found.coefs[folds, paths, best].mean(axis=0).astype(rows.X.dtype)
        self.coef_, self.intercept_ = np.ascontiguousarray(W[:, :-1]), W[:, -1].copy()
        self.certificate_, self.history_, self.solver_ = None, {}, None

    def _l1_ratios(self):
        """The shares as floats; what the parameters' types cannot say is refused here."""
        if self.selection != "best" and not self.refit:
            raise ValueError(
                f"refit: found False with selection={self.selection!r}; allowed with it is True, "
                "since a fold alone has no standard error."
            )
        l1_ratios = np.asarray(self.l1_ratios, dtype=np.float64)
        if (
            l1_ratios.ndim != 1
            or not len(l1_ratios)
            or not ((l1_ratios >= 0) & (l1_ratios <= 1)).all()
        ):
            raise ValueError(
                f"l1_ratios: found {self.l1_ratios!r}; allowed are numbers from 0 to 1, one or "
                "more."
            )
        return l1_ratios.tolist()

    def _strengths(self, model, rows, l1_ratios):
        """The values of alpha for each l1_ratio, from the largest on."""
        if isinstance(self.alphas, Integral):
            return strengths(model, rows, l1_ratios, self.alphas, self.eps)
        alphas = np.asarray(self.alphas, dtype=np.float64)
        if alphas.ndim != 1 or not len(alphas) or not ((alphas >= 0) & (alphas < np.inf)).all():
            raise ValueError(
                f"alphas: found {self.alphas!r}; allowed are a number of values, or finite values "
                "that are not negative, one or more."
            )
        return np.tile(np.sort(alphas)[::-1], (len(l1_ratios), 1))
