"""Loops, branches and second-order structure: `scan`, `ifelse`, `jacobian`; built from Programs and gradients."""
