"""These tests need PyTensor and PyMC: `make test-pytensor`."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("pytensor") and find_spec("pymc") else ["test_*.py"]
