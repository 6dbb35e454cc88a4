/* The step in OPTLAND_REAL, float or double; sdca_classes.h includes this for each.
 *
 * `groups` vectors hold the classes, a constant where there are few: then all of a row's numbers
 * stay in registers. */

#define VECTOR OPTLAND_OF_REAL(optland_vector)
#define MASK OPTLAND_OF_REAL(optland_mask)
#define ALL_GROUPS for (int64_t g = 0; g < groups; g++)

/* z = b + w'x. */
OPTLAND_INLINE void OPTLAND_OF_REAL(optland_classes_scores)(
    const optland_classes *a, int64_t groups, const OPTLAND_REAL *x, const int *index,
    int64_t size, VECTOR *z, VECTOR *also)
{
    const VECTOR *w = a->w, *b = a->b;
    const OPTLAND_REAL threshold = (OPTLAND_REAL)a->threshold;
    ALL_GROUPS z[g] = b[g];
    if (a->is_quadratic)
        OPTLAND_OF_REAL(optland_class_scores)(groups, w, groups, x, index, size, z, also);
    else
        for (int64_t f = 0; f < size; f++) {
            const VECTOR *column = w + (index ? index[f] : f) * groups;
            ALL_GROUPS z[g] +=
                x[f] * OPTLAND_OF_REAL(optland_class_prox)(column[g], threshold, a->positive);
        }
}

/* One step; returns c_i |change of theta_i|^2. */
OPTLAND_INLINE double OPTLAND_OF_REAL(optland_classes_step)(
    const optland_classes *a, int64_t groups, const MASK *live, int64_t i, VECTOR *room)
{
    VECTOR *z = room, *old = z + groups, *s = old + groups, *p = s + groups, *m = p + groups;
    VECTOR *u = m + groups, *w = u + groups;
    const int64_t k = a->rows.k, own = a->rows.codes[i];
    const OPTLAND_REAL *x = a->rows.row, q = (OPTLAND_REAL)a->q[i], one = 1;
    const int *index;
    const int64_t size = OPTLAND_OF_REAL(optland_class_row)(&a->rows, i, &index);
    double *theta = a->rows.theta + i * k;

    OPTLAND_OF_REAL(optland_classes_scores)(a, groups, x, index, size, z, u);

    /* old probabilities of e_own - p = theta */
    OPTLAND_REAL *lane = (OPTLAND_REAL *)old;
    ALL_GROUPS old[g] = OPTLAND_OF_REAL(optland_all)(0);
    for (int64_t j = 0; j < k; j++)
        lane[j] = (OPTLAND_REAL)-theta[j];
    lane[own] = (OPTLAND_REAL)(1 - theta[own]);
    int arrives = 0;
    if (!a->delta) {
        ALL_GROUPS {
            const VECTOR held = OPTLAND_OF_REAL(optland_larger)(
                old[g], OPTLAND_OF_REAL(optland_all)(OPTLAND_LEAST));
            m[g] = z[g] + q * old[g];
            p[g] = OPTLAND_OF_REAL(optland_masked)(live[g], held);
            s[g] = OPTLAND_OF_REAL(optland_lane_log)(held);
        }
        /* a step's error is of second order, q times in the scores */
        arrives = OPTLAND_OF_REAL(optland_softmax_newton)(
            groups, live, q, (OPTLAND_REAL)a->knee[i], m, s, p, u, w, OPTLAND_MAX_NEWTON_STEPS,
            (OPTLAND_REAL)OPTLAND_COARSE, OPTLAND_OF_REAL(optland_sqrt)(one + q));
    }
    if (!arrives) {
        const OPTLAND_REAL delta = a->delta ? (OPTLAND_REAL)a->delta[i] : one / (one + q / 2);
        OPTLAND_OF_REAL(optland_vector_softmax)(groups, live, z, p);
        ALL_GROUPS p[g] = old[g] + delta * (p[g] - old[g]);
    }

    /* p becomes 0 at the own class, whose theta is the sum of the others': nothing cancels */
    VECTOR total = OPTLAND_OF_REAL(optland_all)(0), moved = total, change = total;
    ALL_GROUPS total += p[g];
    const OPTLAND_REAL unit = one / OPTLAND_OF_REAL(optland_lane_sum)(total);
    ALL_GROUPS {
        const MASK others = ~OPTLAND_OF_REAL(optland_lane)(g * OPTLAND_WIDTH, own);
        p[g] = OPTLAND_OF_REAL(optland_masked)(others, p[g] * unit);
        w[g] = OPTLAND_OF_REAL(optland_masked)(others, old[g] - p[g]);
        change += w[g];
    }
    const OPTLAND_REAL own_change = -OPTLAND_OF_REAL(optland_lane_sum)(change);
    const OPTLAND_REAL c = (OPTLAND_REAL)a->c[i], step = (OPTLAND_REAL)(a->c[i] * a->inverse_l2);
    ALL_GROUPS {
        w[g] = OPTLAND_OF_REAL(optland_select)(
            OPTLAND_OF_REAL(optland_lane)(g * OPTLAND_WIDTH, own),
            OPTLAND_OF_REAL(optland_all)(own_change), w[g]);
        moved += w[g] * w[g];
    }
    double sum = 0;
    lane = (OPTLAND_REAL *)p;
    for (int64_t j = 0; j < k; j++) {
        theta[j] = -(double)lane[j];
        sum += lane[j];
    }
    if (sum > 1) /* by rounding, where the own class has next to no probability */
        for (int64_t j = 0; j < k; j++)
            theta[j] /= sum;
    theta[own] = sum > 1 ? 1 : sum;

    VECTOR *columns = a->w, *b = a->b;
    if (a->inverse_rho > 0) {
        const OPTLAND_REAL free_step = (OPTLAND_REAL)(a->c[i] * a->inverse_rho);
        ALL_GROUPS b[g] += w[g] * free_step;
    }
    ALL_GROUPS w[g] *= step;
    for (int64_t f = 0; f < size; f++) {
        VECTOR *column = columns + (index ? index[f] : f) * groups;
        ALL_GROUPS column[g] += x[f] * w[g];
    }
    return c * OPTLAND_OF_REAL(optland_lane_sum)(moved);
}

