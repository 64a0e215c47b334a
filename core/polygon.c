/* polygon.c -- how much two polygons overlap (see <hone/judgement.h>).
 *
 * A polygon is a sum of signed triangles, those of its first point with each of
 * its edges: a point inside counts once, one outside not at all. So the area that
 * two polygons share is the sum over pairs of triangles of the area that these
 * share, which a triangle clipped by another has (Sutherland & Hodgman 1974,
 * doi:10.1145/360767.360802). Exact for polygons that do not cross themselves,
 * convex or not, in time n m. */
#include <hone/judgement.h>

#include <math.h>

enum { CLIPPED = 6 }; /* corners of a triangle cut by three lines, at most */

typedef struct point {
    double x, y;
} point;

/* Twice the signed area of a, b, c: above 0 when they turn left. */
static double turn(point a, point b, point c)
{
    return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

static double polygon_area(const point *p, size_t n)
{
    double sum = 0;

    for (size_t i = 2; i < n; i++)
        sum += turn(p[0], p[i - 1], p[i]);
    return sum / 2;
}

/* What of the corners lies left of the line from a to b. */
static size_t polygon_clip(point out[CLIPPED + 1], const point *in, size_t n, point a, point b)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        point p = in[i], q = in[i + 1 < n ? i + 1 : 0];
        double at_p = turn(a, b, p), at_q = turn(a, b, q);
        if (at_p >= 0)
            out[count++] = p;
        if ((at_p > 0 && at_q < 0) || (at_p < 0 && at_q > 0)) {
            double t = at_p / (at_p - at_q);
            out[count++] = (point){ p.x + t * (q.x - p.x), p.y + t * (q.y - p.y) };
        }
    }
    return count;
}

/* The area that two triangles share; each turns left. */
static double polygon_shared(const point s[3], const point t[3])
{
    point rooms[2][CLIPPED + 1] = { { s[0], s[1], s[2] } };
    size_t n = 3;
    int now = 0;

    for (int i = 0; i < 3 && n > 2; i++, now = !now)
        n = polygon_clip(rooms[!now], rooms[now], n, t[i], t[(i + 1) % 3]);
    return n > 2 ? fabs(polygon_area(rooms[now], n)) : 0;
}

/* Triangle i of a polygon, turned left; returns its sign, 0 of an empty one. */
static int polygon_triangle(point t[3], const point *p, size_t i)
{
    double area = turn(p[0], p[i - 1], p[i]);

    t[0] = p[0];
    t[1] = area > 0 ? p[i - 1] : p[i];
    t[2] = area > 0 ? p[i] : p[i - 1];
    return area > 0 ? 1 : area < 0 ? -1 : 0;
}

double hone_polygon_iou(const double *a, size_t a_count, const double *b, size_t b_count)
{
    const point *p = (const point *)a, *q = (const point *)b;
    double of_a = fabs(polygon_area(p, a_count)), of_b = fabs(polygon_area(q, b_count));
    double common = 0;
    point s[3], t[3];

    if (!(of_a > 0) || !(of_b > 0))
        return 0;
    for (size_t i = 2; i < a_count; i++) {
        int sign = polygon_triangle(s, p, i);
        for (size_t k = 2; sign && k < b_count; k++) {
            int other = polygon_triangle(t, q, k);
            if (other)
                common += sign * other * polygon_shared(s, t);
        }
    }
    /* One may turn right: then every sign of its triangles is turned. */
    common = fabs(common);
    return fmax(0, fmin(1, common / (of_a + of_b - common)));
}

bool hone_polygon_crossing(const double *points, size_t count, size_t *first, size_t *second)
{
    const point *p = (const point *)points;

    for (size_t i = 0; i + 2 < count; i++) {
        point a = p[i], b = p[i + 1];
        for (size_t k = i + 2; k < count; k++) {
            point c = p[k], d = p[k + 1 < count ? k + 1 : 0];
            if (turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0) {
                *first = i;
                *second = k;
                return true;
            }
        }
    }
    return false;
}
