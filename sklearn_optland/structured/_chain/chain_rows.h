/* What is asked of one sequence, whose tokens are rows of a matrix: its best labelling, draws, the
 * loss and its gradient, marginals.
 *
 * `most` is what optland_chain_prepare has returned for the parameters.
 */
#ifndef OPTLAND_CHAIN_ROWS_H
#define OPTLAND_CHAIN_ROWS_H

#include "chain.h"

OPTLAND_INLINE double optland_chain_value(const optland_chain *c, int64_t p)
{
    return c->values64 ? c->values64[p] : c->values32[p];
}

OPTLAND_INLINE void optland_chain_row(
    const optland_chain *c, int64_t token, int64_t *begin, int64_t *end)
{
    *begin = c->indptr ? c->indptr[token] : token * c->n_columns;
    *end = c->indptr ? c->indptr[token + 1] : *begin + c->n_columns;
}

/* The column of entry p of a row that begins at `begin`. */
OPTLAND_INLINE int64_t optland_chain_column(const optland_chain *c, int64_t begin, int64_t p)
{
    return c->indices ? c->indices[p] : p - begin;
}

OPTLAND_INLINE const double *optland_chain_weights(const optland_chain *c, int64_t column)
{
    return column == c->n_columns - 1 ? c->last_row : c->W + column * c->stride;
}

#define OPTLAND_CHAIN_AHEAD 16 /* entries whose rows of W are fetched before their turn */

/* s = X W of a sequence, and the scores of its ends. */
OPTLAND_INLINE void optland_chain_scores(const optland_chain *c, int64_t first, int64_t n, double *s)
{
    const int64_t lanes = c->lanes;
    int64_t begin, end, last, unused;
    optland_chain_row(c, first + n - 1, &unused, &last);
    for (int64_t t = 0; t < n; t++) {
        optland_chain_row(c, first + t, &begin, &end);
        for (int64_t l = 0; l < lanes; l += 24) {
            double s0[8] = {0}, s1[8] = {0}, s2[8] = {0};
            const int64_t width = lanes - l;
            for (int64_t p = begin; p < end; p++) {
                const double x = optland_chain_value(c, p);
                const double *w = optland_chain_weights(c, optland_chain_column(c, begin, p)) + l;
                if (c->indices && p + OPTLAND_CHAIN_AHEAD < last) {
                    const double *next = c->W + c->indices[p + OPTLAND_CHAIN_AHEAD] * c->stride + l;
                    OPTLAND_PREFETCH(next);
                    OPTLAND_PREFETCH(next + 8);
                    OPTLAND_PREFETCH(next + 16);
                }
                if (width >= 24)
                    for (int j = 0; j < 8; j++) {
                        s0[j] += x * w[j];
                        s1[j] += x * w[8 + j];
                        s2[j] += x * w[16 + j];
                    }
                else if (width == 16)
                    for (int j = 0; j < 8; j++) {
                        s0[j] += x * w[j];
                        s1[j] += x * w[8 + j];
                    }
                else
                    for (int j = 0; j < 8; j++)
                        s0[j] += x * w[j];
            }
            double *out = s + t * lanes + l;
            for (int j = 0; j < 8; j++)
                out[j] = s0[j];
            if (width >= 16)
                for (int j = 0; j < 8; j++)
                    out[8 + j] = s1[j];
            if (width >= 24)
                for (int j = 0; j < 8; j++)
                    out[16 + j] = s2[j];
        }
        for (int64_t l = lanes - OPTLAND_OCTET; l < lanes; l++)
            s[t * lanes + l] = c->live[l] > 0 ? s[t * lanes + l] : 0;
    }
    if (c->first)
        for (int64_t l = 0; l < lanes; l++) {
            s[l] += c->first[l];
            s[(n - 1) * lanes + l] += c->last[l];
        }
}

/* target += scale X'd of a sequence; entries of W without a parameter stay 0. */
OPTLAND_INLINE void optland_chain_scatter(
    const optland_chain *c, int64_t first, int64_t n, double scale, const double *d,
    double *target)
{
    const int64_t lanes = c->lanes;
    int64_t begin, end;
    for (int64_t t = 0; t < n; t++) {
        const double *row = d + t * lanes;
        optland_chain_row(c, first + t, &begin, &end);
        for (int64_t p = begin; p < end; p++) {
            const double x = scale * optland_chain_value(c, p);
            const int64_t at = optland_chain_column(c, begin, p) * lanes;
            double *restrict w = target + at;
            if (c->has_W)
                for (int64_t l = 0; l < lanes; l++)
                    w[l] += x * row[l] * c->has_W[at + l];
            else
                for (int64_t l = 0; l < lanes; l += OPTLAND_OCTET)
                    for (int j = 0; j < OPTLAND_OCTET; j++)
                        w[l + j] += x * row[l + j];
        }
    }
}

