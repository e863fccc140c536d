"""What every golden file is made with: element types, cases, exact values, numeric derivatives, and the lines written.

A loss is its textbook value and its cases (README.md shows how). Derivatives are taken here, from the value alone, by
differences at so many digits that more than forty remain. Nothing comes from the library under test. Inputs are the
exact numbers they are in binary, so p - t is the true difference, not the rounded one.
"""

import copy
import inspect
import math
import random
import struct
import sys
from dataclasses import dataclass
from typing import Callable

from mpmath import mp, mpf

INF = math.inf

# Doubles reach from 5e-324 to 1.8e308, 632 digits; the rest covers hi + lo. With all of them at hand every formula can
# be written as in the textbook: even ln(1 + exp(x)) - x, at x = 700, keeps more digits than are asked of it.
DIGITS = 800
# Slopes start with fewer digits and go on to the next number of them until they stand still.
LEVELS = (150, 400, DIGITS, 2 * DIGITS, 4 * DIGITS)
AGREE = mpf("1e-40")  # relative
NOTHING = mpf("1e-400")  # far below the smallest double

# --- The element types ------------------------------------------------------------------------------------------------


def round_to_f32(a: float) -> float:
    return struct.unpack("<f", struct.pack("<f", a))[0]


def next_f32(a: float, towards: float) -> float:
    """The neighbour of a in F32, in the direction of `towards`."""
    if a == towards:
        return a
    if a == 0:
        return math.copysign(2.0**-149, towards)
    bits = struct.unpack("<i", struct.pack("<f", a))[0]
    bits += 1 if (towards > a) == (a > 0) else -1
    return struct.unpack("<f", struct.pack("<i", bits))[0]


@dataclass(frozen=True)
class Type:
    name: str
    round: Callable[[float], float]
    next: Callable[[float, float], float]
    max: float
    min_normal: float
    min_subnormal: float

    def up(self, a):
        return self.next(a, INF)

    def down(self, a):
        return self.next(a, -INF)

    # The constants of the clip policies are decimal literals rounded to the element type.
    @property
    def clip_lo(self):
        return self.round(1e-7)

    @property
    def clip_hi(self):
        return self.round(1 - 1e-7)

    @property
    def slope_floor(self):
        return self.round(1e-12)


F32 = Type("F32", round_to_f32, next_f32, (2 - 2.0**-23) * 2.0**127, 2.0**-126, 2.0**-149)
F64 = Type("F64", float, math.nextafter, sys.float_info.max, 2.0**-1022, 5e-324)


def to_double(a: mpf) -> float:
    """The double nearest to a, ties to even; infinite beyond the largest. Python's int / int rounds exactly once."""
    if mp.isinf(a) or a == 0:
        return float(a) + 0.0
    sign, mantissa, exponent, bits = a._mpf_
    if exponent + bits > 1100:
        magnitude = INF
    elif exponent + bits < -1100:
        magnitude = 0.0
    else:
        try:
            magnitude = (mantissa << max(exponent, 0)) / (1 << max(-exponent, 0))
        except OverflowError:
            magnitude = INF
    return (-magnitude if sign else magnitude) + 0.0


def hi_lo(a: mpf) -> str:
    assert not mp.isnan(a)
    hi = to_double(a)
    lo = 0.0 if math.isinf(hi) else to_double(a - mpf(hi))
    return f"{hi.hex()} {lo.hex()}"


# --- Cases and losses -------------------------------------------------------------------------------------------------


@dataclass
class Case:
    note: str
    inputs: dict
    params: dict
    kind: str
    clip: str
    gradient: dict


def case(note, /, *, params=None, kind="UNSPECIFIED", clip="NO_CLIP", gradient=None, **inputs):
    """One line. Inputs are nested lists (or a number: shape []), params those to spell out, both rounded to the type;
    gradient {input: flat list} where the slope is a matter of definition, None in it for what is to be found."""
    return Case(note, inputs, params or {}, kind, clip, gradient or {})


def seeded(*parts):
    """Every set of inputs has its own seed, so that adding to one leaves the others alone."""
    return random.Random(" ".join(parts))


# The option of that name, among the parameters of a loss that reads it. Value functions see c.kink, the slope of
# max(x, 0) at 0.
KINK_POLICY = {"kink_policy": ("LEAST_NORM", "AVERAGE", "ACTIVE")}
KINKS = {"LEAST_NORM": mpf(0), "AVERAGE": mpf(1) / 2, "ACTIVE": mpf(1)}

LOSSES = {}


class Loss:
    def __init__(self, name, value, params, differentiate, hessian, integers):
        self.name, self.value, self.params, self.integers = name, value, params, integers
        self.differentiate = differentiate
        self.hessian = differentiate if hessian is True else hessian or ()
        self.takes_frozen = len(inspect.signature(value).parameters) > 1
        self.make_cases, self.make_slope, self.figures = None, None, []
        self.is_definition = self.is_linear = lambda c: False
        self.curves = lambda c: True

    def cases(self, make):
        """Decorates the generator of cases, make(T, rng)."""
        self.make_cases = make
        return make

    def slope(self, make):
        """Decorates make(c) -> {input: flat list}, the textbook slopes; None in it for what is to be found."""
        self.make_slope = make
        return make

    def published(self, source, figure, *, params=None, kind="UNSPECIFIED", clip="NO_CLIP", **inputs):
        """A figure somebody else printed: "0.155", the mean over all items, or a list of such, the items."""
        self.figures.append((source, figure, Case(source, inputs, params or {}, kind, clip, {})))


