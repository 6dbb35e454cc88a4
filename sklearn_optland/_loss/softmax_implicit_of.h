/* Newton's method for the implicit step, on vectors of OPTLAND_REAL, float or double;
 * softmax_implicit.h includes this for each. */

#define VECTOR OPTLAND_OF_REAL(optland_vector)
#define MASK OPTLAND_OF_REAL(optland_mask)

/* p = softmax(z); lanes that are not `live` become 0. */
OPTLAND_INLINE void OPTLAND_OF_REAL(optland_vector_softmax)(
    int64_t groups, const MASK *live, const VECTOR *z, VECTOR *p)
{
    VECTOR top = OPTLAND_OF_REAL(optland_all)(-INFINITY), total = {0};
    for (int64_t g = 0; g < groups; g++)
        top = OPTLAND_OF_REAL(optland_larger)(
            top, OPTLAND_OF_REAL(optland_select)(
                     live[g], z[g], OPTLAND_OF_REAL(optland_all)(-INFINITY)));
    const OPTLAND_REAL largest = OPTLAND_OF_REAL(optland_lane_max)(top);
    for (int64_t g = 0; g < groups; g++) {
        p[g] = OPTLAND_OF_REAL(optland_masked)(
            live[g], OPTLAND_OF_REAL(optland_lane_exp)(z[g] - largest));
        total += p[g];
    }
    const OPTLAND_REAL inverse = 1 / OPTLAND_OF_REAL(optland_lane_sum)(total);
    for (int64_t g = 0; g < groups; g++)
        p[g] *= inverse;
}

/* The probabilities p = softmax(z + q (old - p)), in logarithms s. With m = z + q old that is
 *
 *     s_j + q exp(s_j) = m_j - t,   for the t that makes the sum of p 1:
 *
 * Newton on s and t together, whose matrix is an arrow. In: m, and s and p = exp(s) to start from,
 * p = 0 in lanes that are not `live`. Out: s and p, whose sum is 1 to about `coarse`. u and w are
 * scratch. Returns 0 if it does not arrive.
 *
 * An equation is all but straight where q p < 1: up to there s may go in one step, and by a factor
 * of exp(3) beyond; `knee` is -log(1 + q). `coarse` is the step, times `magnified`, that ends the
 * search. */
OPTLAND_INLINE int OPTLAND_OF_REAL(optland_softmax_newton)(
    int64_t groups, const MASK *live, OPTLAND_REAL q, OPTLAND_REAL knee, const VECTOR *m,
    VECTOR *s, VECTOR *p, VECTOR *u, VECTOR *w, int max_steps, OPTLAND_REAL coarse,
    OPTLAND_REAL magnified)
{
    const OPTLAND_REAL one = 1, longest_step = 3, limit = longest_step * (one + q);
    /* probabilities too small to hold up the search */
    const VECTOR corner = OPTLAND_OF_REAL(optland_all)((OPTLAND_REAL)1e-9);
    const VECTOR knees = OPTLAND_OF_REAL(optland_all)(knee);
    VECTOR residual = {0};
    for (int64_t g = 0; g < groups; g++)
        residual += p[g] * (m[g] - s[g] - q * p[g]);
    OPTLAND_REAL t = OPTLAND_OF_REAL(optland_lane_sum)(residual);
    for (int step = 0; step < max_steps; step++) {
        VECTOR totals = {0}, weights = {0}, moves = {0}, longest = {0};
        for (int64_t g = 0; g < groups; g++) {
            w[g] = one / (one + q * p[g]);
            u[g] = (m[g] - s[g] - q * p[g] - t) * w[g];
            totals += p[g];
            weights += p[g] * w[g];
            moves += p[g] * u[g];
        }
        const OPTLAND_REAL excess = OPTLAND_OF_REAL(optland_lane_sum)(totals) - one;
        OPTLAND_REAL change = (excess + OPTLAND_OF_REAL(optland_lane_sum)(moves))
            / OPTLAND_OF_REAL(optland_lane_sum)(weights);
        change = change > limit ? limit : change < -limit ? -limit : change;
        t += change;
        for (int64_t g = 0; g < groups; g++) {
            const VECTOR ceiling =
                OPTLAND_OF_REAL(optland_larger)(s[g], knees) + longest_step;
            const VECTOR next =
                OPTLAND_OF_REAL(optland_smaller)(s[g] + u[g] - change * w[g], ceiling);
            const VECTOR size = OPTLAND_OF_REAL(optland_lane_size)(next - s[g]), before = p[g];
            s[g] = next;
            p[g] = OPTLAND_OF_REAL(optland_masked)(
                live[g], OPTLAND_OF_REAL(optland_lane_exp)(next));
            longest = OPTLAND_OF_REAL(optland_larger)(
                longest,
                OPTLAND_OF_REAL(optland_masked)(
                    OPTLAND_OF_REAL(optland_above)(
                        OPTLAND_OF_REAL(optland_larger)(before, p[g]), corner),
                    size));
        }
        /* the sum of p must not undo the steps */
        const OPTLAND_REAL left = (excess < 0 ? -excess : excess) * (one + q);
        const OPTLAND_REAL far = OPTLAND_OF_REAL(optland_lane_max)(longest) * magnified;
        if ((far > left ? far : left) <= coarse)
            return 1;
    }
    return 0;
}

#undef VECTOR
#undef MASK
