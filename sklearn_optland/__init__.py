"""scikit-learn estimators whose every fit says how far it can be from the optimum."""

try:
    import sklearn_optland.utils._build_info  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        f"sklearn_optland was imported from {__path__[0]}, a source tree without compiled "
        "extensions. Run `pip install .` and start Python outside the checkout (for the tests run "
        "`pytest`, not `python -m pytest`), or run `pip install -e .`."
    ) from error

from sklearn_optland._estimator.certificate import Certificate
from sklearn_optland._show_versions import show_versions
from sklearn_optland._version import __version__

__all__ = ["Certificate", "__version__", "show_versions"]
