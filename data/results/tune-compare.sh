# the settings of trial 2 in tune.csv
for s in 0 1 2; do
  gac compare gac/hopper/medium-replay-mini-v0 --seed $s --label default --iterations 200 --set recipe=none --table tune-compare
  gac compare gac/hopper/medium-replay-mini-v0 --seed $s --label tuned --iterations 54 --set recipe=none --table tune-compare --set tokens=1 --set heads=8 --set enc=1 --set batch=128 --set outer_steps=10 \
    --set inner_lr=.158723 --set outer_lr=.005898 --set weight_decay=.008041
done
gac compare gac/hopper/medium-replay-mini-v0 --seed 0 --label "GAC, tuned" --iterations 405 --set recipe=none --table tune-compare \
    --set tokens=1 --set heads=8 --set enc=1 --set batch=128 --set outer_steps=10 \
    --set inner_lr=.158723 --set outer_lr=.005898 --set weight_decay=.008041
