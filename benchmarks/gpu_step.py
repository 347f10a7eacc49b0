"""A table of training steps on a GPU: seconds, FLOP/s, the share of the bfloat16 matrix product, memory.

Run from the repository: python benchmarks/gpu_step.py [seconds to spend, 140]
"""
import gc
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch

from vctutor.config import preset
from vctutor.speed import matmul_rate, step_flops, time_steps

START, LIMIT = time.perf_counter(), float(sys.argv[1]) if len(sys.argv) > 1 else 140
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZE = 8192 if DEVICE == "cuda" else 1024
if DEVICE == "cpu": torch.set_num_threads(2)
LARGE, SMALL = ("spec", "base") if DEVICE == "cuda" else ("tiny", "tiny")  # without a GPU: only to see that it runs
BF, FUSED, FLAT = dict(precision="bfloat16"), dict(fused=True), dict(unfolded=True)
VARIANTS = [  # preset, what is printed, matrix products in TensorFloat-32 (convolutions, others), changes
    (LARGE, "float32", (False, False), {}),
    (LARGE, "as PyTorch comes: TF32 convolutions", (True, False), {}),
    (LARGE, "TF32 everywhere", (True, True), {}),
    (LARGE, "bfloat16", (True, True), BF),
    (LARGE, "TF32, fused", (True, True), FUSED),
    (LARGE, "bfloat16, fused", (True, True), BF | FUSED),
    *[(LARGE, f"bfloat16, fused, batch {b}", (True, True), BF | FUSED | dict(batch_size=b)) for b in (32, 128, 256, 512)],
    *[(LARGE, f"bfloat16, fused, unfolded, batch {b}", (True, True), BF | FUSED | FLAT | dict(batch_size=b)) for b in (8, 128, 256, 512)],
    (LARGE, "float32, batch 128", (False, False), dict(batch_size=128)),
    (LARGE, "bfloat16, fused, checkpointing, batch 128", (True, True), BF | FUSED | dict(batch_size=128, checkpointing=True)),
    (SMALL, "float32", (False, False), {}),
    (SMALL, "bfloat16, fused", (True, True), BF | FUSED),
    (SMALL, "bfloat16, fused, batch 256", (True, True), BF | FUSED | dict(batch_size=256)),
    (LARGE, "bfloat16, fused, compiled", (True, True), BF | FUSED | dict(compiled=True)),
    (LARGE, "bfloat16, fused, unfolded, compiled, batch 256", (True, True), BF | FUSED | FLAT | dict(compiled=True, batch_size=256)),
]


def say(*cells):
    "One row, at once."
    print("| " + " | ".join(str(c) for c in cells) + " |", flush=True)


print(f"{torch.cuda.get_device_name(0) if DEVICE == 'cuda' else 'CPU'}, torch {torch.__version__}, TFLOP an iteration: "
      + ", ".join(f"{name} {step_flops(preset(name)) / 1e12:.3f}" for name in {LARGE, SMALL}), flush=True)
torch.backends.cuda.matmul.allow_tf32 = False
say("matrix product", "TFLOP/s")
say("float32", f"{matmul_rate(DEVICE, torch.float32, size=SIZE) / 1e12:.2f}")
say("bfloat16", f"{matmul_rate(DEVICE, torch.bfloat16, size=SIZE) / 1e12:.2f}")
say("preset", "variant", "ms an iteration", "TFLOP/s", "bfloat16 product now, TFLOP/s", "share of it", "peak, GB", "first steps, s", "at, s")
for name, what, (conv, other), changes in VARIANTS:
    now = time.perf_counter() - START
    if now > LIMIT * (0.7 if changes.get("compiled") else 0.95):
        say(name, what, "skipped: no time")
        continue
    try:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = conv, other
        rate = matmul_rate(DEVICE, torch.bfloat16, size=SIZE, repeats=2)
        found = time_steps(preset(name, **changes), steps=5, warm=2, device=DEVICE)
        say(name, what, f"{1e3 * found['seconds']:.2f}", f"{found['flops'] / 1e12:.2f}", f"{rate / 1e12:.1f}", f"{found['flops'] / rate:.3f}",
            f"{found['peak'] / 1e9:.2f}", f"{found['first']:.1f}", f"{time.perf_counter() - START:.0f}")
    except Exception as error:
        say(name, what, f"failed: {type(error).__name__}: {str(error)[:300]!r}")
    gc.collect()
    if DEVICE == "cuda": torch.cuda.empty_cache()
try:  # where the time of one variant goes
    if DEVICE == "cuda" and time.perf_counter() - START < LIMIT * 0.9:
        from vctutor.speed import stepper
        step = stepper(preset(LARGE, **BF, **FUSED), device=DEVICE)
        for _ in range(2): step()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen: step()
        print(seen.key_averages().table(sort_by="cuda_time_total", row_limit=14, max_name_column_width=70)[:6000], flush=True)
except Exception as error: print("profile failed:", repr(error)[:300], flush=True)
print(f"done after {time.perf_counter() - START:.0f} s", flush=True)
