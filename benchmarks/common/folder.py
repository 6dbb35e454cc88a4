"""A folder as the commands see it: benchopt's classes, and the tables of `cases.py`."""

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from benchopt.benchmark import Benchmark
from benchopt.utils.parametrized_name_mixin import product_param
from common.measure import MissingData, log
from threadpoolctl import threadpool_limits


class Folder:
    def __init__(self, name):
        self.benchmark = Benchmark(Path(__file__).parents[1] / name)
        self.solvers = {}  # classes of those that are installed, by name
        for solver_class in self.benchmark.get_solvers():
            if solver_class.is_installed(quiet=True):
                self.solvers[solver_class.name] = solver_class
            else:
                log(f"{solver_class.name}: skipped, not installed")
        threadpool_limits(1)  # here, because by now every solver's libraries are loaded
        self.cases = import_module(f"{name}.cases").CASES
        self.load = lru_cache(maxsize=1)(self._load)

    def data(self, name, /, **parameters):
        """What a data set returns."""
        classes = {found.name: found for found in self.benchmark.get_datasets()}
        (setting,) = settings({key: [value] for key, value in parameters.items()}).values()
        data = classes[name].get_instance(**setting).get_data()
        if "missing" in data:
            raise MissingData(data["missing"])
        return data

    def objective(self, data, /, **parameters):
        objective = self.benchmark.get_benchmark_objective().get_instance(**parameters)
        objective.set_data(**data)
        return objective

    def _load(self, name, /, **parameters):
        """The objective of a data set; the last one is kept."""
        return self.objective(self.data(name, **parameters))

    def grids(self, starts=("",)):
        """Of each solver whose name starts so, the parameters of each setting by its text."""
        return {
            name: settings(solver_class.parameters)
            for name, solver_class in self.solvers.items()
            if name.startswith(tuple(starts))
        }

    def instances(self, starts=("",)):
        """All settings of all solvers, by names such as "scikit-learn[saga]" that start so."""
        found = (
            solver_class.get_instance(**setting)
            for solver_class in self.solvers.values()
            for setting in product_param(solver_class.parameters)
        )
        return {str(solver): solver for solver in found if str(solver).startswith(tuple(starts))}


def settings(grid):
    """The parameters of each setting of a grid, by their text."""
    return {
        ", ".join(f"{key}={value}" for key, value in setting.items()): setting
        for setting in product_param(grid)
    }


@dataclass(frozen=True)
class Case:
    """A table of a folder.

    `columns` are those of a `Table`. `rows(folder, cell)` measures, by a call of `cell` for each
    that outlasts an interrupted run, and yields rows; or texts, the notes below the table.
    """

    @property
    def columns(self):
        raise NotImplementedError

    def rows(self, folder, cell):
        raise NotImplementedError

    def smallest(self):
        """The case cut to its smallest row: that it runs is all that is asked."""
        return replace(self, **self.smoke)
