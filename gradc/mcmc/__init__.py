"""Samplers from densities, each chain one compiled function: `nuts`, `hmc`; `Draws` is what they return.

    density.py      the user's log density as an expression of one vector
    trajectory.py   one transition of the chain: leapfrog steps, the U-turn condition, the tree of NUTS
    adaptation.py   step size and scales, found while tuning
    sampler.py      the kernel, the chains on threads, progress and interrupts
    draws.py        the result
"""

from gradc.mcmc.draws import Draws
from gradc.mcmc.sampler import SamplingWarning, hmc, nuts

__all__ = ["Draws", "SamplingWarning", "hmc", "nuts"]
