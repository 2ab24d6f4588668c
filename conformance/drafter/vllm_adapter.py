#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An installed vLLM as an implementation of spec/drafter/protocol.md.

usage: attest drafter check --impl 'python3 conformance/drafter/vllm_adapter.py'

It asks vLLM's own code for the causality of each drafter layer and for the names of backends. Questions that need a
GPU, or code that the installed version does not have, are answered with "not_supported" and the reason. Without vLLM
the adapter introduces itself as not available.
"""
import inspect
import json
import sys

# What can be asked without a device. Whether a pair is served needs one.
FIELDS = ["causal", "use_non_causal"]


def introduce():
    """The answer to hello."""
    try:
        import vllm
        from vllm.model_executor.models import qwen3_dflash
    except Exception as error:  # an installation can be broken in many ways
        return {"not_available": f"{type(error).__name__}: {error}"}
    causality = find_causality(qwen3_dflash)
    if causality is None:
        return {"not_available": f"vllm {vllm.__version__} has no per-layer causality of DFlash drafters"}
    return {
        "version": 1,
        "name": f"vllm {vllm.__version__}",
        "answers": ["resolve"],
        # The top-level is_causal, which E5 reads, came with v0.28.0.
        "eras": ["E5" if "is_causal" in inspect.getsource(causality) else "E4"],
        "runners": ["R1", "R2"],
        "fields": FIELDS,
    }


def find_causality(module):
    """vLLM's function from a config and a layer to its causality; None where this version has none."""
    return getattr(module, "_dflash_layer_causal", None)


def resolve(question):
    """{"answer": ...} or {"not_supported": ...}."""
    from transformers import PretrainedConfig
    from vllm.model_executor.models import qwen3_dflash

    if question["target"].get("speculative", {}).get("method") != "dflash":
        return {"not_supported": "only method dflash is asked"}
    if "speculators_model_type" in question["draft"]:
        return {"not_supported": "the speculators format needs a checkpoint directory"}
    layers = range(question["draft"].get("num_hidden_layers", 1))
    causality = find_causality(qwen3_dflash)
    try:
        # transformers 5 itself refuses values of the wrong type, before vLLM sees them.
        config = PretrainedConfig(**question["draft"])
        causal = [bool(causality(config, layer)) for layer in layers]
    except Exception as error:
        return {"not_supported": f"{type(error).__name__}: {error}"}
    return {"answer": {"causal": causal, "use_non_causal": not all(causal)}}


def main():
    for line in sys.stdin:
        question = json.loads(line)
        if question["op"] == "bye":
            return
        if question["op"] == "hello":
            answer = introduce()
        elif question["op"] == "resolve":
            answer = resolve(question)
        else:
            answer = {"not_supported": question["op"]}
        print(json.dumps({"id": question["id"], **answer}), flush=True)


if __name__ == "__main__":
    main()
