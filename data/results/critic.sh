gac critic --table critic gac/hopper/medium-replay-mini-v0 --iterations 600 --set recipe=none --split 11 --set draw=sqrt --set inner_steps=16
gac critic --table critic gac/hopper/medium-replay-mini-v0 --iterations 600 --set recipe=none --split 11 --set draw=sqrt --set inner_steps=16 --set length=true --label "critic, length"
gac critic --table critic gac/walker2d/medium-replay-mini-v0 --iterations 350 --set recipe=none --split 11 --set draw=sqrt --set inner_steps=16 --set transition=true
gac critic --table critic gac/walker2d/medium-replay-mini-v0 --iterations 350 --set recipe=none --split 11 --set draw=sqrt --set inner_steps=16 --set transition=true --set length=true --label "critic, length"
gac critic --table critic gac/walker2d/medium-replay-mini-v0 --iterations 350 --set recipe=none --split 12 --set draw=sqrt --set inner_steps=16 --set transition=true --set length=true \
  --label "critic, length, split 12"
# by the recipe, as `gac train` does, and with draws that do not favour good episodes; so far run: Hopper, good
for d in hopper walker2d; do for r in good sqrt; do
  gac critic --table critic gac/$d/medium-replay-mini-v0 --split 11 --set draw=$r --label "critic, recipe, draw $r"
done; done
