"""Options of the training step on this CPU, in turn; writes benchmarks/steps.csv.

Run from the repository: python benchmarks/steps.py PRESET [ROUNDS [OPTION;... [kept]]]
With the last word glibc keeps the memory that a step gives back.
"""
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import pandas as pd
import torch

from vctutor.config import preset
from vctutor.speed import compare, keep_memory

OPTIONS = dict(plain={}, fused=dict(fused=True), bfloat16=dict(precision="bfloat16"), checkpointing=dict(checkpointing=True),
               unfolded=dict(unfolded=True), **{"fused, bfloat16": dict(fused=True, precision="bfloat16"), "unfolded, fused": dict(unfolded=True, fused=True), "unfolded, fused, bfloat16": dict(unfolded=True, fused=True, precision="bfloat16")}, compiled=dict(compiled=True))
name, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
chosen = sys.argv[3].split(";") if len(sys.argv) > 3 else [o for o in OPTIONS if o != "compiled"]
kept = sys.argv[4:] == ["kept"]
if sys.argv[4:] and not (kept and keep_memory()): raise SystemExit(f"{' '.join(sys.argv[4:])}: the last word may be kept, where the C library is glibc")
torch.set_num_threads(1)  # processor time says little with more
table = compare({o: preset(name, **OPTIONS[o]) for o in chosen}, rounds=rounds, clock=time.process_time).reset_index()
table.insert(0, "preset", name)
if kept: table["variant"] += ", memory kept"
path = HERE / "steps.csv"
if path.exists():
    before = pd.read_csv(path)
    table = pd.concat([before[~((before["preset"] == name) & before["variant"].isin(table["variant"]))], table])
plain = table[table["variant"] == "plain"].set_index("preset")["seconds"]
table["times plain"] = table["seconds"] / table["preset"].map(plain)  # spec's variants don't fit beside each other: run them one by one, plain first
table.to_csv(path, index=False, float_format="%.5g")
print(table.round(3).to_string())
