"""These tests need JAX and PyTorch: `make test-bridges`."""

from importlib.util import find_spec

collect_ignore_glob = [f"test_{name}.py" for name in ("jax", "torch") if not find_spec(name)]
