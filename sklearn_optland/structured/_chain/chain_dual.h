/* The step of dual coordinate ascent, which chain_fast.pyx derives, and the Gram matrices for it. */
#ifndef OPTLAND_CHAIN_DUAL_H
#define OPTLAND_CHAIN_DUAL_H

#include "chain_rows.h"

/* Marginals as they are kept, less those of the sequences' own labellings: small numbers, where most
 * tokens are certain, so that float32 rounds them by little. One of the two is NULL. */
typedef struct {
    double *in64;
    float *in32;
} optland_marginals;

/* The duals of sequences, and what their steps need. */
typedef struct {
    const double *c;          /* weights */
    optland_marginals mu, xi; /* of tokens; of pairs, summed over a sequence */
    const int64_t *pairs;     /* the number of a sequence's block in xi; -1: a single token */
    double *entropy;          /* at most that of the dual's distribution */
    double *rounding;         /* how far the image of its marginals, without c, can be from that of
                               * those that are kept */
    double *gap;              /* c times the divergence at the last visit; infinity before the first */
    const float *gram;        /* lower triangles of the tokens' inner products, by rows */
    const int64_t *grams;     /* where that of a sequence begins; -1: none */
    double *buffer;           /* W's shape, zero: of sequences without a Gram matrix */
} optland_chain_dual;

/* out = entries of marginals from `at` on. */
OPTLAND_INLINE void optland_marginals_read(
    optland_marginals kept, int64_t at, int64_t n, double *restrict out)
{
    if (kept.in64)
        for (int64_t l = 0; l < n; l++)
            out[l] = kept.in64[at + l];
    else
        for (int64_t l = 0; l < n; l++)
            out[l] = kept.in32[at + l];
}

/* Move whole octets by g (p - mu). `d` becomes -c times the move, rounding included: parameters that
 * take the step d stay the image of what is kept. Returns the norm of what rounding has changed. */
OPTLAND_INLINE double optland_marginals_move(
    optland_marginals kept, int64_t at, int64_t n, double g, double c, const double *mu,
    const double *p, double *restrict d)
{
    double square[8] = {0};
    if (kept.in64)
        for (int64_t l = 0; l < n; l++) {
            const double before = kept.in64[at + l];
            kept.in64[at + l] = before + g * (p[l] - mu[l]);
            d[l] = c * (before - kept.in64[at + l]);
        }
    else
        for (int64_t l = 0; l < n; l += OPTLAND_OCTET)
            for (int j = 0; j < OPTLAND_OCTET; j++) {
                const double before = kept.in32[at + l + j];
                const double exact = before + g * (p[l + j] - mu[l + j]);
                const float now = (float)exact;
                const double rest = now - exact;
                square[j] += rest * rest;
                kept.in32[at + l + j] = now;
                d[l + j] = c * (before - now);
            }
    return sqrt(optland_octet_sum(square));
}

/* Add the labelling y of n tokens to mu, and its pairs to xi. */
OPTLAND_INLINE void optland_chain_add_labelling(
    const optland_chain *c, int64_t n, const int *y, double share, double *mu, double *xi)
{
    for (int64_t t = 0; t < n; t++)
        mu[t * c->lanes + y[t]] += share;
    for (int64_t t = 1; t < n; t++)
        xi[y[t - 1] * c->lanes + y[t]] += share;
}

/* The lower triangle, by rows, of the Gram matrix of a sequence's tokens, to which the parameters of
 * both ends belong. `scratch` has an entry for each column, zero before and after. */
static inline void optland_chain_gram(
    const optland_chain *c, int64_t i, int has_ends, double *scratch, float *gram)
{
    const int64_t start = c->starts[i], n = c->starts[i + 1] - start;
    int64_t begin, end;
    for (int64_t t = 0; t < n; gram += ++t) {
        optland_chain_row(c, start + t, &begin, &end);
        for (int64_t p = begin; p < end; p++)
            scratch[optland_chain_column(c, begin, p)] = optland_chain_value(c, p);
        for (int64_t u = 0; u <= t; u++) {
            double sum = 0;
            optland_chain_row(c, start + u, &begin, &end);
            for (int64_t p = begin; p < end; p++)
                sum += optland_chain_value(c, p) * scratch[optland_chain_column(c, begin, p)];
            if (has_ends && u == t)
                sum += (t == 0) + (t == n - 1);
            gram[u] = (float)sum;
        }
        optland_chain_row(c, start + t, &begin, &end);
        for (int64_t p = begin; p < end; p++)
            scratch[optland_chain_column(c, begin, p)] = 0;
    }
}

