"""Constructors of inputs with their dtype in the name: `dmatrix("m")`, `fvectors("x", "y")`; see `inputs.py`.

No `__all__`: every name without an underscore is public.
"""

from gradc.tensor.inputs import plain as _plain
from gradc.tensor.inputs import plurals as _plurals
from gradc.tensor.inputs import typed as _typed

scalar = _plain("scalar", ())
bscalar, wscalar, iscalar, lscalar, fscalar, dscalar, cscalar, zscalar = _typed(())
scalars, bscalars, wscalars, iscalars, lscalars, fscalars, dscalars, cscalars, zscalars = _plurals(
    "scalars", scalar, bscalar, wscalar, iscalar, lscalar, fscalar, dscalar, cscalar, zscalar)

vector = _plain("vector", (None,))
bvector, wvector, ivector, lvector, fvector, dvector, cvector, zvector = _typed((None,))
vectors, bvectors, wvectors, ivectors, lvectors, fvectors, dvectors, cvectors, zvectors = _plurals(
    "vectors", vector, bvector, wvector, ivector, lvector, fvector, dvector, cvector, zvector)

row = _plain("row", (1, None))
brow, wrow, irow, lrow, frow, drow, crow, zrow = _typed((1, None))
rows, brows, wrows, irows, lrows, frows, drows, crows, zrows = _plurals(
    "rows", row, brow, wrow, irow, lrow, frow, drow, crow, zrow)

col = _plain("col", (None, 1))
bcol, wcol, icol, lcol, fcol, dcol, ccol, zcol = _typed((None, 1))
cols, bcols, wcols, icols, lcols, fcols, dcols, ccols, zcols = _plurals(
    "cols", col, bcol, wcol, icol, lcol, fcol, dcol, ccol, zcol)

matrix = _plain("matrix", (None, None))
bmatrix, wmatrix, imatrix, lmatrix, fmatrix, dmatrix, cmatrix, zmatrix = _typed((None, None))
matrices, bmatrices, wmatrices, imatrices, lmatrices, fmatrices, dmatrices, cmatrices, zmatrices = _plurals(
    "matrices", matrix, bmatrix, wmatrix, imatrix, lmatrix, fmatrix, dmatrix, cmatrix, zmatrix)

tensor3 = _plain("tensor3", (None,) * 3)
btensor3, wtensor3, itensor3, ltensor3, ftensor3, dtensor3, ctensor3, ztensor3 = _typed((None,) * 3)
tensor3s, btensor3s, wtensor3s, itensor3s, ltensor3s, ftensor3s, dtensor3s, ctensor3s, ztensor3s = _plurals(
    "tensor3s", tensor3, btensor3, wtensor3, itensor3, ltensor3, ftensor3, dtensor3, ctensor3, ztensor3)

tensor4 = _plain("tensor4", (None,) * 4)
btensor4, wtensor4, itensor4, ltensor4, ftensor4, dtensor4, ctensor4, ztensor4 = _typed((None,) * 4)
tensor4s, btensor4s, wtensor4s, itensor4s, ltensor4s, ftensor4s, dtensor4s, ctensor4s, ztensor4s = _plurals(
    "tensor4s", tensor4, btensor4, wtensor4, itensor4, ltensor4, ftensor4, dtensor4, ctensor4, ztensor4)

tensor5 = _plain("tensor5", (None,) * 5)
btensor5, wtensor5, itensor5, ltensor5, ftensor5, dtensor5, ctensor5, ztensor5 = _typed((None,) * 5)
tensor5s, btensor5s, wtensor5s, itensor5s, ltensor5s, ftensor5s, dtensor5s, ctensor5s, ztensor5s = _plurals(
    "tensor5s", tensor5, btensor5, wtensor5, itensor5, ltensor5, ftensor5, dtensor5, ctensor5, ztensor5)

tensor6 = _plain("tensor6", (None,) * 6)
btensor6, wtensor6, itensor6, ltensor6, ftensor6, dtensor6, ctensor6, ztensor6 = _typed((None,) * 6)
tensor6s, btensor6s, wtensor6s, itensor6s, ltensor6s, ftensor6s, dtensor6s, ctensor6s, ztensor6s = _plurals(
    "tensor6s", tensor6, btensor6, wtensor6, itensor6, ltensor6, ftensor6, dtensor6, ctensor6, ztensor6)

tensor7 = _plain("tensor7", (None,) * 7)
btensor7, wtensor7, itensor7, ltensor7, ftensor7, dtensor7, ctensor7, ztensor7 = _typed((None,) * 7)
tensor7s, btensor7s, wtensor7s, itensor7s, ltensor7s, ftensor7s, dtensor7s, ctensor7s, ztensor7s = _plurals(
    "tensor7s", tensor7, btensor7, wtensor7, itensor7, ltensor7, ftensor7, dtensor7, ctensor7, ztensor7)
