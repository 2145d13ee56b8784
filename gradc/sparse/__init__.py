"""Sparse matrices, csr and csc, with the names of `aesara.sparse`.

    x, y = sparse.csr_matrix("x"), at.dmatrix("y")
    cost = sparse.dot(x, y).sum()
    f = gradc.function([x, y], gradc.grad(cost, [x, y]))     # takes SciPy's matrices, and returns them

A matrix is three dense vectors and a shape (`SparseVariable`); what is made of it are dense expressions.
"""

from gradc.sparse.elementwise import *
from gradc.sparse.parts import *
from gradc.sparse.products import *
from gradc.sparse.sharedvar import *
from gradc.sparse.solve import *
from gradc.sparse.structure import *
from gradc.sparse.variable import *