/* |X'd|^2 by way of a buffer of W's shape, which is zero before and after. */
OPTLAND_INLINE double optland_chain_square(
    const optland_chain *c, int64_t first, int64_t n, const double *d, double *buffer)
{
    const int64_t lanes = c->lanes;
    int64_t begin, end;
    double square = 0;
    optland_chain_scatter(c, first, n, 1, d, buffer);
    for (int64_t t = 0; t < n; t++) {
        optland_chain_row(c, first + t, &begin, &end);
        for (int64_t p = begin; p < end; p++) {
            double *sum = buffer + optland_chain_column(c, begin, p) * lanes;
            square += optland_octet_dot(lanes, sum, sum);
            for (int64_t l = 0; l < lanes; l++)
                sum[l] = 0;
        }
    }
    return square;
}

/* |X'd|^2 by way of the Gram matrix of the tokens. */
OPTLAND_INLINE double optland_chain_square_by_gram(
    const optland_chain *c, int64_t n, const double *d, const float *gram)
{
    const int64_t lanes = c->lanes;
    double square = 0;
    for (int64_t t = 0; t < n; gram += ++t) {
        for (int64_t u = 0; u < t; u++)
            c->line[u] = 2.0 * gram[u];
        c->line[t] = gram[t];
        optland_product(t + 1, lanes, c->line, d, c->rows);
        square += optland_octet_dot(lanes, c->rows, d + t * lanes);
    }
    return square;
}

/* Maximise c H(g) - g linear - g^2 square / 2 over g in (0, 1], for the entropy of the mixture
 * (1 - g) point mass + g p, exactly
 *     H(g) = -q log q - g b log g + g (h + p_y log p_y),   b = 1 - p_y,   q = 1 - g b.
 * Starts at g; returns the best found, and its entropy. */
static inline double optland_chain_first_step(
    double c, double log_py, double h, double linear, double square, double g, double *entropy)
{
    const double b = -expm1(log_py), flat = h + exp(log_py) * log_py;
    double best = -1, best_value = -INFINITY;
    for (int step = 0; step < 5; step++) {
        const double q = 1 - g * b, log_q = log1p(-g * b), log_g = log(g);
        const double H = -q * log_q - g * b * log_g + g * flat;
        const double value = c * H - g * linear - 0.5 * g * g * square;
        if (value > best_value) {
            best_value = value;
            best = g;
            *entropy = H;
        }
        const double slope = c * (b * (log_q - log_g) + flat) - linear - g * square;
        const double curvature = -c * (b * b / q + b / g) - square;
        double next = g - slope / curvature;
        next = next > 0.1 * g ? next : 0.1 * g;
        next = next < 1 ? next : 1;
        if (!(next > 0) || next == g)
            break;
        g = next;
    }
    return best;
}

/* How far, at most, tokens' marginals move parameters by changes of the norms `rest`:
 * |X'd|^2 = sum G_tu d_t'd_u <= sum |G_tu| |d_t| |d_u|; without a Gram matrix G, |G_tu| <= |x_t| |x_u|. */
OPTLAND_INLINE double optland_chain_reach(
    const optland_chain *c, const optland_chain_dual *dual, int64_t i, const double *rest)
{
    const int64_t start = c->starts[i], n = c->starts[i + 1] - start;
    double square = 0, sum = 0;
    if (dual->grams[i] >= 0) {
        const float *gram = dual->gram + dual->grams[i];
        for (int64_t t = 0; t < n; gram += ++t) {
            double row = gram[t] * rest[t];
            for (int64_t u = 0; u < t; u++)
                row += 2 * fabs(gram[u]) * rest[u];
            square += row * rest[t];
        }
        return sqrt(square);
    }
    for (int64_t t = 0; t < n; t++) {
        int64_t begin, end;
        double norm = c->first ? 2 : 0;
        optland_chain_row(c, start + t, &begin, &end);
        for (int64_t p = begin; p < end; p++)
            norm += optland_chain_value(c, p) * optland_chain_value(c, p);
        sum += sqrt(norm) * rest[t];
    }
    return sum;
}

typedef struct {
    double size, square, with_p, with_mu;
} optland_chain_sums;

/* d = c (mu - p) of whole octets; adds |mu - p|, d'd, s'p and s'mu to the sums. */
OPTLAND_INLINE void optland_chain_change(
    int64_t n, double c, const double *mu, const double *p, const double *s, double *restrict d,
    optland_chain_sums *sums)
{
    double size[8] = {0}, square[8] = {0}, with_p[8] = {0}, with_mu[8] = {0};
    for (int64_t l = 0; l < n; l += OPTLAND_OCTET)
        for (int j = 0; j < OPTLAND_OCTET; j++) {
            const double change = mu[l + j] - p[l + j];
            const double step = c * change;
            d[l + j] = step;
            size[j] += change < 0 ? -change : change;
            square[j] += step * step;
            with_p[j] += s[l + j] * p[l + j];
            with_mu[j] += s[l + j] * mu[l + j];
        }
    sums->size += optland_octet_sum(size);
    sums->square += optland_octet_sum(square);
    sums->with_p += optland_octet_sum(with_p);
    sums->with_mu += optland_octet_sum(with_mu);
}

