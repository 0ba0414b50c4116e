"""Two functions that neither ONNX (in float64) nor NumPy has, written with operations that both have.

They are evaluated by NumPy on arrays, and on the values of a graph, which then holds their operations.
"""

from __future__ import annotations

import numpy as np

from glassnet.maths.elementary import Array

__all__ = ["erf", "normal_quantile"]

# Coefficients of numerators and denominators, highest power first.
ERF_CENTRE = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e00,
        1.13864154151050156e02,
        3.77485237685302021e02,
        3.20937758913846947e03,
    ),
    (1.0, 2.36012909523441209e01, 2.44024637934444173e02, 1.28261652607737228e03, 2.84423683343917062e03),
)
ERFC_FLANK = (
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e01),
        *(2.98635138197400131e02, 8.81952221241769090e02, 1.71204761263407058e03, 2.05107837782607147e03),
        1.23033935479799725e03,
    ),
    (
        *(1.0, 1.57449261107098347e01, 1.17693950891312499e02, 5.37181101862009858e02, 1.62138957456669019e03),
        *(3.29079923573345963e03, 4.36261909014324716e03, 3.43936767414372164e03, 1.23033935480374942e03),
    ),
)
QUANTILE_CENTRE = (
    (
        *(2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4),
        *(1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    ),
    (
        *(5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4),
        *(5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
    ),
)
QUANTILE_FLANK = (
    (
        *(7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0),
        *(3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    ),
    (
        *(1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1),
        *(6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
    ),
)


def ratio(x: Array, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Array:
    """A numerator and a denominator in x by Horner's rule, and their quotient."""
    above, below = (terms[0] + 0.0 * x for terms in coefficients)
    for a in coefficients[0][1:]:
        above = above * x + a
    for b in coefficients[1][1:]:
        below = below * x + b
    return above / below


def erf(x: Array) -> Array:
    """The error function in the float type of x; its error in float64 is below 1e-15.

    Up to 0.46875 it is x · R(x²), from there on 1 - e^-x² · Q(|x|), with ratios R and Q of polynomials.
    Source: Cody, "Rational Chebyshev Approximations for the Error Function" (1969).
    """
    size = np.minimum(abs(x), 6.0)  # where it is 1 in float64
    small = np.minimum(size, 0.46875)
    centre = small * ratio(small * small, ERF_CENTRE)
    flank = 1.0 - np.exp(-(size * size)) * ratio(size, ERFC_FLANK)
    found = np.where(size > 0.46875, flank, centre)
    return np.where(x < 0.0, -found, found)


def normal_quantile(p: Array) -> Array:
    """The number below which a standard normal variable lies with probability p, from 1e-11 to 1 - 1e-11; float64.

    Source: Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution" (1988), error about 1e-16.
    """
    q = p - 0.5
    near = np.minimum(np.maximum(q, -0.425), 0.425)
    centre = near * ratio(0.180625 - near * near, QUANTILE_CENTRE)
    rarer = np.minimum(p, 1.0 - p)
    flank = ratio(np.sqrt(-np.log(np.minimum(rarer, 0.075))) - 1.6, QUANTILE_FLANK)
    return np.where(abs(q) > 0.425, np.where(q < 0.0, -flank, flank), centre)
