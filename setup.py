"""Builds the C++ kernel with whatever C++ compiler is there.

Everything else about the package stands in pyproject.toml. Where no compiler is
found, or it fails, the package is installed without the kernel; `GRU.explain()`
then says so. The two libraries know nothing of Python, hence the tag of the wheel:
one for all versions of Python on a platform.
"""

import pathlib

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

NATIVE = pathlib.Path("keras_gru/native")
HEADERS = [str(path) for path in sorted([*NATIVE.glob("*.h"), *NATIVE.glob("*.inc")])]
COMPILE = [
    "-std=c++17",
    "-O3",
    "-g0",
    "-pthread",
    "-fvisibility=hidden",
    # Where the compiler fuses a product and a sum would depend on the tile that a
    # row is computed in; the sources fuse by hand.
    "-ffp-contract=off",
    "-Wno-psabi",
]


def library(name, *sources):
    return Extension(
        f"keras_gru.native.{name}",
        sources=[str(NATIVE / source) for source in sources],
        depends=HEADERS,
        language="c++",
        extra_compile_args=COMPILE,
        extra_link_args=["-pthread", "-ldl"],
        optional=True,
    )


class BuildLibraries(build_ext):
    def get_ext_filename(self, fullname):
        return str(pathlib.Path(*fullname.split(".")).with_suffix(".so"))

    def get_export_symbols(self, ext):
        return []


class PlatformWheel(bdist_wheel):
    def get_tag(self):
        _, _, platform = super().get_tag()
        return "py3", "none", platform


setup(
    ext_modules=[
        library(
            "libkeras_gru",
            *("gru.cc", "threads.cc", "memory.cc", "arrays.cc", "xla.cc"),
        ),
        library("libkeras_gru_tensorflow", "tensorflow.cc"),
    ],
    cmdclass={"build_ext": BuildLibraries, "bdist_wheel": PlatformWheel},
)
