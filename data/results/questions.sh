FILES=${FILES:-.} # where the whole files lie, which are not shipped
for s in 0 1 2; do
  gac compare --table questions gac/hopper/medium-replay-mini-v0 --seed $s --iterations 1500 --set recipe=none
  gac compare --table questions gac/walker2d/medium-replay-mini-v0 --seed $s --iterations 250 --set recipe=none
  gac compare --table questions gac/walker2d/medium-replay-mini-v0 --seed $s --iterations 220 --set recipe=none --set transition=true --label "GAC, transition"
  gac compare --table questions "$FILES/hopper-medium-replay.hdf5" --seed $s --iterations 3000 --set recipe=none
  gac compare --table questions "$FILES/hopper-medium.hdf5" --seed $s --iterations 1500 --set recipe=none
  gac compare --table questions "$FILES/walker2d-medium-replay.hdf5" --seed $s --iterations 800 --set recipe=none --set transition=true --set tokens=1 --set draw=elite \
    --label "GAC, 1 token, elite"
  gac compare --table questions "$FILES/walker2d-medium-replay.hdf5" --seed $s --iterations 1200 --set recipe=none --set transition=true --set tokens=1 --set draw=elite \
    --set inner_steps=16 --set length=true --label "GAC, length, 16 inner steps"
  gac compare --table questions "$FILES/halfcheetah-medium-replay.hdf5" --seed $s --iterations 1200 --set recipe=none --set tokens=1 --set draw=elite \
    --label "GAC, 1 token, elite"
done
for s in 0 1; do gac compare --table questions gac/walker2d/medium-replay-mini-v0 --seed $s --iterations 1500 --set recipe=none --label "GAC, 170 draws"; done
gac compare --table questions "$FILES/walker2d-medium-replay.hdf5" --iterations 800 --set recipe=none
gac compare --table questions "$FILES/walker2d-medium-replay.hdf5" --iterations 700 --set recipe=none --set transition=true --label "GAC, transition"
gac compare --table questions "$FILES/walker2d-medium-replay.hdf5" --iterations 260 --set recipe=none --set transition=true --label "GAC, transition, 10 draws"
