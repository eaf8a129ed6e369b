#!/usr/bin/env bash
# Train on several processes: tools/dist_train.sh CONFIG GPUS [flags of tools/train.py]
# Several nodes: set NNODES, NODE_RANK, MASTER_ADDR (and PORT) on each node. Without a GPU the processes use gloo on the CPU.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [flags of tools/train.py]" >&2
    exit 2
fi
config=$1 gpus=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PYTHONPATH="$here/..:${PYTHONPATH:-}" exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes "${NNODES:-1}" --node_rank "${NODE_RANK:-0}" --nproc_per_node "$gpus" \
    --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}" \
    "$here/train.py" "$config" --launcher pytorch "$@"
