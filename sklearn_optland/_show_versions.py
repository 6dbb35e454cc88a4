"""What a bug report needs to know."""

import sklearn

from sklearn_optland._version import __version__
from sklearn_optland.utils import _build_info


def show_versions() -> None:
    """Print the version, how it was compiled, and the versions that scikit-learn prints.

    See Also
    --------
    sklearn.show_versions : The second part of the output.

    Examples
    --------
    >>> import sklearn_optland
    >>> sklearn_optland.show_versions()  # doctest: +ELLIPSIS
    sklearn_optland: ...
    Build switches: ...
    """
    print(f"sklearn_optland: {__version__}")
    print(f"Build switches: {', '.join(_build_info.SWITCHES) or 'none'}")
    sklearn.show_versions()
