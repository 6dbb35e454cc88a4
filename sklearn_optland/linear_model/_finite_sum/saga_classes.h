/* The step of SAG, SAGA and SVRG that saga_fast.pyx derives, with several scores a row.
 *
 * `groups` vectors hold the classes, a constant where there are few: then all of a row's numbers
 * stay in registers. It is in double alone: a step is bound by latency, and in float w and G stall. */
#ifndef OPTLAND_SAGA_CLASSES_H
#define OPTLAND_SAGA_CLASSES_H

#include "class_rows.h"

typedef struct {
    optland_class_rows rows;
    const double *c, *correction; /* the latter c / p, or c for SAG */
    double gamma, l1, unit;       /* unit 0: no intercept */
    int positive, frozen;         /* frozen: the table stays, SVRG */
    double *steps; /* gamma D and 1 / (1 + gamma D l2) of each column */
    optland_vector_double *columns, *bias; /* of each column w, then G; b / unit, then its G */
} optland_saga;

#define VECTOR optland_vector_double
#define MASK optland_mask_double
#define ALL_GROUPS for (int64_t g = 0; g < groups; g++)

/* One step; returns c_i |change of theta_i|^2. */
OPTLAND_INLINE double optland_saga_step(
    const optland_saga *a, int64_t groups, const MASK *live, int64_t i, VECTOR *room)
{
    VECTOR *z = room, *p = z + groups, *change = p + groups, *table = change + groups;
    VECTOR *columns = a->columns, *bias = a->bias;
    const int64_t k = a->rows.k, own = a->rows.codes[i];
    const double *x = a->rows.row, *steps = a->steps;
    const double unit = a->unit, gamma = a->gamma, c = a->frozen ? 0 : a->c[i];
    const int *index;
    const int64_t size = optland_class_row_double(&a->rows, i, &index);
    double *theta = a->rows.theta + i * k;

    ALL_GROUPS z[g] = unit * bias[g];
    optland_class_scores_double(groups, columns, 2 * groups, x, index, size, z, change);
    optland_vector_softmax_double(groups, live, z, p);

    /* the new pull is -p of other classes, and the sum of these p of the own: nothing cancels */
    VECTOR total = optland_all_double(0), moved = total;
    ALL_GROUPS {
        const MASK others = ~optland_lane_double(g * OPTLAND_WIDTH, own);
        p[g] = optland_masked_double(others, p[g]);
        total += p[g];
        change[g] = optland_all_double(0);
    }
    const double own_pull = optland_lane_sum_double(total);
    double *lane = (double *)p, *old = (double *)change;
    for (int64_t j = 0; j < k; j++)
        old[j] = theta[j];
    ALL_GROUPS {
        const MASK is_own = optland_lane_double(g * OPTLAND_WIDTH, own);
        p[g] = optland_select_double(is_own, optland_all_double(own_pull), -p[g]);
        change[g] = p[g] - change[g];
        moved += change[g] * change[g];
        table[g] = c * change[g];
        change[g] *= gamma * a->correction[i];
    }
    if (!a->frozen)
        for (int64_t j = 0; j < k; j++)
            theta[j] = lane[j];

    for (int64_t f = 0; f < size; f++) {
        const int64_t j = index ? index[f] : f;
        const double step = steps[2 * j], shrink = steps[2 * j + 1];
        VECTOR *w = columns + j * 2 * groups, *G = w + groups;
        if (a->l1 > 0 || a->positive)
            ALL_GROUPS w[g] = shrink * optland_class_prox_double(
                w[g] + x[f] * change[g] - step * G[g], step * a->l1, a->positive);
        else
            ALL_GROUPS w[g] = shrink * (w[g] + x[f] * change[g] - step * G[g]);
        ALL_GROUPS G[g] -= x[f] * table[g];
    }
    if (unit > 0)
        ALL_GROUPS {
            bias[g] += unit * change[g] - gamma * bias[groups + g];
            bias[groups + g] -= unit * table[g];
        }
    return a->c[i] * optland_lane_sum_double(moved);
}

OPTLAND_INLINE double optland_saga_steps(
    const optland_saga *a, int64_t groups, VECTOR *room, const int *order, int64_t n_steps)
{
    MASK *live = (MASK *)(room + (OPTLAND_ROW_VECTORS - 1) * groups);
    double moved = 0;
    ALL_GROUPS live[g] = optland_lanes_below_double(g * OPTLAND_WIDTH, a->rows.k);
    for (int64_t t = 0; t < n_steps; t++) {
        optland_class_fetch(&a->rows, order, t, n_steps);
        moved += optland_saga_step(a, groups, live, order[t], room);
    }
    return moved;
}

OPTLAND_CLONES
static double optland_saga_take(
    const optland_saga *a, const int *order, int64_t n_steps)
{
    VECTOR room[OPTLAND_ROW_VECTORS * OPTLAND_FEW_GROUPS];
    switch (a->rows.groups) {
    case 1: return optland_saga_steps(a, 1, room, order, n_steps);
    case 2: return optland_saga_steps(a, 2, room, order, n_steps);
    case 3: return optland_saga_steps(a, 3, room, order, n_steps);
    case 4: return optland_saga_steps(a, 4, room, order, n_steps);
    default:
        return optland_saga_steps(a, a->rows.groups, a->rows.room, order, n_steps);
    }
}

#undef VECTOR
#undef MASK
#undef ALL_GROUPS
#endif