/* The best labelling of one sequence. */
OPTLAND_CLONES
static void optland_chain_decode(const optland_chain *chain, int64_t i, const double *A, int *path)
{
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    optland_chain_scores(chain, start, n, chain->s);
    optland_chain_best_path(n, chain->k, chain->lanes, A, chain->s, path);
}

/* Draw labellings of one sequence: the last label by its message, then each one before it given the
 * next. `uniform` has n numbers in [0, 1) for each of the draws, whose labels are n_tokens apart. */
static inline void optland_chain_draw(
    const optland_chain *chain, int64_t i, int64_t n_draws, int64_t n_tokens,
    const double *uniform, int *labels)
{
    const int64_t k = chain->k, lanes = chain->lanes;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    optland_chain_scores(chain, start, n, chain->s);
    optland_chain_messages(chain, n, chain->s);
    for (int64_t draw = 0; draw < n_draws; draw++, labels += n_tokens)
        for (int64_t t = n - 1; t >= 0; t--) {
            const double *message = chain->a + t * lanes;
            double top = -INFINITY, total = 0, left;
            for (int64_t l = 0; l < k; l++) {
                const double step = t < n - 1 ? chain->A[l * lanes + labels[t + 1]] : 0;
                chain->line[l] = message[l] + step;
                top = chain->line[l] > top ? chain->line[l] : top;
            }
            for (int64_t l = 0; l < k; l++)
                total += chain->line[l] = exp(chain->line[l] - top);
            left = total * *uniform++;
            int label = 0;
            while (label < k - 1 && left >= chain->line[label])
                left -= chain->line[label++];
            labels[t] = label;
        }
}

/* Add c times the gradient of one sequence's loss to G, in rows of lanes as theta is: those of the
 * columns, of the labels and of both ends; returns c times the loss. */
OPTLAND_CLONES
static double optland_chain_gradient(
    const optland_chain *chain, int64_t i, double c, double most, double *G)
{
    const int64_t k = chain->k, lanes = chain->lanes, d = chain->n_columns;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    const int *y = chain->codes + start;
    optland_chain_scores(chain, start, n, chain->s);
    const double score = optland_chain_score(chain, n, chain->s, y);
    const double log_z = most == most ? optland_chain_both(chain, n, chain->s, most)
                                      : optland_chain_logarithms(chain, n, chain->s);
    double *p = chain->p, *A = G + d * lanes, *ends = A + k * lanes;
    for (int64_t t = 0; t < n; t++)
        p[t * lanes + y[t]] -= 1;
    optland_chain_scatter(chain, start, n, c, p, G);
    for (int64_t l = 0; n > 1 && l < k * lanes; l++)
        A[l] += c * chain->pairs[l];
    for (int64_t t = 1; t < n; t++)
        A[y[t - 1] * lanes + y[t]] -= c;
    for (int64_t l = 0; chain->first && l < lanes; l++) {
        ends[l] += c * p[l];
        ends[lanes + l] += c * p[(n - 1) * lanes + l];
    }
    return c * (log_z - score);
}

/* The marginals of one sequence, and the entropy of its labellings' distribution; `pairs` is NULL
 * or takes their sums. Returns log Z. */
OPTLAND_CLONES
static double optland_chain_distribution(
    const optland_chain *chain, int64_t i, double most, double *p, double *pairs, double *entropy)
{
    const int64_t k = chain->k, lanes = chain->lanes;
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    optland_chain_scores(chain, start, n, chain->s);
    const double log_z = most == most ? optland_chain_both(chain, n, chain->s, most)
                                      : optland_chain_logarithms(chain, n, chain->s);
    double h = log_z - optland_octet_dot(n * lanes, chain->s, chain->p);
    for (int64_t l = 0; l < n * lanes; l++)
        p[l] = chain->p[l];
    if (n > 1) {
        h -= optland_octet_dot(k * lanes, chain->A, chain->pairs);
        for (int64_t l = 0; pairs && l < k * lanes; l++)
            pairs[l] = chain->pairs[l];
    } else
        for (int64_t l = 0; pairs && l < k * lanes; l++)
            pairs[l] = 0;
    *entropy = h > 0 ? h : 0;
    return log_z;
}

/* The loss of one sequence, by the forward recursion alone. */
OPTLAND_CLONES
static double optland_chain_loss(const optland_chain *chain, int64_t i, double most)
{
    const int64_t start = chain->starts[i], n = chain->starts[i + 1] - start;
    optland_chain_scores(chain, start, n, chain->s);
    const double score = optland_chain_score(chain, n, chain->s, chain->codes + start);
    return (most == most ? optland_chain_forward(chain, n, chain->s, most)
                         : optland_chain_messages(chain, n, chain->s)) - score;
}
#endif
