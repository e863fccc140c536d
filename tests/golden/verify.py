"""Tests of the formulas and of the generator, on a sample of the cases of each loss."""

from mpmath import mp, mpf

import harness
import numeric
from harness import F32, all_cases, arguments, flat, given, line, seeded, values

FEWEST = 40  # cases of each type, input kind and clip policy
WIDEST = 20  # beyond this many numbers a case is not evaluated again


def sample(cases, rng, share):
    """Part of the cases: at least about thirty of them."""
    share = max(share, 30 / max(len(cases), 1))
    return [(T, a) for T, a in cases if rng.random() < share and max(len(flat(x)) for x in a.inputs.values()) <= WIDEST]


def published(a_loss):
    for source, figures, a_case in a_loss.figures:
        with mp.workdps(50):
            items = values(a_loss, a_case, F32)
        figures, items = (figures, items) if isinstance(figures, list) else ([figures], [sum(items) / len(items)])
        for figure, item in zip(figures, items):
            mantissa, _, exponent = figure.lower().partition("e")
            unit = mpf(10) ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
            wrong = abs(item - mpf(figure)) > unit  # some are cut off rather than rounded
            yield f"{source}: published {figure}, here {mp.nstr(item, 12)}" if wrong else None


def twice_the_digits(a_loss, cases, rng):
    for T, a_case in sample(cases, rng, 0.1):
        once = line(a_loss, a_case, T)
        digits = harness.DIGITS
        harness.DIGITS, numeric.LEAST[0] = 2 * digits, 1
        try:
            twice = line(a_loss, a_case, T)
        finally:
            harness.DIGITS, numeric.LEAST[0] = digits, 0
        yield None if once == twice else f"too few digits:\n- {once[:600]}\n+ {twice[:600]}"


def closed_slopes(a_loss, cases, rng):
    """The slopes a loss gives in closed form against the derivative of its value."""
    if not a_loss.make_slope:
        return
    for T, a_case in sample(cases, rng, 0.2):
        c = arguments(a_loss, a_case, T)
        if a_loss.is_definition(c):
            continue
        with mp.workdps(harness.DIGITS):
            slopes = a_loss.make_slope(c) or {}
        for name, closed in slopes.items():
            for i, slope in enumerate(closed or []):
                if slope is None or mp.isinf(slope) or mp.isinf(flat(getattr(c, name))[i]):
                    continue
                try:
                    derivative, _ = numeric.derivatives(a_loss, a_case, T, name, i)
                except ValueError:  # infinite there
                    continue
                # Of a numeric derivative 36 digits are given.
                wrong = abs(slope - derivative) > max(mpf(10) ** -34 * abs(derivative), numeric.NOTHING)
                told = f"slope {i} of {name}, {mp.nstr(slope, 20)}, is not the derivative, {mp.nstr(derivative, 20)}"
                yield f"{told}: {given(a_loss, a_case, T)[:300]}" if wrong else None


def lines_without_curvature(a_loss, cases, rng):
    """The second derivatives that a loss says are 0."""
    for T, a_case in sample(cases, rng, 0.05) if a_loss.hessian else ():
        if not a_loss.is_linear(arguments(a_loss, a_case, T)):
            continue
        for name in a_loss.hessian:
            for i in range(len(flat(a_case.inputs[name]))):
                try:
                    _, curvature = numeric.derivatives(a_loss, a_case, T, name, i, True)
                except ValueError:  # infinite there
                    continue
                told = f"curvature {i} of {name} is {mp.nstr(curvature, 20)}: {given(a_loss, a_case, T)[:300]}"
                yield told if curvature != 0 else None


def clipped_classes(a_loss, cases, rng):
    """Which classes KERAS_CLIP clips must not hang on rounding: sums in T or F64, in either order, must agree."""
    for T, a_case in cases:
        p = a_case.inputs["y_pred"] if a_case.clip == "KERAS_CLIP" else None
        if not (p and isinstance(p[0], list) and len(p) == 1):
            continue
        p = p[0]
        s = sum(map(mpf, p))
        expected = [mpf(T.clip_lo) <= mpf(a) / s <= mpf(T.clip_hi) for a in p]
        for rounding in (T.round, float):
            for order in (p, p[::-1], sorted(p), sorted(p, reverse=True)):
                total = 0.0
                for a in order:
                    total = rounding(total + a)
                for quotients in ([T.round(a / total) for a in p], [T.round(a * rounding(1 / total)) for a in p]):
                    wrong = [T.clip_lo <= q <= T.clip_hi for q in quotients] != expected
                    yield f"rounding decides what is clipped: {given(a_loss, a_case, T)[:300]}" if wrong else None


def enough_cases(a_loss, cases, rng):
    count = {}
    for T, a_case in cases:
        form = T.name, a_case.kind, a_case.clip
        count[form] = count.get(form, 0) + 1
    for form, n in count.items():
        yield f"only {n} cases of {' '.join(form)}" if n < FEWEST else None


def verify(name):
    a_loss, report, failed = harness.LOSSES[name], [], 0
    cases = list(all_cases(a_loss))
    for what, findings in (
        ("published figures", published(a_loss)),
        ("lines against twice the digits", twice_the_digits(a_loss, cases, seeded("digits", name))),
        ("closed slopes against derivatives", closed_slopes(a_loss, cases, seeded("slopes", name))),
        ("curvatures said to be 0", lines_without_curvature(a_loss, cases, seeded("curvatures", name))),
        ("clipped classes against rounding", clipped_classes(a_loss, cases, None)),
        ("forms with enough cases", enough_cases(a_loss, cases, None)),
    ):
        findings = list(findings)
        wrong = [a for a in findings if a]
        failed += len(wrong)
        report += [f"{name}: {a}" for a in wrong]
        if findings:
            report.append(f"{name}: {what}: {len(findings)} compared, {len(wrong)} differ")
    return failed, "\n".join(report)
