"""Alignments of a sequence of labels with a longer one of predictions."""

from mpmath import mp, mpf

from harness import INF, case, flat, loss
from inputs import bell, bells, simplex, uniform
from numeric import log

# --- Connectionist temporal classification ----------------------------------------------------------------------------


def path_sum(y, labels, blank):
    """Z by the forward recursion over blank, l_1, blank, ..., l_n, blank; y is [T][C], of probabilities."""
    states = [blank]
    for label in labels:
        states += [label, blank]
    alpha = [mpf(1)] + [mpf(0)] * (len(states) - 1)  # before the first frame
    for row in y:
        new = []
        for s, symbol in enumerate(states):
            arriving = alpha[s] + (alpha[s - 1] if s > 0 else 0)
            if s % 2 == 1 and s > 1 and symbol != states[s - 2]:
                arriving += alpha[s - 2]
            new.append(arriving * row[symbol])
        alpha = new
    return alpha[-1] + (alpha[-2] if len(states) > 1 else 0)


def softmax(row):
    e = [mpf(0) if x == -mp.inf else mp.exp(x) for x in row]
    return [a / sum(e) for a in e]


def settled(value):
    """Without its last digits: the logarithm of one path is an exact sum, which may lie half-way between two doubles."""
    with mp.workdps(mp.dps - 20):
        return +value


def exponentials(row):
    return [mpf(0) if x == -mp.inf else mp.exp(x) for x in row]


def label_count(c, i):
    labels = c.y_true[i]
    if hasattr(c, "label_length"):
        return c.label_length[i]
    if getattr(c, "unsent_label_length", "all") == "all":
        return len(labels)
    return sum(label != blank_of(c) for label in labels)


def blank_of(c):
    return int(c.blank) if c.blank >= 0 else len(c.y_pred[0][0]) - 1


def items(c):
    """(frames in use, labels in use) of each item."""
    for i, frames in enumerate(c.y_pred):
        n = c.input_length[i] if hasattr(c, "input_length") else len(frames)
        m = label_count(c, i)
        yield frames[:n], c.y_true[i][:m]


@loss(
    "ctc",
    params={
        "blank": 0,
        "infeasible": ("inf", "zero"),
        "gradient": ("true", "torch"),
        "normalize": ("none", "target_length"),
        "unsent_label_length": ("all", "not_blank"),
    },
    integers=("y_true", "input_length", "label_length"),
)
def ctc(c):
    values = []
    for frames, labels in items(c):
        to_probabilities = {"LOGITS": softmax, "LOG_PROBABILITIES": exponentials, "PROBABILITIES": list}[c.kind]
        y = [to_probabilities(row) for row in frames]
        z = path_sum(y, labels, blank_of(c))
        if z == 0:
            values.append(mpf(0) if c.infeasible == "zero" else mp.inf)
        else:
            values.append(settled(-log(z) / (max(len(labels), 1) if c.normalize == "target_length" else 1)))
    return values


@ctc.slope
def _(c):
    """Of items that cannot be: 0. Of logits that are minus infinity: 0. PyTorch's definition."""
    z = ctc.value(c)
    slopes = []
    for i, frames in enumerate(c.y_pred):
        nothing = mp.isinf(z[i]) or (z[i] == 0 and c.infeasible == "zero")
        slopes += [mpf(0) if nothing or x == -mp.inf else None for x in flat(frames)]
    if c.gradient != "torch":
        return {"y_pred": slopes}
    # Of the logits x whose log-softmax are the log-probabilities: exp(x) + d value / d log-probability.
    h, k = mpf("1e-60"), 0
    for i, frames in enumerate(c.y_pred):
        used = c.input_length[i] if hasattr(c, "input_length") else len(frames)
        n = label_count(c, i) if c.normalize != "none" else 1
        for t, row in enumerate(frames):
            for j, x in enumerate(row):
                if slopes[k] is None and t < used:
                    row[j] = x + h
                    up = ctc.value(c)[i]
                    row[j] = x - h
                    slopes[k] = mp.exp(x) / max(n, 1) + (up - ctc.value(c)[i]) / (2 * h)
                    row[j] = x
                    with mp.workdps(36):
                        slopes[k] = +slopes[k]
                k += 1
    return {"y_pred": slopes}


ctc.is_definition = lambda c: c.gradient == "torch"


def log_simplex(T, rng, k):
    p = simplex(T, rng, k)
    return [T.round(float(mp.log(a))) for a in p]


def rows_of(kind, T, rng, frames, classes, scale=1.0):
    if kind == "LOGITS":
        return [bells(rng, classes, scale) for _ in range(frames)]
    make = simplex if kind == "PROBABILITIES" else log_simplex
    return [make(T, rng, classes) for _ in range(frames)]


