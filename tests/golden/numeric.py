"""Derivatives of a loss by differences of its value, and the pieces of formulas that say what happens at a kink.

Where the derivatives from the left and from the right differ, the slope is the element of smallest norm between them: 0
if they have opposite signs, else the nearer to 0. That is right for a loss with one kink. In a formula with several,
write each with a function from the end of this file: it looks at c0 to decide which side it is on, so that the rule
holds for that piece alone.
"""

import copy

from mpmath import mp, mpf

from harness import AGREE, DIGITS, LEVELS, NOTHING, arguments, flat, nest

PRINTED = 36  # digits of a numeric derivative, no more than are sure
NO_DOUBT = 2 * DIGITS  # enough of them to believe a 0
LEAST = [0]  # first of LEVELS to use; --verify starts higher


class OutOfDomain(Exception):
    pass


class Unsettled(Exception):
    pass


class Vanishes(Unsettled):
    pass


def close(a, b):
    return abs(a - b) <= max(AGREE * max(abs(a), abs(b)), NOTHING)


def total(a_loss, c, c0):
    """The sum of the values; None where the formula has none."""
    try:
        s = mp.fsum(a_loss.value(c, c0) if a_loss.takes_frozen else a_loss.value(c))
    except (OutOfDomain, ZeroDivisionError):
        return None
    return None if isinstance(s, mp.mpc) or mp.isnan(s) else s


def scale(x, c, a_case):
    """How far is far from x: x itself; from 0, the smallest number around, at most 1."""
    if x == 0:
        around = [abs(a) for each in a_case.inputs.values() for a in flat(each)]
        x = min([mpf(1)] + [mpf(a) for a in around if a != 0])
    return mp.frexp(x)[1]


def one_sided(f, f0, step):
    """First and second derivative on the side of `step` and how far it is settled; None outside the domain."""
    near = [f(step / 4), f(step / 2), f(step)]
    if any(a is None for a in near):
        return None
    if any(mp.isinf(a) for a in near):
        raise ValueError("infinite beside the point: give the slope")
    quarter, half, whole = [(a - f0) / (step / k) for a, k in zip(near, (4, 2, 1))]
    slope, coarse = 2 * quarter - half, 2 * half - whole
    return slope, coarse, (half - quarter) * 8 / step, (whole - half) * 4 / step


def smallest(a, b):
    """The element of smallest norm of [a, b] or [b, a]."""
    if a * b <= 0:
        return mpf(0)
    return a if abs(a) < abs(b) else b


def at_level(f, f0, exponent, digits, wants_curvature):
    step = mpf(2) ** (exponent - int(digits / 3 * 3.33))
    sides = [side for side in (one_sided(f, f0, step), one_sided(f, f0, -step)) if side]
    if not sides:
        raise ValueError("not in the domain on either side: give the slope")
    if any(not close(slope, coarse) for slope, coarse, _, _ in sides):
        raise Unsettled
    slopes, curvatures = [side[0] for side in sides], [side[2] for side in sides]
    if len(sides) == 1:
        slope = slopes[0]
    elif close(*slopes):
        slope = (slopes[0] + slopes[1]) / 2
    else:
        slope = smallest(*slopes)
    curvature = None
    if wants_curvature:
        if any(not close(fine, coarse) for _, _, fine, coarse in sides):
            raise Unsettled
        curvature = curvatures[0] if len(sides) == 1 or close(*curvatures) else smallest(*curvatures)
    # A 0 may be a term too small for these digits: at x = 5e-324, cosh x is 1 until the 647th.
    # Its second derivative needs the square of the step besides.
    vanishing = NOTHING ** (mpf(3) / 4)
    if digits < NO_DOUBT and abs(slope) < vanishing:
        raise Vanishes
    if digits < 2 * NO_DOUBT and curvature is not None and abs(curvature) < vanishing:
        raise Vanishes
    return slope, curvature


def derivatives(a_loss, a_case, T, name, i, wants_curvature=False):
    """Slope of the sum of the values for element i of an input, and the second derivative if wanted."""
    enough = LEVELS[LEAST[0]]
    for digits in LEVELS:
        if digits < enough:
            continue
        with mp.workdps(digits):
            c = arguments(a_loss, a_case, T)
            c0 = copy.deepcopy(c)
            elements = flat(getattr(c, name))
            x = elements[i]
            if mp.isinf(x):
                raise ValueError(f"element {i} of {name} is infinite: give its slope")

            def f(offset):
                counter = iter(range(len(elements)))
                moved = nest(getattr(c0, name), lambda a: a + offset if next(counter) == i else a)
                setattr(c, name, moved)
                return total(a_loss, c, c0)

            f0 = f(mpf(0))
            if f0 is None or mp.isinf(f0):
                raise ValueError("no finite value here: give the slope")
            try:
                found = at_level(f, f0, scale(x, c, a_case), digits, wants_curvature)
            except Vanishes:
                enough = NO_DOUBT if digits < NO_DOUBT else 2 * NO_DOUBT
                continue
            except Unsettled:
                continue
        with mp.workdps(PRINTED):
            return tuple(None if a is None else mpf(0) if abs(a) < NOTHING else +a for a in found)
    raise ValueError(f"the derivative for element {i} of {name} does not settle (infinite?): give the slope")


# --- Pieces of formulas -----------------------------------------------------------------------------------------------


def log(a):
    """Of 0: minus infinity. Of less: outside the domain, and the slope is that of the other side."""
    if a < 0:
        raise OutOfDomain
    return -mp.inf if a == 0 else mp.log(a)


def sqrt(a):
    if a < 0:
        raise OutOfDomain
    return mp.sqrt(a)


def times(t, a):
    """t a, with 0 times anything = 0."""
    return mpf(0) if t == 0 else t * a


def sign(a):
    return mpf((a > 0) - (a < 0))


# x is live, x0 the same expression of c0. Each is an ordinary function of x that is right at x0.


def absolute(x, x0):
    """|x|, slope 0 at 0."""
    return sign(x0) * x


def relu(x, x0, kink=0):
    """max(x, 0), slope `kink` at 0."""
    return x if x0 > 0 else kink * x if x0 == 0 else mpf(0)


def clip(x, lo, hi, x0):
    """x kept within [lo, hi]; an edge belongs to the inside, its slope is 1."""
    return lo if x0 < lo else hi if x0 > hi else x


def at_least(x, lo, x0):
    return clip(x, lo, mp.inf, x0)


def at_most(x, hi, x0):
    return clip(x, -mp.inf, hi, x0)


def max_of(xs, xs0):
    """The largest; those that tie share the slope evenly."""
    tied = [x for x, x0 in zip(xs, xs0) if x0 == max(xs0)]
    return sum(tied) / len(tied)


def min_of(xs, xs0):
    return -max_of([-x for x in xs], [-x0 for x0 in xs0])
