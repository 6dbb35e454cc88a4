"""Mistakes that a type checker finds, with the code of its error; see test_types.py."""

from sklearn_optland.linear_model import FiniteSumRegressor, alpha_max

FiniteSumRegressor(solver="sagaa")  # arg-type
FiniteSumRegressor(fit_intercept="yes")  # arg-type
FiniteSumRegressor(aplha=1.0)  # call-arg
FiniteSumRegressor().fit([[1.0]])  # call-arg
print(alpha_max(FiniteSumRegressor(), [[1.0]], [1.0]).shape)  # attr-defined
