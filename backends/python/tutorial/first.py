# SPDX-License-Identifier: Apache-2.0
import numpy as np
from attest_backend import backend, requests

@backend(name="first", features=["decoder-causal", "lse", "kv-strides", "token-strides", "unequal-head-dims"])
def first(problem, tensors):
    out = np.zeros(tensors.out.shape, np.float32)
    lse = np.zeros(tensors.out.shape[:2], np.float32)
    for r in requests(problem, tensors):
        position = r.context_len + np.arange(r.q_len)[:, None]
        for h in range(problem.num_q_heads):
            score = problem.scale * (r.query[:, h] @ r.key[:, h // problem.group].T)
            score[np.arange(r.seq_len) > position] = -np.inf
            top = score.max(axis=1, keepdims=True, initial=-1e30)
            weight = np.exp(score - top)
            total = weight.sum(axis=1, keepdims=True)
            out[r.rows, h] = weight @ r.value[:, h // problem.group] / np.maximum(total, 1)
            lse[r.rows, h] = (top + np.log(total))[:, 0]
    return (out, lse) if problem.wants_lse else out
