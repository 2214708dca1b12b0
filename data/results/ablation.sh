for s in 0 1; do
  gac compare gac/walker2d/medium-replay-mini-v0 --seed $s --iterations 250 --set recipe=none --label default --table ablation --episodes 30 --env-seed 0
  gac compare gac/walker2d/medium-replay-mini-v0 --seed $s --iterations 220 --set recipe=none --set transition=true --label "transition on" --table ablation --episodes 30 --env-seed 0
  gac compare gac/walker2d/medium-replay-mini-v0 --seed $s --iterations 250 --set recipe=none --set learn_sigma_y=true --label "sigma_y learned" --table ablation --episodes 30 --env-seed 0
  gac compare gac/walker2d/medium-replay-mini-v0 --seed $s --iterations 60 --set recipe=none --set M=4 --label M=4 --table ablation --episodes 30 --env-seed 0
done
gac compare gac/walker2d/medium-replay-mini-v0 --seed 1 --iterations 125 --set recipe=none --set D=128 --label D=128 --table ablation --episodes 30 --env-seed 0
gac compare gac/walker2d/medium-replay-mini-v0 --seed 1 --iterations 320 --set recipe=none --set inner_steps=1 --label "inner steps 1" --table ablation --episodes 30 --env-seed 0
