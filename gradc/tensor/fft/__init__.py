"""Fourier transforms, and transforms by cosines and sines: the functions of `numpy.fft` and `scipy.fft`, on variables.

y[k] = sum of x[j] exp(-2 pi i j k / n), 0 <= k < n; `ifft` has exp(2 pi i j k / n) / n.  `n` is the length of the
transform: x is cut, or zeros are added at its end (None: all of the axis).  It may be symbolic.  All other axes are a
batch.

- norm: None or "backward" (the inverse is divided by n), "forward" (the transform is), "ortho" (both are, by sqrt(n)).
- Dtypes: float32 and complex64 are computed in single precision; integers become floatX.
- Error: of the order of eps log2(n), relative to the root of the mean square of the result.
- Elements that are nan or infinite: all of the transform they are in is nan or infinite, of complex numbers in a part
  at least, and no other one of the batch; in which of the two ways is not said.  (`irfft`: of a real part.)
- Gradients: by the adjoint map, which is a transform, too.
- Raises: BadValueError for a length below 1, TypeMismatchError for an unknown norm, and for complex numbers where real
  ones are transformed.

`rfft_parts` and `irfft_parts` are `rfft` and `irfft` of `aesara.tensor.fft`.
"""

from typing import Any

from gradc.tensor.fft import cosines, fourier, frequencies, parts
from gradc.tensor.fft.cosines import *
from gradc.tensor.fft.fourier import *
from gradc.tensor.fft.frequencies import *
from gradc.tensor.fft.parts import *

__all__: list[str] = []
__all__ += fourier.__all__
__all__ += cosines.__all__
__all__ += frequencies.__all__
__all__ += parts.__all__

NUMPY: dict[str, Any] = {**fourier.NUMPY, **frequencies.NUMPY}     # rows of `tensor.numpy_api`
