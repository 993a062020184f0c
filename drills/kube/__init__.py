"""The chart on a real control plane: what happens to its pods when nodes and zones die, and when they are full.

Kubernetes itself, built from its modules, decides; only the machines are none: kwok plays each node's kubelet, so no
container runs. Reading order: `scenario` (what is done, and what must hold), `rollouts`, `deaths`,
`seen` (judging what the API tells), `release` (the chart), `kinds` (those of operators), `nodes`, `plane`, `binaries`.
Must never touch a cluster that it did not start.
"""
