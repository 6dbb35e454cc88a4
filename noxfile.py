"""The test matrix: `nox --list` shows it, `nox -s oldest` runs a part of it."""

import nox

nox.options.sessions = ["newest", "oldest"]


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def newest(session):
    """The newest dependencies."""
    session.install("--upgrade", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.11")
def oldest(session):
    """The oldest dependencies that pyproject.toml allows."""
    requirements = nox.project.load_toml("pyproject.toml")["project"]["dependencies"]
    session.install(".[test]")
    oldest = [requirement.replace(">=", "==") for requirement in requirements]
    # Later ones want a newer NumPy.
    session.install(*oldest, "matplotlib<3.10", "pandas<3", "pyarrow<20")
    session.run("pytest", *session.posargs)


@nox.session(python="3.12")
@nox.parametrize("version", ["1.6", "1.7", "1.8"])
def scikit_learn(session, version):
    """Older releases of scikit-learn, with the newest of everything else."""
    session.install(".[test]", f"scikit-learn=={version}.*")
    session.run("pytest", *session.posargs)


@nox.session(python="3.14t")
def free_threading(session):
    """Python without the GIL: kernels must not switch it on again."""
    session.install(".[test]")
    session.run("pytest", "-W", "error:The global interpreter lock", *session.posargs)


@nox.session
def nightly(session):
    """Ten thousand examples of each property, and a hundred seeds."""
    session.install(".[test]")
    environment = {
        "HYPOTHESIS_PROFILE": "nightly",
        "OPTLAND_TESTS_GLOBAL_RANDOM_SEED": "all",
        "OPTLAND_TESTS_GLOBAL_DTYPE": "all",
    }
    session.run("pytest", *session.posargs, env=environment)


@nox.session(python="3.11")  # under 3.12 Cython traces no lines
def coverage(session):
    """Lines of Python and of Cython that the tests reach."""
    session.install("-e", ".[test]", "coverage", "Cython", env={"OPTLAND_LINETRACE": "1"})
    profile = {"HYPOTHESIS_PROFILE": "coverage"}
    session.run("coverage", "run", "-m", "pytest", *session.posargs, env=profile)
    session.run("coverage", "report", "--include=*.py", "--fail-under=95")
    session.run("coverage", "report", "--include=*.pyx", "--fail-under=90")


@nox.session
def docs(session):
    """The documentation, without a warning, and each of its pages in a browser."""
    session.install(".[docs]", "pytest", "selenium")
    session.run("make", "-C", "docs", "html", external=True)
    session.run("pytest", "docs/test_pages.py")


@nox.session
def recipes(session):
    """The recipes for other people's tools, with these tools."""
    session.install(
        ".[test]", "skl2onnx", "onnxruntime", "shap", "optuna", "mlflow-skinny", "sqlalchemy"
    )
    session.run("pytest", "-n", "0", "tests/test_docs.py", "-k", "interoperate")