@ctc.cases
def _(T, rng):
    for kind in ("LOGITS", "LOG_PROBABILITIES", "PROBABILITIES"):

        def rows(frames, classes, scale=1.0, kind=kind):
            return rows_of(kind, T, rng, frames, classes, scale)

        def one(note, frames, labels, **options):
            return case(note, kind=kind, y_pred=[frames], y_true=[labels], **options)

        yield one("one frame, one label", rows(1, 2), [1])
        yield one("two frames, one label", rows(2, 2), [1])
        yield one("as many frames as labels: one path", rows(3, 3), [1, 2, 1])
        yield one("a repeat needs a blank between: one path", rows(3, 3), [2, 2])
        for frames, classes, labels in ((4, 3, [2, 2]), (4, 3, [1, 1, 2]), (2, 4, [3, 1]), (5, 2, [1, 1]), (3, 4, [1])):
            yield one("random", rows(frames, classes), labels)
        for labels in ([2], [1, 2], [2, 1], [1, 2, 1], [1, 1]):
            yield one("random", rows(3, 3 if 2 in labels else 2), labels)
        yield one("the blank is the last class", rows(3, 3), [0, 1], params={"blank": -1})
        yield one("the blank is the last class", rows(4, 3), [0, 0, 1], params={"blank": -1})
        yield one("the blank is class 1", rows(3, 3), [0, 2], params={"blank": 1})
        yield one("the blank as a label", rows(3, 3), [1, 2, 0])
        yield one("the blank as a label", rows(3, 2), [0, 0])
        yield one("divided by the number of labels", rows(3, 3), [2, 1], params={"normalize": "target_length"})
        for policy in ("inf", "zero"):
            yield one("too few frames", rows(2, 3), [1, 2, 1], params={"infeasible": policy})
            yield one("too few frames for a repeat", rows(2, 3), [1, 1], params={"infeasible": policy})
        for frames, labels in (([3, 2], [2, 1]), ([2, 3], [1, 2]), ([2, 3], [2, 0]), ([3, 1], [0, 1])):
            yield case(
                "lengths",
                kind=kind,
                y_pred=[rows(3, 3), rows(3, 3)],
                y_true=[[1, 2], [2, 2]],
                input_length=frames,
                label_length=labels,
            )
        yield case("no labels", kind=kind, y_pred=[rows(3, 3)], y_true=[[1]], label_length=[0])
        params = {"normalize": "target_length"}
        yield case("no labels", kind=kind, y_pred=[rows(2, 2)], y_true=[[1]], label_length=[0], params=params)
        for _ in range(10):
            classes, n = 2 + int(1.5 * rng.random()), 1 + int(1.5 * rng.random())
            labels = [1 + int((classes - 1) * rng.random()) for _ in range(n)]
            yield one("random", rows(2 * n + int(2 * rng.random()), classes), labels)
        if kind == "LOGITS":
            for scale in (1e-6, 3.0, 8.0):
                for labels in ([1], [2, 1]):
                    yield one(f"random, scale {scale:g}", rows(3, 3, scale), labels)
            for margin in (5.0, 12.0, 17.0):  # the path is all but certain
                frames = [[0.0, margin, -0.5], [0.25, 0.0, margin]]
                yield one(f"one path, margin {margin:g}", frames, [1, 2])
            yield one("huge", [[1e30, -1e30, 0.0], [0.0, 2e30, -1e30], [1e30, 3.0, 2.5e30]], [1, 2])
            yield one("an impossible class", [[1.0, 0.5, -INF], [0.25, -INF, 2.0], [0.5, 1.0, 0.125]], [1, 2])
            yield one("an impossible label", [[1.0, 0.5, -INF], [0.25, 0.0, -INF]], [1, 2])
            yield one("offset 1e4", [[1e4 + bell(rng) for _ in range(3)] for _ in range(3)], [1, 2])
        if kind == "LOG_PROBABILITIES":
            for labels in ([1], [2, 1]):
                yield one("the gradient of PyTorch", rows(3, 3), labels, params={"gradient": "torch"})
            params = {"gradient": "torch", "normalize": "target_length"}
            yield one("PyTorch's mean", rows(2, 3), [2, 1], params=params)
            for scale in (0.01, 3.0, 100.0, 1e4):
                frames = [[-scale * uniform(rng, 0, 1) for _ in range(3)] for _ in range(2)]
                yield one("not normalised", frames, [1, 2])
            yield one("impossible classes", [[-0.5, -1.0, -INF], [-INF, -0.25, -1.5], [-1.0, -INF, -0.5]], [1, 2])
            yield one("an impossible label", [[-0.5, -1.0, -INF], [-0.5, -0.25, -INF]], [1, 2])
        if kind == "PROBABILITIES":
            for scale in (1e-20, 1e-6, 1.0, 1e3):
                frames = [[scale * uniform(rng, 0.01, 1) for _ in range(3)] for _ in range(3)]
                yield one("not normalised", frames, [1, 2])
            yield one("zeros", [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75], [0.25, 0.0, 0.75]], [1, 2])
            yield one("zeros", [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]], [1])
            yield one("a label of probability 0", [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]], [1, 2])
    for kind in ("LOGITS", "PROBABILITIES"):
        for labels, more in (
            ([1, 2, 0], {}),
            ([1, 0, 2], {}),
            ([0, 0, 0], {}),
            ([1, 0, 2], {"normalize": "target_length", "blank": -1}),
        ):
            params = {"unsent_label_length": "not_blank", **more}
            y_pred = [rows_of(kind, T, rng, 4, 3)]
            yield case("as many labels as are no blank", kind=kind, y_pred=y_pred, y_true=[labels], params=params)


