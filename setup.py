"""The Cython extensions; everything else about the package is in pyproject.toml.

Every ``sklearn_optland/**/*.pyx`` becomes one extension, so a new kernel needs no edit here.

Switches are environment variables set to 1; C code sees each as a macro of the same name:

OPTLAND_BOUNDSCHECK   check indices, None and zero division in every kernel
OPTLAND_LINETRACE     trace lines for coverage.py (needs an editable install)
OPTLAND_SANITIZE      AddressSanitizer and UndefinedBehaviorSanitizer
"""

import os
import re
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PACKAGE = Path("sklearn_optland")
BOUNDSCHECK, LINETRACE, SANITIZE = "OPTLAND_BOUNDSCHECK", "OPTLAND_LINETRACE", "OPTLAND_SANITIZE"
SWITCHES = [name for name in (BOUNDSCHECK, LINETRACE, SANITIZE) if os.environ.get(name) == "1"]

DIRECTIVES = {
    "language_level": 3,
    "freethreading_compatible": True,
    "wraparound": False,
    "boundscheck": BOUNDSCHECK in SWITCHES,
    "initializedcheck": BOUNDSCHECK in SWITCHES,
    "nonecheck": BOUNDSCHECK in SWITCHES,
    "cdivision": BOUNDSCHECK not in SWITCHES,
    "linetrace": LINETRACE in SWITCHES,
}
MACROS = [(name, "1") for name in SWITCHES]
if LINETRACE in SWITCHES:
    # coverage.py has no plugins under sys.monitoring yet (coveragepy issue 1790).
    MACROS += [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]

SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
# Cython's own code for memoryviews, which would be in every kernel otherwise: with it there, all of
# them together take a third of the time to compile.
SHARED = "sklearn_optland._cython_utilities"
HEADERS = {path.name: path for path in PACKAGE.rglob("*.h")}
HEADER_FOLDERS = sorted({str(path.parent) for path in HEADERS.values()})


def with_included(headers):
    """Add the headers that these include, of which Cython knows nothing."""
    included = {
        str(HEADERS[name])
        for header in headers
        for name in re.findall(r'^#include "(.+)"', Path(header).read_text(), re.MULTILINE)
    }
    return headers if included <= headers else with_included(headers | included)


class BuildExt(build_ext):
    """Add what depends on the compiler, then translate the kernels and compile them in parallel."""

    def build_extensions(self):
        compile_args, link_args = [], []
        if SANITIZE in SWITCHES:
            compile_args = [*SANITIZERS, "-O1", "-g", "-fno-omit-frame-pointer"]
            link_args = SANITIZERS
        elif self.compiler.compiler_type == "unix":
            compile_args = ["-O3"]

        # Sanitizers are the compiler's business: their C code is that of a release. The coverage
        # plugin looks for it beside its source.
        checks = "checked" if BOUNDSCHECK in SWITCHES else "unchecked"
        build_dir = None if LINETRACE in SWITCHES else f"build/c-{checks}"
        translated = cythonize(
            self.extensions,
            compiler_directives=DIRECTIVES,
            build_dir=build_dir,
            nthreads=os.cpu_count(),
            shared_utility_qualified_name=SHARED,
        )
        by_name = {extension.name: extension for extension in translated}
        for extension in self.extensions:
            extension.sources = by_name[extension.name].sources
            extension.depends = sorted(with_included(set(by_name[extension.name].depends)))
            extension.extra_compile_args += compile_args
            extension.extra_link_args += link_args
        self.parallel = os.cpu_count()
        super().build_extensions()


if __name__ == "__main__":  # not in the processes that translate
    setup(
        cmdclass={"build_ext": BuildExt},
        ext_modules=[
            Extension(
                ".".join(path.with_suffix("").parts),
                [str(path)],
                include_dirs=HEADER_FOLDERS,
                define_macros=MACROS,
                libraries=["m"] if os.name == "posix" else [],
            )
            for path in sorted(PACKAGE.rglob("*.pyx"))
        ]
        + [Extension(SHARED, [f"{SHARED.replace('.', '/')}.c"], define_macros=MACROS)],
        # A build directory for each set of switches: time stamps do not see that a switch changed.
        options={"build": {"build_base": f"build/{'-'.join(SWITCHES) or 'release'}"}},
    )
