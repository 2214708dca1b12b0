# One run a line, asked on environment seeds for choosing; each row of the file is the mean of 30 episodes, and the columns say the setting.
# The batches of these runs were drawn with the inclusion probabilities of today, without the weights of those that are capped.
for d in hopper walker2d; do
  for s in 0 1 2; do
    out=runs/small-plan-$d-$s
    gac train gac/$d/medium-replay-mini-v0 --seed $s --iterations 450 --set recipe=none --set draw=elite --set inner_steps=8 --set tokens=1 --set eps=8 --out $out
    gac evaluate $out --question best --acting average --episodes 30 --seed 0
    gac evaluate $out --question target --acting average --episodes 30 --seed 0
    gac evaluate $out --question prior --episodes 30 --seed 0
  done
done

# Transitions at a tenth of their weight: --iterations 400 --set transition=true --set transition_weight=.1 with the settings above; this is the recipe.
# Tried in a copy of the training loop and not kept: noise of 0.1 and 0.2 standard deviations added to the states that the outer loop reads,
# a moving average of θ (decay 0.99), and the gradient into the plan divided by how often an episode is drawn.
