"""The stages behind the cache, which a warm start does not need: `pipeline.stages` imports this on the first miss.

They are a third of what `import gradc` would cost.  Program -> Program -> Kernel -> C text.
"""

from gradc.codegen.unit import generate
from gradc.loops.check import check
from gradc.loops.lower import lower
from gradc.passes.phases import optimize

__all__ = ["check", "generate", "lower", "optimize"]
