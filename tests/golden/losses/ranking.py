"""Ranking losses: a row is a list of scores and one of relevances; where leaves entries out."""

from mpmath import mp, mpf

from harness import case, loss, seeded
from inputs import bell, bells

OPTIONS = {"integers": ("where",), "hessian": True}


def lists(c):
    """(scores, relevances) of what is left in, and its places in the row."""
    where = getattr(c, "where", [[1] * len(s) for s in c.y_pred])
    for s, y, kept in zip(c.y_pred, c.y_true, where):
        places = [k for k, keep in enumerate(kept) if keep]
        yield [s[k] for k in places], [y[k] for k in places]


def ranking_cases(T, rng, widest=12, **options):
    r = T.round

    def one(note, s, y, where=None):
        inputs = {} if where is None else {"where": [where]}
        return case(note, kind="LOGITS", y_pred=[[r(a) for a in s]], y_true=[y], **inputs, **options)

    def grades(k):
        return [float(int(4 * rng.random())) for _ in range(k)]

    yield one("one entry", [0.7], [1.0])
    yield one("one entry", [-3.0], [0.0])
    yield one("two, in order and not", [2.0, -1.0], [1.0, 0.0])
    yield one("two, in order and not", [2.0, -1.0], [0.0, 1.0])
    yield one("two alike", [0.3, 0.3], [1.0, 0.0])
    yield one("two of one relevance", [0.25, 1.5], [1.0, 1.0])
    yield one("no relevance", [0.5, 1.5, -1.0], [0.0, 0.0, 0.0])
    yield one("binary relevance", [0.0, 3.0, 1.0, 2.0], [0.0, 0.0, 1.0, 1.0])
    yield one("soft relevance", [0.5, 1.5, -1.0], [0.25, 0.5, 0.125])
    yield one("all scores alike", [1.25] * 5, [0, 1, 2, 3, 4])
    yield one("nearly alike", [T.up(1.0), 1.0, T.down(1.0)], [0, 0, 1])
    yield one("an offset", [1000.5, 1001.0, 999.75], [2, 0, 1])
    for margin in (17, 30, 80, 500):
        yield one(f"margin {margin}, right and wrong", [margin, 0.0], [1, 0])
        yield one(f"margin {margin}, right and wrong", [margin, 0.0, -margin], [0, 1, 2])
    yield one("where exp underflows", [0.0, -745.5, -2000.0], [2, 1, 0])
    yield one("where exp underflows", [0.0, -745.5, -2000.0], [0, 1, 2])
    yield one("large scores", [1e18, -1e18, 3e18], [2, 1, 0])
    yield one("tiny scores", [T.min_subnormal, 1e-30, -1e-30], [1, 0, 0])
    s = [0.5, -1.25, 2.0, 0.75, 1.0]
    for where in ([1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 0]):
        yield one("entries left out", s, [3, 2, 1, 0, 2], where)
    for k in (2, 3, 5, 8, widest):
        for scale in (0.01, 1, 5):
            yield one(f"random, scale {scale:g}", [scale * a for a in bells(rng, k)], grades(k))
        where = [int(rng.random() < 0.6) for _ in range(k)]
        yield one("random, some left out", bells(rng, k), grades(k), where)


@loss("ranking_softmax", **OPTIONS)
def ranking_softmax(c):
    def value(s, y):
        return sum((b * (mp.log(sum(map(mp.exp, s))) - a) for a, b in zip(s, y)), mpf(0))

    return [value(s, y) for s, y in lists(c)]


@ranking_softmax.cases
def _(T, rng):
    yield from ranking_cases(T, rng)
    s, y = [2, 2, 1, 0, -1, -1, 3], [1, 0, 0, 2, 0, 1, 0]
    yield case("seven entries, two of a kind", kind="LOGITS", y_pred=[s], y_true=[y])


OPTAX = "tests of optax"
ranking_softmax.published(OPTAX, "3.880", kind="LOGITS", y_pred=[[0, 3, 1, 2]], y_true=[[0, 0, 1, 1]])


@loss("list_mle", **OPTIONS)
def list_mle(c):
    def value(s, y):
        order = sorted(range(len(s)), key=lambda k: (-y[k], k))
        tails = [[s[k] for k in order[i:]] for i in range(len(s))]
        return sum((mp.log(sum(map(mp.exp, tail))) - tail[0] for tail in tails), mpf(0))

    return [value(s, y) for s, y in lists(c)]


list_mle.cases(lambda T, rng: ranking_cases(T, rng))


@loss("pairwise_logistic", **OPTIONS)
def pairwise_logistic(c):
    def value(s, y):
        pairs = [(i, j) for i in range(len(s)) for j in range(len(s)) if y[i] > y[j]]
        return sum((mp.log(1 + mp.exp(s[j] - s[i])) for i, j in pairs), mpf(0))

    return [value(s, y) for s, y in lists(c)]


pairwise_logistic.cases(lambda T, rng: ranking_cases(T, rng, widest=10))


@loss("ranknet", params={"sigma": 1}, **OPTIONS)
def ranknet(c):
    def value(s, y):
        total = mpf(0)
        for i in range(len(s)):
            for j in range(i + 1, len(s)):
                o = c.sigma * (s[i] - s[j])
                wanted = (1 + mpf((y[i] > y[j]) - (y[i] < y[j]))) / 2
                total += mp.log(1 + mp.exp(o)) - wanted * o
        return total

    return [value(s, y) for s, y in lists(c)]


@ranknet.cases
def _(T, rng):
    yield from ranking_cases(T, rng, widest=10)
    for sigma in (1, 0.5, 2, 1.3, 10):
        more = seeded("ranknet", T.name, str(sigma))
        for k in (2, 3, 6):
            s, y = [T.round(bell(more)) for _ in range(k)], [float(int(3 * more.random())) for _ in range(k)]
            yield case(f"sigma {sigma}", params={"sigma": sigma}, kind="LOGITS", y_pred=[s], y_true=[y])
