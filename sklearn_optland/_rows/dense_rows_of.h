/* Products with a block of rows of OPTLAND_REAL, float or double; dense_rows.h includes this for each.
 * All arithmetic is in double. */

/* z += X w: short rows four at a time, longer ones in lanes. */
OPTLAND_CLONES
static void OPTLAND_OF_REAL(optland_forward)(
    int64_t n, int64_t d, const OPTLAND_REAL *x, const double *w, double *z)
{
    int64_t i = 0;
    for (; d < 2 * OPTLAND_LANES && i + 4 <= n; i += 4) {
        const OPTLAND_REAL *x0 = x + i * d, *x1 = x0 + d, *x2 = x1 + d, *x3 = x2 + d;
        double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (int64_t j = 0; j < d; j++) {
            s0 += x0[j] * w[j];
            s1 += x1[j] * w[j];
            s2 += x2[j] * w[j];
            s3 += x3[j] * w[j];
        }
        z[i] += s0;
        z[i + 1] += s1;
        z[i + 2] += s2;
        z[i + 3] += s3;
    }
    for (; i < n; i++) {
        const OPTLAND_REAL *row = x + i * d;
        double lane[OPTLAND_LANES] = {0}, rest = 0;
        int64_t j = 0;
        for (; j + OPTLAND_LANES <= d; j += OPTLAND_LANES)
            for (int e = 0; e < OPTLAND_LANES; e++)
                lane[e] += row[j + e] * w[j + e];
        for (; j < d; j++)
            rest += row[j] * w[j];
        z[i] += optland_sum_lanes(lane) + rest;
    }
}

/* g += X'r, four rows at a time. */
OPTLAND_CLONES
static void OPTLAND_OF_REAL(optland_backward)(
    int64_t n, int64_t d, const OPTLAND_REAL *x, const double *r, double *restrict g)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const OPTLAND_REAL *x0 = x + i * d, *x1 = x0 + d, *x2 = x1 + d, *x3 = x2 + d;
        double r0 = r[i], r1 = r[i + 1], r2 = r[i + 2], r3 = r[i + 3];
        for (int64_t j = 0; j < d; j++)
            g[j] += (r0 * x0[j] + r1 * x1[j]) + (r2 * x2[j] + r3 * x3[j]);
    }
    for (; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            g[j] += r[i] * x[i * d + j];
}

/* out_j += sum_i c_i x_ij^2 */
OPTLAND_CLONES
static void OPTLAND_OF_REAL(optland_column_squares)(
    int64_t n, int64_t d, const OPTLAND_REAL *x, const double *c, double *restrict out)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++) {
            double value = x[i * d + j];
            out[j] += c[i] * value * value;
        }
}

/* out_i = sum_j w_j x_ij^2 */
OPTLAND_CLONES
static void OPTLAND_OF_REAL(optland_row_squares)(
    int64_t n, int64_t d, const OPTLAND_REAL *x, const double *w, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        const OPTLAND_REAL *row = x + i * d;
        double lane[OPTLAND_LANES] = {0}, rest = 0;
        int64_t j = 0;
        for (; j + OPTLAND_LANES <= d; j += OPTLAND_LANES)
            for (int e = 0; e < OPTLAND_LANES; e++) {
                double value = row[j + e];
                lane[e] += w[j + e] * value * value;
            }
        for (; j < d; j++)
            rest += w[j] * (double)row[j] * row[j];
        out[i] = optland_sum_lanes(lane) + rest;
    }
}

/* Lower triangle of C (rows ldc apart) += X' diag(h) X. `plain` and `weighted` are panels of
 * OPTLAND_GRAM_ROWS rows, zero beyond column d. */
OPTLAND_CLONES
static void OPTLAND_OF_REAL(optland_gram)(
    int64_t n, int64_t d, const OPTLAND_REAL *x, const double *h, double *c, int64_t ldc,
    double *restrict plain, double *restrict weighted)
{
    const int64_t stride = optland_panel_stride(d);
    double tile[64];
    for (int64_t first = 0; first < n; first += OPTLAND_GRAM_ROWS) {
        int64_t m = n - first < OPTLAND_GRAM_ROWS ? n - first : OPTLAND_GRAM_ROWS;
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < d; j++) {
                plain[i * stride + j] = x[(first + i) * d + j];
                weighted[i * stride + j] = h[first + i] * x[(first + i) * d + j];
            }
        for (int64_t a = 0; a < d; a += 8)
            for (int64_t b = 0; b <= a; b += 8) {
                optland_gram_tile(m, stride, weighted + a, plain + b, tile);
                for (int64_t p = a; p < (a + 8 < d ? a + 8 : d); p++)
                    for (int64_t q = b; q < (b + 8 < p + 1 ? b + 8 : p + 1); q++)
                        c[p * ldc + q] += tile[(p - a) * 8 + q - b];
            }
    }
}
