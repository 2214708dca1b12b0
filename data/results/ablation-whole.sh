FILES=${FILES:-.} # where the whole files lie, which are not shipped
gac compare "$FILES/walker2d-medium-replay.hdf5" --seed 1 --iterations 1200 --set recipe=none --set transition=true --set tokens=1 --set draw=elite \
  --table ablation-whole --env-seed 4000 --set inner_steps=16 --label "GAC, 16 inner steps"
gac compare "$FILES/walker2d-medium-replay.hdf5" --seed 1 --iterations 1200 --set recipe=none --set transition=true --set tokens=1 --set draw=elite \
  --table ablation-whole --env-seed 4000 --set length=true --label "GAC, length, 4 inner steps"
gac compare "$FILES/walker2d-medium-replay.hdf5" --seed 1 --iterations 1200 --set recipe=none --set transition=true --set tokens=1 --set draw=elite \
  --table ablation-whole --env-seed 4000 --set inner_steps=16 --set length=true --label "GAC, length, 16 inner steps"
