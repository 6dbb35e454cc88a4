"""Print what data sets there are, and make those that are not from their public originals.

    OPTLAND_DATA=~/data OPTLAND_FETCH=1 python benchmarks/fetch.py a9a mnist

`common/npz.py` says what the variables mean; without OPTLAND_FETCH=1 nothing is fetched.
"""

import argparse

from common.npz import load
from common.originals import ORIGINALS


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(ORIGINALS), help="all, if none is given")
    for name in parser.parse_args().names:
        try:
            X, _, n_train = load(name)
        except FileNotFoundError as error:
            print(error)
            continue
        rows, columns = X.shape
        differs = ORIGINALS[name].differs if name in ORIGINALS else ""
        note = f"; the original differs: {differs}" if differs else ""
        print(f"{name}: {rows} rows, {n_train} of them for training, {columns} columns{note}")


if __name__ == "__main__":
    main()
