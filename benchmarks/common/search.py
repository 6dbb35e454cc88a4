"""Settings are chosen on folds that no test sees, then fitted on the folds of the test."""

import numpy as np


def fit_once(solver, objective):
    """The result of one fit; a dict with the reason if the solver does not take the problem."""
    arguments = objective.get_objective()
    skip, reason = solver.skip(**arguments)
    if skip:
        return {"skipped": reason}
    try:
        solver.set_objective(**arguments)
        solver.run(None)
        result = objective.evaluate_result(**solver.get_result())
    except RuntimeError as error:  # of a rival's library
        return {"skipped": f"failed: {error}"}
    return {key: float(value) for key, value in result.items()}


def search(cell, fit, grids, search_folds, folds, is_wanted=lambda name, fold, lines: True):
    """Choose each solver's setting by its mean error over the folds of the search, then test it.

    Parameters
    ----------
    cell : callable
        `Cells` with the topic.
    fit : callable
        fit(solver, setting, fold) returns a dict with the error in "value"; a setting is the text
        by which `grids` knows it.
    grids : dict of str to dict
        The parameters of each setting, by solver.
    search_folds, folds : iterables
    is_wanted : callable
        Whether a solver is tested on a fold, by its lines of the folds before.

    Returns
    -------
    searched, chosen, lines : dicts by solver
        The lines of the search by setting; the setting or None; its lines of the test.
    """

    def line(name, setting, fold):
        return cell(fit, solver=name, setting=setting, fold=fold)

    searched = {name: {setting: [] for setting in grid} for name, grid in grids.items()}
    for fold in search_folds:
        for name, grid in grids.items():
            for setting in grid:
                found = line(name, setting, fold)
                searched[name][setting] += [] if found is None else [found]
    chosen = {name: best(searched[name], len(search_folds)) for name in grids}
    lines = {name: [] for name in grids}
    for fold in folds:
        for name, setting in chosen.items():
            if setting is not None and is_wanted(name, fold, lines[name]):
                found = line(name, setting, fold)
                lines[name] += [] if found is None else [found]
    return searched, chosen, lines


def best(lines, n_folds):
    """The setting with the lowest mean error, of those that were fitted on all folds."""
    errors = {
        setting: np.mean([line["value"] for line in found])
        for setting, found in lines.items()
        if len(found) == n_folds and all("value" in line for line in found)
    }
    return min(errors, key=errors.get, default=None)
