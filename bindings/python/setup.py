# SPDX-License-Identifier: MIT
"""Puts the shared library into the wheel, which is then of one platform but of any Python 3."""

import os
import shutil
import subprocess

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

LIBRARY = "libeplb.so.0"


def find_library():
    """In the folder that EPLB_LIB_DIR names, else in the one that pkg-config knows."""
    folder = os.environ.get("EPLB_LIB_DIR")
    if not folder:
        try:
            command = ["pkg-config", "--variable=libdir", "eplb"]
            folder = subprocess.check_output(command, universal_newlines=True).strip()
        except (OSError, subprocess.CalledProcessError):
            raise SystemExit(f"{LIBRARY} is not known to pkg-config; name its folder in EPLB_LIB_DIR") from None
    path = os.path.join(folder, LIBRARY)
    if not os.path.exists(path):
        raise SystemExit(f"there is no {LIBRARY} in {folder}")
    return path


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        if not getattr(self, "editable_mode", False):
            shutil.copyfile(find_library(), os.path.join(self.build_lib, "eplb", LIBRARY))

    def get_outputs(self, include_bytecode=True):
        return [*super().get_outputs(include_bytecode), os.path.join(self.build_lib, "eplb", LIBRARY)]


class PlatformWheel(bdist_wheel):
    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class OfOnePlatform(Distribution):
    def has_ext_modules(self):
        return True


setup(distclass=OfOnePlatform, cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel})
