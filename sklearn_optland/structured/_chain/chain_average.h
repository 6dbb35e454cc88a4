/* The step of the stochastic average gradient, which chain_fast.pyx derives. */
#ifndef OPTLAND_CHAIN_AVERAGE_H
#define OPTLAND_CHAIN_AVERAGE_H

#include "chain_dual.h"

/* After 2^10 visits at the latest a sequence is searched again; doublings end at overflow. */
#define OPTLAND_CHAIN_MOST_SKIPS 10
#define OPTLAND_CHAIN_MOST_DOUBLINGS 100
/* Of a loss and its log Z, whose rounding a smaller fall may be. */
#define OPTLAND_CHAIN_LEAST_FALL 1e-11

/* What the steps need besides the duals. */
typedef struct {
    double *image;      /* of the duals, in rows as theta is */
    double *seen;       /* of a column: `left` when W had its steps last */
    double *lipschitz;  /* of a sequence */
    int *skips, *wait;  /* of a sequence: 2^skips visits lie between searches; those still to go */
    int64_t n;          /* sequences */
    double total, most; /* of the Lipschitz constants */
    double left;        /* log of what the steps have left of theta - image, where that stood still */
} optland_chain_average;

/* Take the steps of a column's parameters that are due. */
OPTLAND_INLINE void optland_chain_catch_up(
    const optland_chain *c, optland_chain_average *average, int64_t column)
{
    if (average->seen[column] == average->left)
        return;
    const double left = exp(average->left - average->seen[column]);
    double *restrict w = c->W + column * c->lanes;
    const double *restrict image = average->image + column * c->lanes;
    for (int64_t l = 0; l < c->lanes; l++)
        w[l] = image[l] + left * (w[l] - image[l]);
    average->seen[column] = average->left;
}

/* moves = F F'g, for the features F of a sequence's tokens and ends. */
OPTLAND_INLINE void optland_chain_moves(
    const optland_chain *c, const optland_chain_dual *dual, int64_t i, const double *g,
    double *restrict moves)
{
    const int64_t lanes = c->lanes, start = c->starts[i], n = c->starts[i + 1] - start;
    if (dual->grams[i] >= 0) {
        const float *gram = dual->gram + dual->grams[i];
        for (int64_t l = 0; l < n * lanes; l++)
            moves[l] = 0;
        for (int64_t t = 0; t < n; gram += ++t)
            for (int64_t u = 0; u <= t; u++) {
                const double both = gram[u], other = u < t ? gram[u] : 0;
                for (int64_t l = 0; l < lanes; l++) {
                    moves[t * lanes + l] += both * g[u * lanes + l];
                    moves[u * lanes + l] += other * g[t * lanes + l];
                }
            }
        return;
    }
    optland_chain gradient = *c; /* in the buffer */
    gradient.W = dual->buffer;
    gradient.last_row = dual->buffer + (c->n_columns - 1) * lanes;
    gradient.first = gradient.last = NULL;
    optland_chain_scatter(c, start, n, 1, g, dual->buffer);
    optland_chain_scores(&gradient, start, n, moves);
    for (int64_t t = 0; t < n; t++) {
        int64_t begin, end;
        optland_chain_row(c, start + t, &begin, &end);
        for (int64_t p = begin; p < end; p++) {
            double *sum = dual->buffer + optland_chain_column(c, begin, p) * lanes;
            for (int64_t l = 0; l < lanes; l++)
                sum[l] = 0;
        }
    }
    for (int64_t l = 0; c->first && l < lanes; l++) {
        moves[l] += g[l];
        moves[(n - 1) * lanes + l] += g[(n - 1) * lanes + l];
    }
}

/* out = A + scale x. */
OPTLAND_INLINE void optland_chain_transitions(
    const optland_chain *c, const double *x, double scale, const double *A, double *restrict out)
{
    for (int64_t l = 0; l < c->k * c->lanes; l++)
        out[l] = A[l] + scale * x[l];
}

/* The Lipschitz constant of the gradient of c times a sequence's loss, by backtracking: it is
 * doubled until a step of 1 / L falls as far as it promises, and shrinks where it did at once.
 * Marginals are those at the parameters. Overwrites all scratch but s. */
OPTLAND_INLINE double optland_chain_search(
    const optland_chain *chain, const optland_chain_dual *dual, int64_t i, double log_z, double L,
    int *skips)
{
    const int64_t k = chain->k, lanes = chain->lanes;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    const int *y = chain->codes + start;
    const double c = dual->c[i], *mu = dual->mu.in64 + start * lanes;
    const double *xi = n > 1 ? dual->xi.in64 + dual->pairs[i] * k * lanes : NULL;
    double *g = chain->b, *moves = chain->p, *s = g, square;
    const double loss = log_z - optland_chain_score(chain, n, chain->s, y);
    const double least_fall = OPTLAND_CHAIN_LEAST_FALL * c * (loss + fabs(log_z));
    for (int64_t l = 0; l < n * lanes; l++)
        g[l] = c * mu[l];
    optland_chain_moves(chain, dual, i, g, moves);
    square = optland_octet_dot(n * lanes, g, moves);
    if (n > 1)
        square += c * c * optland_octet_dot(k * lanes, xi, xi);
    optland_chain step = *chain;
    step.A = chain->pairs;
    for (int doublings = 0; doublings < OPTLAND_CHAIN_MOST_DOUBLINGS; doublings++, L *= 2) {
        const double promised = 0.5 * square / L;
        double least, most = 0;
        int exponentials = 1;
        if (!(promised > least_fall))
            return L;
        for (int64_t l = 0; l < n * lanes; l++)
            s[l] = chain->s[l] - moves[l] / L;
        if (n > 1) {
            optland_chain_transitions(chain, xi, -c / L, chain->A, step.A);
            optland_chain_limits(&step, &least, &most);
            exponentials = most - least <= OPTLAND_CHAIN_RANGE;
            if (exponentials)
                optland_chain_exponentials(&step, most);
        }
        const double after = (exponentials ? optland_chain_forward(&step, n, s, most)
                                           : optland_chain_messages(&step, n, s))
            - optland_chain_score(&step, n, s, y);
        if (c * (loss - after) >= promised) {
            *skips += doublings == 0 ? 1 : -1;
            *skips = *skips < 0 ? 0 : *skips > OPTLAND_CHAIN_MOST_SKIPS ? OPTLAND_CHAIN_MOST_SKIPS : *skips;
            return doublings == 0 ? 0.9 * L : L;
        }
    }
    return L;
}

