"""The chart on a real control plane: what happens to its pods when nodes and zones die or are full, and if they crash.

Kubernetes itself, built from its modules, decides; only the machines are none: kwok plays each node's kubelet, so no
container runs. Reading order: `scenario` (what is done, and what must hold), `rollouts`, `crashes`, `deaths`,
`seen` (judging what the API tells), `release` (the chart), `kinds` (those of operators), `nodes`, `plane`, `binaries`.
Must never touch a cluster that it did not start.
"""