/* One step of dual ascent, for sequence i, as chain_fast.pyx has it; returns c tau^2. */
OPTLAND_CLONES
static double optland_chain_visit(const optland_chain *chain, const optland_chain_dual *dual, int64_t i)
{
    const int64_t k = chain->k, lanes = chain->lanes;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    const double c = dual->c[i];
    double *s = chain->s, *p = chain->p, *pairs = chain->pairs;
    const int is_first = dual->gap[i] == INFINITY;
    double most = 0;
    int exponentials = 1;

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

    /* Scratch of the recursions has mu and xi now. d = c (mu - p) in place of b, for pairs in place
     * of M; tau is the largest |mu_t - p_t|_1. */
    double *mu = chain->e, *xi = chain->transposed, *d = chain->b, *d_pairs = chain->M;
    const int64_t place = n > 1 ? dual->pairs[i] * k * lanes : 0;
    optland_marginals_read(dual->mu, start * lanes, n * lanes, mu);
    if (n > 1)
        optland_marginals_read(dual->xi, place, k * lanes, xi);
    optland_chain_add_labelling(chain, n, chain->codes + start, 1, mu, xi);
    double tau = 0;
    optland_chain_sums tokens = {0, 0, 0, 0}, neighbours = {0, 0, 0, 0};
    for (int64_t t = 0; t < n; t++) {
        const int64_t at = t * lanes;
        tokens.size = 0;
        optland_chain_change(lanes, c, mu + at, p + at, s + at, d + at, &tokens);
        tau = tokens.size > tau ? tokens.size : tau;
    }
    if (n > 1)
        optland_chain_change(k * lanes, c, xi, pairs, chain->A, d_pairs, &neighbours);
    double square = neighbours.square;
    if (dual->grams[i] >= 0)
        square += optland_chain_square_by_gram(chain, n, d, dual->gram + dual->grams[i]);
    else
        square += optland_chain_square(chain, start, n, d, dual->buffer);
    if (chain->first && dual->grams[i] < 0)
        square += optland_octet_dot(lanes, d, d)
            + optland_octet_dot(lanes, d + (n - 1) * lanes, d + (n - 1) * lanes);

    const double with_p = tokens.with_p + neighbours.with_p;
    const double with_mu = tokens.with_mu + neighbours.with_mu;
    const double h = log_z - with_p;
    double gap = c * (log_z - with_mu - dual->entropy[i]);
    gap = gap > 0 ? gap : 0;
    const double extra = c * tau * tau;
    double g = 0;
    if (gap > 0 && square + extra > 0)
        g = gap + 0.5 * extra < square + extra ? (gap + 0.5 * extra) / (square + extra) : 1;
    if (is_first && g > 0)
        g = optland_chain_first_step(
            c, with_mu - log_z, h, c * (with_mu - with_p), square, g, dual->entropy + i);
    else
        dual->entropy[i] += g * (h - dual->entropy[i]) + 0.5 * g * (1 - g) * tau * tau;
    dual->gap[i] = gap;
    if (g == 0)
        return extra;

    /* mu and xi go g of the way to p and pairs, and parameters with them. */
    double rounding = 0, *rest = chain->q;
    for (int64_t t = 0; t < n; t++) {
        const int64_t at = t * lanes;
        rest[t] = optland_marginals_move(
            dual->mu, start * lanes + at, lanes, g, c, mu + at, p + at, d + at);
    }
    if (dual->mu.in32)
        rounding = optland_chain_reach(chain, dual, i, rest);
    optland_chain_scatter(chain, start, n, 1, d, chain->W);
    if (n > 1) {
        const double pair_rest
            = optland_marginals_move(dual->xi, place, k * lanes, g, c, xi, pairs, d_pairs);
        rounding = sqrt(rounding * rounding + pair_rest * pair_rest);
        for (int64_t l = 0; l < k * lanes; l++)
            chain->A[l] += chain->has_A && !chain->has_A[l] ? 0 : d_pairs[l];
    }
    if (chain->first)
        for (int64_t l = 0; l < lanes; l++) {
            const int64_t end = (n - 1) * lanes + l;
            chain->first[l] += chain->has_ends && !chain->has_ends[l] ? 0 : d[l];
            chain->last[l] += chain->has_ends && !chain->has_ends[lanes + l] ? 0 : d[end];
        }
    dual->rounding[i] = (1 - g) * dual->rounding[i] + rounding;
    return extra;
}
#endif