/* x += rate (image - x). */
OPTLAND_INLINE void optland_chain_towards(
    int64_t n, double rate, const double *image, double *restrict x)
{
    for (int64_t l = 0; l < n; l++)
        x[l] += rate * (image[l] - x[l]);
}

/* One step, for sequence i; returns c tau^2, as far as its marginals have moved. */
OPTLAND_CLONES
static double optland_chain_average_visit(
    const optland_chain *chain, const optland_chain_dual *dual, optland_chain_average *average,
    int64_t i)
{
    const int64_t k = chain->k, lanes = chain->lanes;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    const double c = dual->c[i];
    double *s = chain->s, *p = chain->p, *pairs = chain->pairs;
    double *mu = dual->mu.in64 + start * lanes;
    double *xi = n > 1 ? dual->xi.in64 + dual->pairs[i] * k * lanes : NULL;
    const int *y = chain->codes + start;
    double *A = average->image + chain->n_columns * lanes, *ends = A + k * lanes;
    double most = 0, tau = 0;
    int exponentials = 1;

    for (int64_t t = 0; t < n; t++) {
        int64_t begin, end;
        optland_chain_row(chain, start + t, &begin, &end);
        for (int64_t q = begin; q < end; q++)
            optland_chain_catch_up(chain, average, optland_chain_column(chain, begin, q));
    }
    optland_chain_scores(chain, start, n, s);
    if (n > 1) {
        double least;
        optland_chain_limits(chain, &least, &most);
        exponentials = most - least <= OPTLAND_CHAIN_RANGE;
        if (exponentials)
            optland_chain_exponentials(chain, most);
    }
    const double log_z = exponentials ? optland_chain_both(chain, n, s, most)
                                      : optland_chain_logarithms(chain, n, s);

    /* The image moves by d = c (mu - p), and p takes mu's place; pairs likewise. */
    double *d = chain->b;
    optland_chain_add_labelling(chain, n, y, 1, mu, xi);
    optland_chain_sums tokens = {0, 0, 0, 0}, neighbours = {0, 0, 0, 0};
    for (int64_t t = 0; t < n; t++) {
        const int64_t at = t * lanes;
        tokens.size = 0;
        optland_chain_change(lanes, c, mu + at, p + at, s + at, d + at, &tokens);
        tau = tokens.size > tau ? tokens.size : tau;
    }
    optland_chain_scatter(chain, start, n, 1, d, average->image);
    for (int64_t l = 0; chain->first && l < lanes; l++) {
        const double first = d[l], last = d[(n - 1) * lanes + l];
        ends[l] += chain->has_ends && !chain->has_ends[l] ? 0 : first;
        ends[lanes + l] += chain->has_ends && !chain->has_ends[lanes + l] ? 0 : last;
    }
    for (int64_t l = 0; l < n * lanes; l++)
        mu[l] = p[l];
    if (n > 1) {
        double *d_pairs = chain->M;
        optland_chain_change(k * lanes, c, xi, pairs, chain->A, d_pairs, &neighbours);
        for (int64_t l = 0; l < k * lanes; l++) {
            A[l] += chain->has_A && !chain->has_A[l] ? 0 : d_pairs[l];
            xi[l] = pairs[l];
        }
    }
    optland_chain_add_labelling(chain, n, y, -1, mu, xi);
    const double gap = c * (log_z - tokens.with_mu - neighbours.with_mu - dual->entropy[i]);
    const double h = log_z - tokens.with_p - neighbours.with_p;
    dual->gap[i] = gap > 0 ? gap : 0;
    dual->entropy[i] = h > 0 ? h : 0;

    if (average->wait[i]-- <= 0) {
        const double before = average->lipschitz[i];
        const double L = optland_chain_search(chain, dual, i, log_z, before, average->skips + i);
        average->lipschitz[i] = L;
        average->total += L - before;
        average->most = L > average->most ? L : average->most;
        average->wait[i] = (1 << average->skips[i]) - 1;
    }

    /* theta moves towards the image: that of columns when they are next seen. */
    double rate = 0.5 / (1 + (double)average->n * average->most) + 0.5 / (1 + average->total);
    rate = rate < 0.5 ? rate : 0.5;
    average->left += log1p(-rate);
    optland_chain_towards(k * lanes, rate, A, chain->A);
    if (chain->first) {
        optland_chain_towards(lanes, rate, ends, chain->first);
        optland_chain_towards(lanes, rate, ends + lanes, chain->last);
    }
    return c * tau * tau;
}
#endif
