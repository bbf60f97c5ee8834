#!/bin/sh
# What a GPU shows, as one Markdown text: the tests marked gpu, both efficiencies, passes a second and memory of larger models, attacks on
# networks of the size that people publish, and what the runner adds.
#
#     benchmarks/speed/gpu.sh                          on a GPU, from a checkout whose .venv is made; nothing is downloaded
#     benchmarks/speed/gpu.sh --device cpu --quick     the same on the processor, to see whether it runs
set -u
cd "$(dirname "$0")/../.." || exit 1
device=cuda quick="" rounds=10
while [ $# -gt 0 ]; do
    case "$1" in
        --device) device="$2"; shift ;;
        --quick) quick="--quick" rounds=1 ;;
        *) echo "usage: $0 [--device cuda|cpu] [--quick]" >&2; exit 2 ;;
    esac
    shift
done
python=${PYTHON:-.venv/bin/python}
began=$(date +%s)
failed=0
part() {
    title="$1"; shift
    printf '\n### %s\n\n`%s`\n\n' "$title" "$*"
    "$@" 2>&1 || { failed=1; printf '\n**It failed.**\n'; }
    printf '\n%s s so far.\n' "$(($(date +%s) - began))"
}
if [ "$device" = cuda ]; then
    part "Tests" "$python" -m pytest -q -m gpu tests
fi
part "Two efficiencies" "$python" benchmarks/speed/efficiency.py --device "$device" --rounds 2 $quick
part "Passes and memory" "$python" benchmarks/speed/passes.py --device "$device" $quick
part "Larger networks" "$python" benchmarks/speed/large.py --device "$device" $quick
part "What the runner adds" "$python" benchmarks/speed/runner.py --device "$device" --libraries native,torchattacks,art --rounds "$rounds"
exit $failed
