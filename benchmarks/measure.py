"""What scripts of several folders share: solvers, results that outlast a run, seconds, tables."""

import argparse
import json
import os
import platform
import sys
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from benchopt.utils.parametrized_name_mixin import product_param
from benchopt.utils.sys_info import get_sys_info
from threadpoolctl import threadpool_info

PACKAGES = ["sklearn-optland", "scikit-learn", "numpy", "scipy", "benchopt"]
PACKAGES += ["liblinear-official", "skglm", "celer", "sklearn-contrib-lightning", "torch"]
PACKAGES += ["vowpalwabbit", "napkinxc", "omikuji"]
PAUSE = "OPTLAND_PAUSE"  # environment variable: nothing begins while the file that it names exists


def log(message):
    print(message, file=sys.stderr, flush=True)


def installed_solvers(benchmark, starts=("",)):
    """Classes of a folder whose name has one of these starts; others are skipped with a message."""
    for solver_class in benchmark.get_solvers():
        if not solver_class.name.startswith(tuple(starts)):
            continue
        if solver_class.is_installed(quiet=True):
            yield solver_class
        else:
            log(f"{solver_class.name}: skipped, not installed")


def settings_of(solver_class):
    """The parameters of each setting of a solver's grid, by their text."""
    return {
        ", ".join(f"{key}={value}" for key, value in setting.items()): setting
        for setting in product_param(solver_class.parameters)
    }


def data_of(dataset):
    """The data of a benchopt data set; the script ends with a message if they are missing."""
    data = dataset.get_data()
    if "missing" in data:
        raise SystemExit(data["missing"])
    return data


class Results:
    """Lines of JSON in a folder, a file a topic; a line holds what was measured and its key."""

    def __init__(self, folder, measuring=True):
        self.folder, self.measuring = Path(folder), measuring
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, topic):
        return self.folder / f"{topic.replace('/', '-')}.jsonl"

    def find(self, topic, **key):
        """The last line of a key, or None."""
        path = self.path(topic)
        lines = path.read_text().splitlines() if path.exists() else []
        key = {name: str(value) for name, value in key.items()}
        for line in map(json.loads, reversed(lines)):
            if all(str(line.get(name)) == value for name, value in key.items()):
                return line
        return None

    def cell(self, topic, measure, **key):
        """What was measured under a key; else `measure()`, a dict, is kept and returned."""
        line = self.find(topic, **key)
        if line is None and self.measuring:
            while Path(os.environ.get(PAUSE, "/no file")).exists():
                time.sleep(5)
            line = {**key, **measure()}
            log(f"{topic}: {line}")
            with self.path(topic).open("a") as out:
                out.write(json.dumps(line) + "\n")
        return line


def first_count(value_at, level, most):
    """The least count with value_at(count) <= level, within an eighth; None if beyond `most`."""
    low, high = 0, 1
    while value_at(high) > level:
        low, high = high, 2 * high
        if low >= most:
            return None
        high = min(high, most)
    while high - low > max(1, high // 8):
        middle = (low + high) // 2
        low, high = (low, middle) if value_at(middle) <= level else (middle, high)
    return high


def cpu_seconds(call):
    """Seconds of all of the process's threads in a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def seconds_in_turn(calls, rounds=7):
    """CPU seconds of each call by name, in rounds of all: noise hits all alike."""
    for call in calls.values():
        call()  # warm
    seconds = [{name: cpu_seconds(call) for name, call in calls.items()} for _ in range(rounds)]
    return {name: [one[name] for one in seconds] for name in calls}


def median_ratio(numerator, denominator):
    """Median of the ratios round by round, and their quartiles, as text."""
    low, median, high = np.quantile(np.divide(numerator, denominator), [0.25, 0.5, 0.75])
    return f"{median:.2f} ({low:.2f}–{high:.2f})"


def table_parser(doc):
    """What every script of tables understands; `doc` is its docstring."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--results", required=True, help="folder of the lines of JSON")
    parser.add_argument("--table", action="store_true", help="print what has been measured")
    return parser


def print_row(*cells):
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def print_header(*cells):
    print()
    print_row(*cells)
    print("| --- " * len(cells) + "|")


def conditions():
    """The command, the date, the versions and the machine: the line above every table."""
    info, versions = get_sys_info(), [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        with suppress(PackageNotFoundError):  # a rival that is not installed
            versions.append(f"{package} {version(package)}")
    libraries = {(lib["internal_api"], lib["version"]) for lib in threadpool_info()}
    versions += [f"{library} {number}" for library, number in sorted(libraries, key=str) if number]
    machine = (
        f"{info['system-processor']}, {info['system-cpus']} cores, {info['system-ram (GB)']} GB, "
        f"{platform.system()} {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    )
    command, date = " ".join(sys.argv), time.strftime("%Y-%m-%d")
    return f"`python {command}`, {date}; {', '.join(versions)}; {machine}"