def loss(name, *, params=None, differentiate=("y_pred",), hessian=False, integers=()):
    """Decorates value(c) or value(c, c0) -> [value of each item]. c has the inputs and params as attributes, and kind,
    clip and T. c0 is the same at the point where derivatives are taken: what is written with c0 is detached. params
    gives the defaults: a number, or for a choice the tuple of its words, the default first."""

    def register(value):
        assert name not in LOSSES, f"{name} is defined twice"
        LOSSES[name] = Loss(name, value, params or {}, tuple(differentiate), hessian, tuple(integers))
        return LOSSES[name]

    return register


def nest(a, leaf):
    return [nest(b, leaf) for b in a] if isinstance(a, (list, tuple)) else leaf(a)


def flat(a):
    return [c for b in a for c in flat(b)] if isinstance(a, (list, tuple)) else [a]


def shape(a):
    sizes = []
    while isinstance(a, (list, tuple)):
        sizes.append(str(len(a)))
        a = a[0] if a else 0
    return "x".join(sizes) or "[]"


def rounded(a_loss, a_case, T):
    """The case with its numbers rounded to T, and checked."""
    inputs = {
        name: nest(a, int if name in a_loss.integers else lambda x: T.round(float(x)))
        for name, a in a_case.inputs.items()
    }
    params = {}
    for name, given in a_case.params.items():
        default = a_loss.params[name]
        assert not isinstance(default, tuple) or given in default, f"{a_loss.name}: {name} has no choice {given}"
        params[name] = given if isinstance(given, str) else T.round(float(given))
    return Case(a_case.note, inputs, params, a_case.kind, a_case.clip, a_case.gradient)


class Arguments:
    """What a value function sees."""


def arguments(a_loss, a_case, T):
    c = Arguments()
    c.kind, c.clip, c.T = a_case.kind, a_case.clip, T
    for name, default in a_loss.params.items():
        given = a_case.params.get(name, default[0] if isinstance(default, tuple) else default)
        setattr(c, name, given if isinstance(given, str) else mpf(float(given)))
    if "kink_policy" in a_loss.params:
        c.kink = KINKS[c.kink_policy]
    for name, a in a_case.inputs.items():
        setattr(c, name, nest(a, int if name in a_loss.integers else mpf))
    return c


def values(a_loss, a_case, T):
    c = arguments(a_loss, a_case, T)
    return a_loss.value(c, copy.deepcopy(c)) if a_loss.takes_frozen else a_loss.value(c)


def gradients(a_loss, a_case, T):
    """{input: slopes} of the sum of the values, and the same for the diagonal of the Hessian."""
    from numeric import derivatives  # numeric imports this module

    known = dict(a_case.gradient)
    if a_loss.make_slope:
        with mp.workdps(DIGITS):
            known = {**(a_loss.make_slope(arguments(a_loss, a_case, T)) or {}), **known}
    slopes, curvatures = {}, {}
    c = arguments(a_loss, a_case, T)
    is_definition, is_linear = a_loss.is_definition(c), a_loss.is_linear(c)
    for name in a_loss.differentiate:
        if name not in a_case.inputs:  # optional
            continue
        size = len(flat(a_case.inputs[name]))
        given = list(known.get(name) or [None] * size)
        assert len(given) == size, f"{a_loss.name}: the slope of {name} has {len(given)} elements, not {size}"
        wants_curvature = name in a_loss.hessian and not is_definition and a_loss.curves(c)
        curvature = [mpf(0) if is_linear else None] * size
        for i in range(size):
            if given[i] is None or (wants_curvature and not is_linear):
                try:
                    slope, found = derivatives(a_loss, a_case, T, name, i, wants_curvature and not is_linear)
                    curvature[i] = found if curvature[i] is None else curvature[i]
                except ValueError:  # a slope that had to be given, or an infinite second derivative
                    if given[i] is None:
                        given[i], _ = derivatives(a_loss, a_case, T, name, i)
                    continue
                given[i] = slope if given[i] is None else given[i]
        slopes[name] = [mpf(a) for a in given]
        if wants_curvature and None not in curvature:
            curvatures[name] = curvature
    return slopes, curvatures


# --- The golden files -------------------------------------------------------------------------------------------------


def number(a):
    if isinstance(a, (str, int)):
        return str(a)
    return str(int(a)) if a.is_integer() and abs(a) < 1e6 else a.hex()


def given(a_loss, a_case, T):
    """The part of a line that comes before the results."""
    params = " ".join(f"{name}={number(a)}" for name, a in a_case.params.items())
    fields = [f"{T.name} {a_case.kind} {a_case.clip} {params or '-'}"]
    for name, a in a_case.inputs.items():
        fields.append(" ".join([name, shape(a)] + [str(x) if isinstance(x, int) else x.hex() for x in flat(a)]))
    return " | ".join(fields)


def line(a_loss, a_case, T):
    try:
        with mp.workdps(DIGITS):
            fields = [given(a_loss, a_case, T), " ".join(["="] + [hi_lo(a) for a in values(a_loss, a_case, T)])]
            slopes, curvatures = gradients(a_loss, a_case, T)
            for letter, results in (("d", slopes), ("h", curvatures)):
                fields += [" ".join([letter, name] + [hi_lo(a) for a in each]) for name, each in results.items()]
            return " | ".join(fields)
    except Exception as error:
        raise RuntimeError(f"{a_loss.name}, {a_case.note}: {error!r} in {given(a_loss, a_case, T)[:400]}") from error


def all_cases(a_loss):
    """(T, case) of a loss; of equal ones the first."""
    seen = set()
    for T in (F32, F64):
        for a_case in a_loss.make_cases(T, seeded(a_loss.name, T.name)):
            a_case = rounded(a_loss, a_case, T)
            key = given(a_loss, a_case, T)
            if key not in seen:
                seen.add(key)
                yield T, a_case
