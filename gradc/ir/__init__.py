"""What functions and programs are; here the table of scalar functions is filled."""

from gradc.ir import bessel_rows as bessel_rows
from gradc.ir import incomplete_rows as incomplete_rows
from gradc.ir import integral_rows as integral_rows
from gradc.ir import numbers as numbers
from gradc.ir import special_rows as special_rows
