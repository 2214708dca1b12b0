# What `gac train` makes, two trainings side by side, goes on online by the defaults: both collect in turn and learn from all episodes.
# SEEDS: training seeds, to make some of the rows; committed are seeds 0 and 1 of both. Rows of `best` that act by `answers` are
# by the default before: `evaluate_runs(…, acting='answers')` of each stage. 100
# episodes of each question after each stage, environment seeds from 10000 on.
for s in ${SEEDS:-0 1 2}; do for robot in hopper walker2d; do
  gac train gac/$robot/medium-replay-mini-v0 --out runs/team-$robot-$s --seed $s
  for way in adaptive control; do gac online runs/team-$robot-$s --strategy $way --asked 100 --save-every 50 --table online-team; done
done; done
