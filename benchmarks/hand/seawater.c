/* Derivative of the dynamic enthalpy of seawater by temperature; formulas and sources in
 * benchmarks/workloads/seawater.py.  Divisions by the same value are turned into one reciprocal. */
#include "hand.h"

void hand_seawater(const double *restrict salinity, const double *restrict temperature,
                   const double *restrict pressure, double *restrict out, int64_t n)
{
    for (int64_t i = 0; i < n; ++i) {
        const double s = salinity[i], t = temperature[i], p = pressure[i], rs = sqrt(s);

        const double a0 = 1.0 + t * (2.775927747785646e-3 + t * (-2.349607444135925e-5 + t * (1.119513357486743e-6 + t * 6.743689325042773e-10)))
            + s * (-7.521448093615448e-3 + t * (-2.764306979894411e-5 + t * (1.262937315098546e-7 + t * (9.527875081696435e-10 + t * -1.811147201949891e-11)))
                   + 5.419326551148740e-6 * s
                   + rs * (-3.303308871386421e-5 + t * (3.801564588876298e-7 + t * (-7.672876869259043e-9 + t * (-4.634182341116144e-11 + t * 2.681097235569143e-12)))));
        const double da0 = 2.775927747785646e-3 + t * (2 * -2.349607444135925e-5 + t * (3 * 1.119513357486743e-6 + t * (4 * 6.743689325042773e-10)))
            + s * (-2.764306979894411e-5 + t * (2 * 1.262937315098546e-7 + t * (3 * 9.527875081696435e-10 + t * (4 * -1.811147201949891e-11)))
                   + rs * (3.801564588876298e-7 + t * (2 * -7.672876869259043e-9 + t * (3 * -4.634182341116144e-11 + t * (4 * 2.681097235569143e-12)))));
        const double a1 = -2.742185394906099e-5 + t * (-3.212746477974189e-7 + t * (3.191413910561627e-9 + t * -1.931012931541776e-12))
            + s * (-1.105097577149576e-7 + t * 6.211426728363857e-10);
        const double da1 = -3.212746477974189e-7 + t * (2 * 3.191413910561627e-9 + t * (3 * -1.931012931541776e-12)) + s * 6.211426728363857e-10;
        const double a2 = -1.119011592875110e-10 + t * (-1.941660213148725e-11 + t * -1.864826425365600e-14 + 1.119522344879478e-14 * s);
        const double da2 = -1.941660213148725e-11 + t * (2 * -1.864826425365600e-14) + 1.119522344879478e-14 * s;
        const double a3 = -1.200507748551599e-15 + t * 6.057902487546866e-17, da3 = 6.057902487546866e-17;

        const double b0 = 9.998420897506056e2 + t * (2.839940833161907 + t * (-3.147759265588511e-2 + t * 1.181805545074306e-3))
            + s * (-6.698001071123802 + t * (-2.986498947203215e-2 + t * 2.327859407479162e-4)
                   + rs * (-3.988822378968490e-2 + t * (5.095422573880500e-4 + t * (-1.426984671633621e-5 + t * 1.645039373682922e-7))));
        const double db0 = 2.839940833161907 + t * (2 * -3.147759265588511e-2 + t * (3 * 1.181805545074306e-3))
            + s * (-2.986498947203215e-2 + t * (2 * 2.327859407479162e-4)
                   + rs * (5.095422573880500e-4 + t * (2 * -1.426984671633621e-5 + t * (3 * 1.645039373682922e-7))));
        const double b1 = 0.5 * (-2.233269627352527e-2 + t * (-3.436090079851880e-4 + t * 3.726050720345733e-6) + s * (-1.806789763745328e-4 + t * 6.876837219536232e-7));
        const double db1 = 0.5 * (-3.436090079851880e-4 + t * (2 * 3.726050720345733e-6) + s * 6.876837219536232e-7);
        const double b2 = -3.087032500374211e-7 + t * (-1.988366587925593e-8 + t * -1.061519070296458e-11) + 1.550932729220080e-10 * s;
        const double db2 = -1.988366587925593e-8 + t * (2 * -1.061519070296458e-11);

        const double by_b2 = 1.0 / b2;
        const double q1 = a3 * by_b2, dq1 = (da3 - q1 * db2) * by_b2;
        const double q0 = (a2 - 2.0 * b1 * q1) * by_b2, dq0 = (da2 - 2.0 * (db1 * q1 + b1 * dq1) - q0 * db2) * by_b2;
        const double c1 = 0.5 * (a1 - 2.0 * b1 * q0 - b0 * q1) * by_b2;
        const double dc1 = 0.5 * (da1 - 2.0 * (db1 * q0 + b1 * dq0) - db0 * q1 - b0 * dq1 - 2.0 * c1 * db2) * by_b2;
        const double root = sqrt(b1 * b1 - b0 * b2), by_root = 1.0 / root;
        const double droot = (b1 * db1 - 0.5 * (db0 * b2 + b0 * db2)) * by_root;
        const double c0 = 0.5 * (a0 - b0 * q0 - 2.0 * c1 * b1) * by_root;
        const double dc0 = 0.5 * (da0 - db0 * q0 - b0 * dq0 - 2.0 * (dc1 * b1 + c1 * db1) - 2.0 * c0 * droot) * by_root;

        const double by_b0 = 1.0 / b0;
        const double u = p * (2.0 * b1 + b2 * p) * by_b0;
        const double du = (p * (2.0 * db1 + db2 * p) - u * db0) * by_b0;
        const double low = b1 - root, high = b1 + root + b2 * p, by_both = 1.0 / (low * high);
        const double v = 2.0 * b2 * p * root * by_both;
        const double dv = v * (db2 * by_b2 + droot * by_root - ((db1 - droot) * high + (db1 + droot + db2 * p) * low) * by_both);
        out[i] = 1e4 * (p * (dq0 + 0.5 * dq1 * p) + dc1 * log(1.0 + u) + c1 * du / (1.0 + u) + dc0 * log(1.0 + v) + c0 * dv / (1.0 + v));
    }
}
