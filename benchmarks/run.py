"""Measure a folder's tables against its peers, print them, and keep them in results/FOLDER.json.

    python benchmarks/run.py FOLDER [--what NAME ...] [--quick]

An interrupted command goes on where it was when it is given again: what it has measured stays in
results/unfinished/FOLDER.jsonl until all of its tables are complete. A table is kept if nothing of
it is missing, neither data nor what --only leaves out.
"""

import argparse
import os
import platform
import sys
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from benchopt.utils.sys_info import get_sys_info
from common.folder import Folder
from common.measure import Cells, OutOfTime, log
from common.tables import RESULTS, Table, read, write
from threadpoolctl import threadpool_info

PACKAGES = ["sklearn-optland", "scikit-learn", "numpy", "scipy", "benchopt"]
PACKAGES += ["liblinear-official", "skglm", "celer", "sklearn-contrib-lightning", "torch"]
PACKAGES += ["vowpalwabbit", "napkinxc", "omikuji", "python-crfsuite"]
FOLDERS = sorted(path.parent.name for path in Path(__file__).parent.glob("*/objective.py"))


def conditions(folder, what):
    """How a table is measured again, and on what it was."""
    info, versions = get_sys_info(), {"Python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):  # a rival that is not installed
            versions[package] = version(package)
    libraries = {(lib["internal_api"], lib["version"]) for lib in threadpool_info()}
    machine = (
        f"{info['system-processor']}, {info['system-cpus']} cores, {info['system-ram (GB)']} GB, "
        f"{platform.system()} {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    )
    return {
        "command": f"python benchmarks/run.py {folder} --what {what}",
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions | dict(sorted(pair for pair in libraries if pair[1])),
        "machine": machine,
    }


def as_text(value):
    if isinstance(value, dict):
        return ", ".join(f"{package} {number}" for package, number in value.items())
    return value


def fill(table, case, folder, cell):
    """Print the table row by row."""
    print(table.head(), flush=True)
    for row in case.rows(folder, cell):
        if isinstance(row, str):
            table.notes.append(row)
        else:
            print(table.add(row), flush=True)
    print("\n".join(["", *table.notes]), flush=True)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", choices=FOLDERS)
    parser.add_argument("--what", nargs="+", metavar="NAME", help="tables; else all of the folder")
    parser.add_argument("--quick", action="store_true", help="the smallest row; nothing is kept")
    parser.add_argument("--only", nargs="+", default=[], metavar="START", help="measure only where "
                        "each of these begins a name: of data, of a solver, …")  # fmt: skip
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin nothing after these")
    return parser.parse_args()


def main():
    options = parse_options()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = Folder(options.folder)
    unknown = set(options.what or ()) - set(folder.cases)
    if unknown:
        sys.exit(f"{options.folder} has the tables {', '.join(folder.cases)}, not {unknown}")
    unfinished = RESULTS / "unfinished" / f"{options.folder}.jsonl"
    cell = Cells(None if options.quick else unfinished, options.only, options.minutes)
    all_missing = []
    for what in options.what or folder.cases:
        case = folder.cases[what].smallest() if options.quick else folder.cases[what]
        table = Table(case.columns, conditions=conditions(options.folder, what))
        print("\n" + "; ".join(map(as_text, table.conditions.values())) + "\n")
        try:
            fill(table, case, folder, cell)
        except OutOfTime:
            sys.exit("out of time: give the same command again")
        all_missing += cell.missing
        if cell.missing:
            log(f"{what} is not kept, {len(cell.missing)} cells are missing")
        elif not options.quick:
            write(options.folder, read(options.folder) | {what: table})
        cell.missing.clear()
    if not options.quick and not all_missing:
        unfinished.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
