"""What a bug report needs to know."""

import sklearn

import sklearn_optland
from sklearn_optland.utils import _build_info


def show_versions():
    """Print the version, how it was compiled, and the versions that scikit-learn prints.

    See Also
    --------
    sklearn.show_versions : The second part of the output.

    Examples
    --------
    >>> import sklearn_optland
    >>> sklearn_optland.show_versions()  # doctest: +ELLIPSIS
    sklearn_optland: ...
    Built with OpenMP: ...
    Build switches: ...
    """
    print(f"sklearn_optland: {sklearn_optland.__version__}")
    print(f"Built with OpenMP: {_build_info.OPENMP}")
    print(f"Build switches: {', '.join(_build_info.SWITCHES) or 'none'}")
    sklearn.show_versions()
