/* loss.h -- from hidden states to losses: [tokens, vocab] never exists whole.
 *
 * A head is a parameter [vocab, d_model] seen through scale and soft cap. The
 * functions work on chunks of rows; backward computes a chunk's logits again
 * or, in cross-entropy, forward already has. */
#ifndef HONE_LOSS_H
#define HONE_LOSS_H

#include <hone/batch.h>

typedef struct hone_head {
    hone_param *param; /* [vocab, d_model]; adapters apply */
    double scale;      /* logits are divided by this (a temperature); 0: 1 */
    double soft_cap;   /* cap * tanh(logits / cap), before scale; 0: none */
} hone_head;

/* hidden [n, d_model] to logits [n, vocab]: for small n. */
HONE_API hone_tensor *hone_head_logits(hone_graph *g, hone_tensor *hidden, const hone_head *head);

/* Scalar: the sum of weights[i] * -log p(targets[i]), nats; weights NULL: all
 * 1. nll, when not NULL, receives each token's unweighted -log p, [n], without
 * gradient. A target outside the vocabulary is an error. */
HONE_API hone_tensor *hone_head_cross_entropy(hone_graph *g, hone_tensor *hidden,
                                              const hone_head *head, const int32_t *targets,
                                              const float *weights, hone_tensor **nll);

/* log p(targets[i]) in nats, [n], differentiable; entropy, when not NULL,
 * receives the entropy of each row's distribution, [n], differentiable too. */
HONE_API hone_tensor *hone_head_logp(hone_graph *g, hone_tensor *hidden, const hone_head *head,
                                     const int32_t *targets, hone_tensor **entropy);

/* Any function of logits: fn gets chunks of rows, logits [rows, vocab] of
 * outputs [first, first + rows), and returns [rows]; the results together are
 * [n]. It is called again in backward, and must compute the same. */
typedef hone_tensor *hone_logits_fn(void *user, hone_graph *g, hone_tensor *logits, int64_t first);
HONE_API hone_tensor *hone_head_over_logits(hone_graph *g, hone_tensor *hidden,
                                            const hone_head *head, hone_logits_fn *fn, void *user);

#endif