ctc.published(
    "test of keras.ops.ctc_loss",
    ["3.4411672", "1.91680186"],
    kind="LOGITS",
    y_pred=[
        [[0.4, 0.8, 0.4], [0.2, 0.8, 0.3], [0.9, 0.4, 0.5]],
        [[0.4, 0.8, 0.4], [0.2, 0.3, 0.3], [0.4, 0.3, 0.2]],
    ],
    y_true=[[1, 2, 1], [1, 2, 2]],
    input_length=[3, 2],
    label_length=[3, 2],
)
ctc.published(
    "test of keras.losses.CTC",
    "2.448645",
    kind="LOGITS",
    y_pred=[[[(12 * b + 3 * t + k - 12) / 100 for k in range(3)] for t in range(4)] for b in range(2)],
    y_true=[[1, 2, 1, 0], [1, 2, 0, 2]],
    params={"unsent_label_length": "not_blank"},
)


@loss("ctc_batch_cost", params={"epsilon": 1e-7}, integers=("y_true", "input_length", "label_length"))
def ctc_batch_cost(c):
    values = []
    for frames, labels in items(c):
        y = [softmax([log(p + c.epsilon) for p in row]) for row in frames]
        z = path_sum(y, labels, len(c.y_pred[0][0]) - 1)
        values.append(mp.inf if z == 0 else settled(-log(z)))
    return values


@ctc_batch_cost.slope
def _(c):
    return {"y_pred": [mpf(0) if mp.isinf(v) else None for v, i in zip(ctc_batch_cost.value(c), c.y_pred) for x in flat(i)]}


@ctc_batch_cost.cases
def _(T, rng):
    def rows(frames, classes):
        return rows_of("PROBABILITIES", T, rng, frames, classes)

    def one(note, frames, labels, **options):
        return case(note, kind="PROBABILITIES", y_pred=[frames], y_true=[labels], **options)

    yield one("one frame, one label", rows(1, 2), [0])
    yield one("as many frames as labels: one path", rows(3, 3), [0, 1, 0])
    yield one("a repeat needs a blank between: one path", rows(3, 3), [1, 1])
    for frames, classes, labels in ((4, 3, [1, 1]), (4, 3, [0, 0, 1]), (2, 4, [2, 0]), (5, 2, [0, 0]), (3, 4, [1])):
        yield one("random", rows(frames, classes), labels)
    yield one("the blank as a label", rows(3, 3), [0, 2])
    yield one("too few frames", rows(1, 3), [0, 1])
    for frames, labels in (([3, 2], [2, 1]), ([2, 3], [1, 2]), ([2, 3], [2, 0])):
        options = dict(y_true=[[0, 1], [1, 1]], input_length=frames, label_length=labels)
        yield case("lengths", kind="PROBABILITIES", y_pred=[rows(3, 3), rows(3, 3)], **options)
    yield one("zeros", [[0.5, 0.0, 0.5], [0.0, 0.75, 0.25], [0.25, 0.75, 0.0]], [0, 1])
    yield one("zeros all along", [[0.0, 0.5, 0.5], [0.0, 0.75, 0.25]], [0])
    yield one("one hot", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [0, 1])
    for epsilon in (1e-3, 0.5):
        yield one("epsilon", rows(3, 3), [0, 1], params={"epsilon": epsilon})
    for scale in (1e-20, 1e-6, 1e3):
        frames = [[scale * uniform(rng, 0.01, 1) for _ in range(3)] for _ in range(3)]
        yield one("not normalised", frames, [0, 1])
    for _ in range(20):
        classes, n = 2 + int(2 * rng.random()), 1 + int(2 * rng.random())
        labels = [int((classes - 1) * rng.random()) for _ in range(n)]
        yield one("random", rows(2 * n + int(2 * rng.random()), classes), labels)


