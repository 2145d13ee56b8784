"""`Draws`: what a sampler returns."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradc.errors import GradcError


class Draws(Mapping[str, np.ndarray]):
    """Draws by parameter, `draws["mu"]` of shape (chains, draws, *shape of mu), float64.

    stats       by name, (chains, draws): "energy" (of the Hamiltonian), "accept" (mean probability of acceptance along
                the trajectory), "steps" (gradients), "depth" (doublings; 0 for hmc), "diverging" (bool), "lp" (log
                density), "step_size"
    step_size   (chains,), found by tuning
    scales      (chains, size of the position): the diagonal of the inverse mass matrix
    tune        how many draws were thrown away
    seconds     that sampling took, without compilation
    """

    def __init__(self, draws: Mapping[str, np.ndarray], stats: Mapping[str, np.ndarray], step_size: np.ndarray,
                 scales: np.ndarray, tune: int, seconds: float) -> None:
        self._draws = dict(draws)
        self.stats = dict(stats)
        self.step_size, self.scales, self.tune, self.seconds = step_size, scales, tune, seconds

    def __getitem__(self, name: str) -> np.ndarray:
        return self._draws[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._draws)

    def __len__(self) -> int:
        return len(self._draws)

    @property
    def chains(self) -> int:
        return int(self.stats["lp"].shape[0])

    @property
    def draws(self) -> int:
        """In each chain."""
        return int(self.stats["lp"].shape[1])

    @property
    def diverging(self) -> int:
        """How many draws ended a trajectory that diverged."""
        return int(self.stats["diverging"].sum())

    def to_arviz(self) -> Any:
        """The same as ArviZ' InferenceData, for diagnoses and pictures.

        Raises: GradcError if ArviZ is not installed.
        """
        try:
            arviz = importlib.import_module("arviz")
        except ImportError:
            raise GradcError("Draws.to_arviz needs the package arviz; pip install arviz") from None
        names = {"accept": "acceptance_rate", "steps": "n_steps", "depth": "tree_depth"}
        stats = {names.get(name, name): values for name, values in self.stats.items()}
        groups = {"posterior": self._draws, "sample_stats": stats}
        try:
            return arviz.from_dict(**groups)
        except TypeError:       # from ArviZ 1.0 on
            return arviz.from_dict(groups)

    def __repr__(self) -> str:
        return (f"Draws({self.draws} draws of {self.chains} chains: "
                f"{', '.join(f'{n}{list(v.shape[2:])}' if v.ndim > 2 else n for n, v in self.items())}; "
                f"{self.diverging} diverging)")

    def __str__(self) -> str:
        """A table: mean, standard deviation and quantiles of each parameter over all chains."""
        lines = [repr(self), f"{'':16}{'mean':>11}{'sd':>11}{'5 %':>11}{'50 %':>11}{'95 %':>11}"]
        for name, values in self.items():
            flat = values.reshape(self.chains * self.draws, -1)
            for k in range(min(flat.shape[1], 20)):
                label = name if values.ndim == 2 else f"{name}{[int(i) for i in np.unravel_index(k, values.shape[2:])]}"
                numbers = [flat[:, k].mean(), flat[:, k].std(), *np.quantile(flat[:, k], [0.05, 0.5, 0.95])]
                lines.append(f"{label:16}" + "".join(f"{v:11.4g}" for v in numbers))
            if flat.shape[1] > 20:
                lines.append(f"{name}: {flat.shape[1] - 20} more")
        return "\n".join(lines)
