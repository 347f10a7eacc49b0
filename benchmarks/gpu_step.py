"""A table of training steps on a GPU: seconds, FLOP/s, the share of the bfloat16 matrix product, memory.

Run from the repository: python benchmarks/gpu_step.py [seconds to spend, 240 [number of the run]]
With a number the rows go to the end of benchmarks/gpu_steps.csv, in place of those of a run of that number.
"""
import gc
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import pandas as pd
import torch

from vctutor.config import preset
from vctutor.speed import matmul_rate, step_flops, stepper, time_steps

START, LIMIT = time.perf_counter(), float(sys.argv[1]) if len(sys.argv) > 1 else 240
RUN = int(sys.argv[2]) if len(sys.argv) > 2 else None
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZE = 8192 if DEVICE == "cuda" else 1024
if DEVICE == "cpu": torch.set_num_threads(2)
LARGE, SMALL = ("spec", "base") if DEVICE == "cuda" else ("tiny", "tiny")  # without a GPU: only to see that it runs
BEST = dict(precision="bfloat16", fused=True)
FLAT = BEST | dict(unfolded=True)
VARIANTS = [  # preset, what is written down, batches, matrix products in TensorFloat-32 (convolutions, others), changes
    (LARGE, "float32", (8,), (False, False), {}),
    (LARGE, "TF32 convolutions", (8,), (True, False), {}),
    (LARGE, "TF32 everywhere", (8,), (True, True), {}),
    (LARGE, "bfloat16", (8,), (True, True), dict(precision="bfloat16")),
    (LARGE, "TF32, fused", (8,), (True, True), dict(fused=True)),
    (LARGE, "bfloat16, fused", (8, 32, 128, 256, 512), (True, True), BEST),
    (LARGE, "bfloat16, fused, unfolded", (8, 128, 256, 512, 1024), (True, True), FLAT),
    (LARGE, "float32", (128,), (False, False), {}),
    (LARGE, "bfloat16, fused, checkpointing", (128,), (True, True), BEST | dict(checkpointing=True)),
    (SMALL, "float32", (8,), (False, False), {}),
    (SMALL, "bfloat16, fused", (8, 256), (True, True), BEST),
    (LARGE, "bfloat16, fused, compiled", (8,), (True, True), BEST | dict(compiled=True)),
    (LARGE, "bfloat16, fused, unfolded, compiled", (1024,), (True, True), FLAT | dict(compiled=True)),
]

print(f"{torch.cuda.get_device_name(0) if DEVICE == 'cuda' else 'CPU'}, torch {torch.__version__}, TFLOP an iteration: "
      + ", ".join(f"{name} {step_flops(preset(name)) / 1e12:.3f}" for name in {LARGE, SMALL}), flush=True)
rows = []
for name, what, batches, (conv, other), changes in VARIANTS:
    for batch in batches if DEVICE == "cuda" else batches[:1]:
        needs = 60 if changes.get("compiled") else 6  # seconds
        if time.perf_counter() - START > LIMIT - needs:
            print(f"{name}, {what}, batch {batch}: skipped, no time", flush=True)
            continue
        try:
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = conv, other
            rate = matmul_rate(DEVICE, torch.bfloat16, size=SIZE, repeats=2)
            found = time_steps(preset(name, batch_size=batch, **changes), steps=5, warm=2, device=DEVICE)
            rows.append({"preset": name, "variant": what, "batch": batch, "ms an iteration": round(1e3 * found["seconds"], 2), "TFLOP/s": round(found["flops"] / 1e12, 2),
                         "bfloat16 product TFLOP/s": round(rate / 1e12, 1), "share": round(found["flops"] / rate, 3), "peak GB": round(found["peak"] / 1e9, 2)})
            print(*rows[-1].values(), f"first steps {found['first']:.1f} s", sep=" | ", flush=True)
        except Exception as error: print(f"{name}, {what}, batch {batch}: failed: {type(error).__name__}: {str(error)[:300]!r}", flush=True)
        gc.collect()
        if DEVICE == "cuda": torch.cuda.empty_cache()
if RUN and rows:
    path, table = Path(__file__).resolve().parent / "gpu_steps.csv", pd.DataFrame(rows)
    table.insert(0, "run", RUN)
    if path.exists(): table = pd.concat([(before := pd.read_csv(path))[before["run"] != RUN], table])
    table.to_csv(path, index=False)
for name, batch, changes in [(LARGE, 8, BEST), (LARGE, 512, FLAT)] if DEVICE == "cuda" and time.perf_counter() - START < LIMIT - 15 else []:  # where the time goes
    step = stepper(preset(name, batch_size=batch, **changes), device=DEVICE)
    for _ in range(2): step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen: step()
    print(name, batch, changes, seen.key_averages().table(sort_by="self_cuda_time_total", row_limit=14, max_name_column_width=70)[:6000], sep="\n", flush=True)
    del step
    gc.collect()
print(f"done after {time.perf_counter() - START:.0f} s", flush=True)
