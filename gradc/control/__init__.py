"""Loops, branches and second-order structure: `scan`, `ifelse`, `jacobian`; built from Programs and gradients.

Importing this package enters the derivatives of Scan and Cond into `autodiff.table`.
"""

from gradc.control import cond_rules, scan_rules

__all__ = ["cond_rules", "scan_rules"]
