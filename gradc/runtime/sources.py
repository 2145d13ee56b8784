"""Which C sources an extension was built from: setup.py compiles their digest in; in a source tree it is compared.

Imports nothing of gradc, for setup.py runs this file.
"""

from __future__ import annotations

import hashlib
import os


def digest(folder: str) -> str:
    """Of all C files and headers below `folder`, names and contents."""
    found = hashlib.sha256()
    for base in (folder, os.path.join(folder, "include")):
        for name in sorted(os.listdir(base)):
            if name.endswith((".c", ".h")):
                with open(os.path.join(base, name), "rb") as file:
                    text = file.read()
                found.update(f"{name} {len(text)}\n".encode() + text)
    return found.hexdigest()


def check(built_from: str, package: str) -> None:
    """ImportError if `package` stands beside C sources that are not those of the digest; an installed one does not."""
    folder = os.path.join(os.path.dirname(package), "csrc")
    if os.path.isdir(folder) and digest(folder) != built_from:
        raise ImportError(f"gradc's C extension was not built from the sources in {folder} as they are now; build it "
                          f"again by `make build` or `python -m pip install --no-build-isolation -e .`")
