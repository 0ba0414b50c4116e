// The article's example as fast as we can write it by hand: three clouds, 2-5-3, sigmoid and softmax, full-batch gradient
// descent on the summed loss, float32, one thread. benchmarks/speed.py compiles and runs it as the limit of that row:
//
//     g++ -O3 -march=native [-ffast-math] article_limit.cpp && ./a.out DATA EPOCHS BUDGET WEIGHTS
//
// DATA   : n (int32), learning rate (float32), then float32: x (2, n), T (3, n), W1 (5, 2), b1 (5), W2 (3, 5), b2 (3).
// BUDGET : seconds; the EPOCHS are run anew from the first weights until it is used up, twice at least.
// WEIGHTS: file for the last run's W1, b1, W2, b2, so that the caller can compute the loss reached.
// Prints the median over the runs of seconds an epoch.
//
// One pass over the data an epoch. A block of LANES samples goes forward and backward in registers, and adds to the 33
// sums of the gradient, each LANES wide; nothing between is stored.
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

constexpr int P = 2, H = 5, C = 3;  // features, hidden nodes, classes

#if defined(__AVX512F__)
using Lanes = __m512;
constexpr int LANES = 16;
static inline Lanes all(float v) { return _mm512_set1_ps(v); }
static inline Lanes load(const float *p) { return _mm512_loadu_ps(p); }
static inline Lanes fma(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }
static inline Lanes nearest(Lanes a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline Lanes times_power_of_two(Lanes a, Lanes n) { return _mm512_scalef_ps(a, n); }
static inline Lanes larger(Lanes a, Lanes b) { return _mm512_max_ps(a, b); }
static inline Lanes inverse_guess(Lanes a) { return _mm512_rcp14_ps(a); }
#elif defined(__AVX2__) && defined(__FMA__)
using Lanes = __m256;
constexpr int LANES = 8;
static inline Lanes all(float v) { return _mm256_set1_ps(v); }
static inline Lanes load(const float *p) { return _mm256_loadu_ps(p); }
static inline Lanes fma(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }
static inline Lanes nearest(Lanes a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline Lanes times_power_of_two(Lanes a, Lanes n) {
    n = _mm256_min_ps(_mm256_max_ps(n, all(-126.0f)), all(127.0f));
    __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return a * _mm256_castsi256_ps(exponent);
}
static inline Lanes larger(Lanes a, Lanes b) { return _mm256_max_ps(a, b); }
static inline Lanes inverse_guess(Lanes a) { return all(1.0f) / a; }  // _mm256_rcp_ps needs two Newton steps: no gain
#else
#error "this limit is written for AVX2 or AVX-512"
#endif

// e^x: x = n ln 2 + r with |r| ≤ ½ ln 2, and e^r = 1 + r + ½ r² + r³ p(r), with p fitted to an error of 4e-9 there.
static inline Lanes exponential(Lanes x) {
    Lanes n = nearest(x * all(1.44269504f));
    Lanes r = fma(n, all(-0.693147182f), x);
    r = fma(n, all(1.90465421e-9f), r);
    Lanes p = all(0.00138637821f);
    p = fma(p, r, all(0.00836748261f));
    p = fma(p, r, all(0.0416672378f));
    p = fma(p, r, all(0.16666534f));
    p = fma(p, r, all(0.5f));
    p = fma(p, r, all(1.0f));
    p = fma(p, r, all(1.0f));
    return times_power_of_two(p, n);
}

// 1 / a by a guess and one step of Newton's rule; a lies in [1, ∞) here, and where it is ∞ the caller wants 0.
static inline Lanes inverse(Lanes a) {
#if defined(__AVX512F__)
    Lanes guess = inverse_guess(a);
    return guess * fma(all(0.0f) - a, guess, all(2.0f));
#else
    return inverse_guess(a);
#endif
}

static float sum_of(Lanes a) {
    float parts[LANES], sum = 0.0f;
    std::memcpy(parts, &a, sizeof parts);
    for (float part : parts) sum += part;
    return sum;
}

struct Weights {
    float W1[H][P], b1[H], W2[C][H], b2[C];
};

struct Sums {
    Lanes W1[H][P], b1[H], W2[C][H], b2[C];
};

// One block of LANES samples forward and backward. `counts` is 1 for a sample and 0 for padding.
template <bool PADDED>
static inline __attribute__((always_inline)) void block(
    const Weights &w, const float *x0, const float *x1, const float *T, int stride, const Lanes &counts, Sums &g) {
    const Lanes a0 = load(x0), a1 = load(x1), one = all(1.0f);
    Lanes A[H], Z[C], D[C];
    for (int h = 0; h < H; h++) {
        Lanes z = fma(all(w.W1[h][1]), a1, fma(all(w.W1[h][0]), a0, all(w.b1[h])));
        z = larger(all(-80.0f), z);  // e^80 is finite, and Newton's step has no ∞ · 0
        A[h] = inverse(one + exponential(all(0.0f) - z));
    }
    for (int c = 0; c < C; c++) {
        Z[c] = all(w.b2[c]);
        for (int h = 0; h < H; h++) Z[c] = fma(all(w.W2[c][h]), A[h], Z[c]);
    }
    const Lanes top = larger(larger(Z[0], Z[1]), Z[2]);
    for (int c = 0; c < C; c++) Z[c] = exponential(Z[c] - top);
    const Lanes share = inverse(Z[0] + Z[1] + Z[2]);
    for (int c = 0; c < C; c++) {
        D[c] = fma(Z[c], share, all(0.0f) - load(T + c * stride));
        if (PADDED) D[c] = D[c] * counts;
        g.b2[c] = g.b2[c] + D[c];
        for (int h = 0; h < H; h++) g.W2[c][h] = fma(D[c], A[h], g.W2[c][h]);
    }
    for (int h = 0; h < H; h++) {
        Lanes d = all(w.W2[0][h]) * D[0];
        for (int c = 1; c < C; c++) d = fma(all(w.W2[c][h]), D[c], d);
        d = d * (A[h] - A[h] * A[h]);
        g.b1[h] = g.b1[h] + d;
        g.W1[h][0] = fma(d, a0, g.W1[h][0]);
        g.W1[h][1] = fma(d, a1, g.W1[h][1]);
    }
}

static void epoch(Weights &w, const float *x, const float *T, int n, int stride, float rate) {
    Sums g;
    std::memset(&g, 0, sizeof g);
    int i = 0;
    for (; i + LANES <= n; i += LANES) block<false>(w, x + i, x + stride + i, T + i, stride, all(1.0f), g);
    if (i < n) {
        float counts[LANES];
        for (int lane = 0; lane < LANES; lane++) counts[lane] = i + lane < n ? 1.0f : 0.0f;
        block<true>(w, x + i, x + stride + i, T + i, stride, load(counts), g);
    }
    for (int h = 0; h < H; h++) {
        w.b1[h] -= rate * sum_of(g.b1[h]);
        for (int p = 0; p < P; p++) w.W1[h][p] -= rate * sum_of(g.W1[h][p]);
    }
    for (int c = 0; c < C; c++) {
        w.b2[c] -= rate * sum_of(g.b2[c]);
        for (int h = 0; h < H; h++) w.W2[c][h] -= rate * sum_of(g.W2[c][h]);
    }
}

int main(int argc, char **argv) {
    if (argc != 5) return std::fprintf(stderr, "usage: %s DATA EPOCHS BUDGET WEIGHTS\n", argv[0]), 2;
    const int epochs = std::atoi(argv[2]);
    const double budget = std::atof(argv[3]);
    std::FILE *file = std::fopen(argv[1], "rb");
    if (!file) return std::perror(argv[1]), 2;
    int32_t n;
    float rate;
    bool whole = std::fread(&n, sizeof n, 1, file) == 1 && std::fread(&rate, sizeof rate, 1, file) == 1;
    if (!whole || n < 1) return std::fprintf(stderr, "%s is not a data file\n", argv[1]), 2;
    const int stride = (n + LANES - 1) / LANES * LANES;  // padding is 0, and counts for nothing
    std::vector<float> x(P * stride, 0.0f), T(C * stride, 0.0f);
    for (int p = 0; p < P; p++) whole &= std::fread(&x[p * stride], sizeof(float), n, file) == size_t(n);
    for (int c = 0; c < C; c++) whole &= std::fread(&T[c * stride], sizeof(float), n, file) == size_t(n);
    Weights first, w;
    whole &= std::fread(&first, sizeof first, 1, file) == 1;
    std::fclose(file);
    if (!whole) return std::fprintf(stderr, "%s ends early\n", argv[1]), 2;

    using Clock = std::chrono::steady_clock;
    std::vector<double> seconds;
    double used = 0.0;
    while (seconds.size() < 2 || used < budget) {
        w = first;
        const auto start = Clock::now();
        for (int e = 0; e < epochs; e++) epoch(w, x.data(), T.data(), n, stride, rate);
        seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count() / epochs);
        used += seconds.back() * epochs;
    }
    std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2, seconds.end());
    std::printf("%.9g\n", seconds[seconds.size() / 2]);
    file = std::fopen(argv[4], "wb");
    if (!file || std::fwrite(&w, sizeof w, 1, file) != 1) return std::perror(argv[4]), 2;
    std::fclose(file);
    return 0;
}
