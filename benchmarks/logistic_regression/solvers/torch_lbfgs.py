import warnings

import torch
from benchmark_utils import LinearSolver, n_coef_rows
from common.bases import TOL
from scipy.sparse import issparse
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

warnings.filterwarnings("ignore", message="Sparse")  # CSR tensors are in beta


class Solver(LinearSolver):
    """torch.optim.LBFGS with its strong Wolfe line search and automatic differentiation."""

    name = "torch-lbfgs"
    requirements = ["pip::torch"]

    def set_objective(self, **problem):
        super().set_objective(**problem)
        torch.set_num_threads(1)

    def solve(self, n_iter):
        X, y = as_tensor(self.X), torch.from_numpy(self.y)
        n_rows = n_coef_rows(self.y)
        coef = torch.zeros((n_rows, X.shape[1]), dtype=X.dtype, requires_grad=True)
        intercept = torch.zeros(n_rows, dtype=X.dtype, requires_grad=self.fit_intercept)
        binary = n_rows == 1
        target = y[:, None].to(X.dtype) if binary else y
        mean_loss = binary_cross_entropy_with_logits if binary else cross_entropy
        solver = torch.optim.LBFGS(
            [coef, intercept] if self.fit_intercept else [coef],
            max_iter=n_iter,
            max_eval=25 * n_iter,
            tolerance_grad=TOL,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def closure():
            solver.zero_grad()
            # A mean over rows: the scale that the first step is made for.
            penalty = coef.square().sum() / (2 * self.C * len(y))
            objective = mean_loss(X @ coef.T + intercept, target) + penalty
            objective.backward()
            return objective

        solver.step(closure)
        return coef.detach().numpy(), intercept.detach().numpy()


def as_tensor(X):
    """The array or CSR matrix as a tensor that shares its memory."""
    if not issparse(X):
        return torch.from_numpy(X)
    parts = map(torch.from_numpy, (X.indptr, X.indices, X.data))
    return torch.sparse_csr_tensor(*parts, size=X.shape)
