"""The package as a whole: version, build information, persistence."""

import pickle
import shutil
import subprocess
import sys
import warnings
from importlib import metadata
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import InconsistentVersionWarning

import sklearn_optland
from sklearn_optland._estimator.base import OptlandEstimator


class Toy(OptlandEstimator, ClassifierMixin, BaseEstimator):
    def __init__(self, alpha=1.0):
        self.alpha = alpha


def test_version_is_the_metadata_version():
    assert sklearn_optland.__version__ == metadata.version("sklearn-optland")


def test_show_versions_says_how_the_package_was_built(capsys):
    sklearn_optland.show_versions()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"sklearn_optland: {sklearn_optland.__version__}"
    assert lines[1].startswith("Build switches: ")


def test_unbuilt_source_tree_says_what_to_do(tmp_path):
    installed = Path(sklearn_optland.__file__).parent
    unbuilt = shutil.copytree(
        installed, tmp_path / "sklearn_optland", ignore=shutil.ignore_patterns("*.so", "*.pyd")
    )
    result = subprocess.run(
        [sys.executable, "-c", "import sklearn_optland"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert f"ImportError: sklearn_optland was imported from {unbuilt}" in result.stderr
    assert "pip install ." in result.stderr


def test_pickle_keeps_an_estimator():
    toy = Toy(alpha=2.0)
    toy.coef_ = [1.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert vars(pickle.loads(pickle.dumps(toy))) == vars(toy)
        assert vars(clone(toy)) == {"alpha": 2.0}


@pytest.mark.parametrize("version", ["0.0.1", None])
def test_pickle_of_another_version_warns(version):
    state = Toy().__getstate__()
    if version is None:
        del state["_sklearn_optland_version"]
    else:
        state["_sklearn_optland_version"] = version
    with pytest.warns(InconsistentVersionWarning, match=f"Toy from version {version or 'unknown'}"):
        Toy().__setstate__(state)


def test_html_display_has_no_broken_link():
    assert Toy()._get_doc_link() == ""