OPTLAND_INLINE double OPTLAND_OF_REAL(optland_classes_steps)(
    const optland_classes *a, int64_t groups, VECTOR *room, const int *order, int64_t n_steps)
{
    MASK *live = (MASK *)(room + (OPTLAND_ROW_VECTORS - 1) * groups);
    double moved = 0;
    ALL_GROUPS live[g] = OPTLAND_OF_REAL(optland_lanes_below)(g * OPTLAND_WIDTH, a->rows.k);
    for (int64_t t = 0; t < n_steps; t++) {
        optland_class_fetch(&a->rows, order, t, n_steps);
        moved += OPTLAND_OF_REAL(optland_classes_step)(a, groups, live, order[t], room);
    }
    return moved;
}

OPTLAND_CLONES
static double OPTLAND_OF_REAL(optland_classes_take)(
    const optland_classes *a, const int *order, int64_t n_steps)
{
    VECTOR room[OPTLAND_ROW_VECTORS * OPTLAND_FEW_GROUPS];
    switch (a->rows.groups) {
    case 1: return OPTLAND_OF_REAL(optland_classes_steps)(a, 1, room, order, n_steps);
    case 2: return OPTLAND_OF_REAL(optland_classes_steps)(a, 2, room, order, n_steps);
    case 3: return OPTLAND_OF_REAL(optland_classes_steps)(a, 3, room, order, n_steps);
    case 4: return OPTLAND_OF_REAL(optland_classes_steps)(a, 4, room, order, n_steps);
    default: return OPTLAND_OF_REAL(optland_classes_steps)(a, a->rows.groups, a->rows.room, order, n_steps);
    }
}

#undef VECTOR
#undef MASK
#undef ALL_GROUPS