# --- Sequence transducer ------------------------------------------------------------------------------------------------


@loss("rnnt", params={"blank": -1}, integers=("y_true", "input_length", "label_length"))
def rnnt(c):
    values = []
    blank = int(c.blank) if c.blank >= 0 else len(c.y_pred[0][0][0]) - 1
    for i, (frames, labels) in enumerate(items(c)):
        y = [[(softmax if c.kind == "LOGITS" else exponentials)(row) for row in frame] for frame in frames]
        alpha = {(0, 0): mpf(1)}
        for t in range(len(y)):
            for u in range(len(labels) + 1):
                if t > 0:
                    alpha[t, u] = alpha[t - 1, u] * y[t - 1][u][blank]
                if u > 0:
                    alpha[t, u] = alpha.get((t, u), mpf(0)) + alpha[t, u - 1] * y[t][u - 1][labels[u - 1]]
        z = alpha[len(y) - 1, len(labels)] * y[-1][len(labels)][blank] if y else mpf(0)
        values.append(mp.inf if z == 0 else settled(-log(z)))
    return values


@rnnt.slope
def _(c):
    slopes = []
    for value, item in zip(rnnt.value(c), c.y_pred):
        slopes += [mpf(0) if mp.isinf(value) or x == -mp.inf else None for x in flat(item)]
    return {"y_pred": slopes}


@rnnt.cases
def _(T, rng):
    for kind in ("LOGITS", "LOG_PROBABILITIES"):

        def nodes(frames, labels, classes, scale=1.0, kind=kind):
            return [rows_of(kind, T, rng, labels + 1, classes, scale) for _ in range(frames)]

        def one(note, item, labels, **options):
            return case(note, kind=kind, y_pred=[item], y_true=[labels], **options)

        yield one("one frame, one label", nodes(1, 1, 2), [0])
        yield one("two frames, one label", nodes(2, 1, 2), [0])
        yield one("one frame, two labels", nodes(1, 2, 3), [1, 0])
        yield one("a repeat", nodes(2, 2, 2), [0, 0])
        yield one("the blank is the first class", nodes(2, 1, 3), [2], params={"blank": 0})
        yield one("the blank is class 1", nodes(2, 1, 3), [0], params={"blank": 1})
        yield one("the blank as a label", nodes(2, 1, 2), [1])
        yield case("no frames", kind=kind, y_pred=[nodes(1, 1, 2)], y_true=[[0]], input_length=[0])
        for frames, labels in (([2, 1], [1, 1]), ([1, 2], [1, 0]), ([2, 1], [0, 1])):
            options = dict(y_true=[[0], [1]], input_length=frames, label_length=labels)
            yield case("lengths", kind=kind, y_pred=[nodes(2, 1, 3), nodes(2, 1, 3)], **options)
        for _ in range(24):
            frames, n, classes = 1 + int(2.5 * rng.random()), 1 + int(2 * rng.random()), 2 + int(2 * rng.random())
            labels = [int((classes - 1) * rng.random()) for _ in range(n)]
            yield one("random", nodes(frames, n, classes), labels)
        if kind == "LOGITS":
            for scale in (1e-6, 0.1, 3.0, 8.0):
                yield one(f"random, scale {scale:g}", nodes(2, 1, 2, scale), [0])
                yield one(f"random, scale {scale:g}", nodes(1, 1, 3, scale), [1])
            yield one("huge", [[[1e30, -1e30], [0.0, 2e30]], [[-1e30, 0.5], [1e30, 1.0]]], [0])
            yield one("an impossible class", [[[1.0, -INF, 0.5], [0.25, 0.5, -INF]], [[0.5, 1.0, -INF], [1.0, 2.0, 0.5]]], [0])
            yield one("an impossible label", [[[-INF, 1.0], [0.5, 0.25]]], [0])
        else:
            for scale in (0.01, 3.0, 100.0):
                for _ in range(2):
                    item = [[[-scale * rng.random() for _ in range(2)] for _ in range(2)] for _ in range(2)]
                    yield one("not normalised", item, [0])
            yield one("impossible classes", [[[-1.0, -INF], [-0.5, -0.25]], [[-0.5, -1.0], [-INF, -2.0]]], [0])
            yield one("an impossible label", [[[-INF, -1.0], [-0.5, -0.25]]], [0])
