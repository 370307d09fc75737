#!/usr/bin/env bash
# A first result on a new machine: virtual environment, installation, then `polylc certify` on a small trained network.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
cd "$root"
bash scripts/setup-env.sh torch plot

certify=(certify examples/moons/moons.pt --data examples/moons/moons.npz --rows 0:5 --radius 0.1)
echo "The linear regions of a two-moons classifier (2-16-16-2) in the linf balls of radius 0.1 around five test points:"
echo
echo "    polylc ${certify[*]}"
echo
.venv/bin/polylc "${certify[@]}"
cat <<'TEXT'

To try next (after `source .venv/bin/activate`):
    polylc certify examples/moons/moons.pt --box "-2,-2" "3,3"                                the whole box
    polylc certify examples/moons/moons.pt --box "-2,-2" "3,3" --proof moons.proof            the same with a proof file,
    polylc check moons.proof                                                                  which anyone can check
    polylc plot examples/moons/moons.pt --box "-2,-2" "3,3" --out moons.png                   a picture of it
    polylc certify examples/digits/digits.pt --data examples/digits/digits.npz --plane 0,1,2 --report plane.html
                                          the plane through three digits, in a report to look at in a browser and to send
    polylc certify examples/digits/digits.pt --data examples/digits/digits.npz --rows 0:5 --radius 0.01 --clip 0 1
More examples: examples/README.md. Your own network: polylc certify MODEL --data POINTS --radius R; see polylc certify --help.
TEXT
