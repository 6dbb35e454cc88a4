"""Fixtures and settings for all tests.

Run ``pytest``, not ``python -m pytest``: the latter puts the checkout first on ``sys.path``, where
the source tree, which has no compiled extensions, hides the installed package. pytest's own default
import mode changes ``sys.path`` too; ``--import-mode=importlib`` in pyproject.toml does not.
After ``pip install -e .`` both work.

Environment variables widen a run, or make it shorter:

OPTLAND_TESTS_GLOBAL_RANDOM_SEED   a number (default 42), a range such as 0-9, or all (0-99)
OPTLAND_TESTS_GLOBAL_DTYPE         float64 (default), float32, or all
OPTLAND_TESTS_MODES                all (default), or none: scikit-learn's checks of defaults only
HYPOTHESIS_PROFILE                 ci (default), nightly, or coverage

pytest-xdist shares the whole suite between the cores: ``pytest -n 0`` stays in one process.
"""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# NumPy is not imported yet, and processes that tests start inherit this: on a busy machine BLAS'
# threads wait for each other, and a minute becomes ten.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# Under `nohup`, or behind `&` in a script, Ctrl-C is ignored, and so it would be in processes that
# tests start: those that press it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A property that finds an optimum is decorated with `@settings.get_profile("fits")`, which takes
# fewer examples of it; state machines run under "machines", so many times so many steps.
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
EXAMPLES, EXAMPLES_OF_FITS, EXAMPLES_OF_MACHINES, STEPS = {
    "ci": (200, 50, 10, 12),
    "nightly": (10_000, 10_000, 400, 25),
    "coverage": (10, 5, 2, 5),
}[PROFILE]
settings.register_profile(
    PROFILE,
    max_examples=EXAMPLES,
    derandomize=PROFILE != "nightly",  # a red run can be repeated
    deadline=None,  # sanitizers and busy machines are slow
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(PROFILE)
settings.register_profile("fits", max_examples=EXAMPLES_OF_FITS)
settings.register_profile("machines", max_examples=EXAMPLES_OF_MACHINES, stateful_step_count=STEPS)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Share the whole suite between the cores; a part of it ends before workers would have begun.

    Where pytest-xdist is absent the option is too, and a worker must not start its own workers.
    """
    folder = Path(__file__).parent
    named = [(config.invocation_params.dir / name).resolve() for name in config.args]
    unset = getattr(config.option, "numprocesses", 0) is None
    if unset and folder in named and PROFILE != "coverage" and not hasattr(config, "workerinput"):
        config.option.numprocesses = "auto"
        if config.option.dist == "no":
            config.option.dist = "worksteal"


def _seeds(text):
    first, _, last = text.replace("all", "0-99").partition("-")
    return range(int(first), int(last or first) + 1)


def _dtypes(text):
    return ["float32", "float64"] if text == "all" else [text]


@pytest.fixture(
    scope="session", params=_seeds(os.environ.get("OPTLAND_TESTS_GLOBAL_RANDOM_SEED", "42"))
)
def global_random_seed(request):
    """A seed that a test must pass with, whatever it is."""
    return request.param


@pytest.fixture(
    scope="session", params=_dtypes(os.environ.get("OPTLAND_TESTS_GLOBAL_DTYPE", "float64"))
)
def global_dtype(request):
    """Name of a floating-point type that a test must pass with."""
    return request.param


@pytest.fixture
def callbacks():
    """scikit-learn's callbacks, which it has from 1.9 on."""
    return pytest.importorskip("sklearn.callback")


if PROFILE == "coverage":
    # A traced line takes the GIL, even of a kernel: threads that fight for it would take hours.
    threading.settrace(None)

    # Tracing makes kernels a hundred times slower: the lines that a test reaches within a second of
    # processor time must do, and the rest of it runs untraced.
    signal.signal(signal.SIGPROF, lambda *_: sys.settrace(None))

    def pytest_collection_modifyitems(items):
        for item in items:
            if "ctrl_c" in item.name:
                item.add_marker(pytest.mark.skip("a traced kernel swallows the exception"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call():
        trace = sys.gettrace()
        signal.setitimer(signal.ITIMER_PROF, 1.0)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            sys.settrace(trace)
