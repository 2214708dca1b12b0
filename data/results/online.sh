# --quantile .95 is said for the control too: its `improve` is asked with it
for s in 0 1 2 3 4; do
  gac train gac/hopper/medium-replay-mini-v0 --out runs/h-$s --seed $s --iterations 600 --set recipe=none
  gac online runs/h-$s --strategy control --quantile .95 --table online
  gac online runs/h-$s --quantile .95 --elite start --table online --label "adaptive, elite fixed" --out runs/h-$s/online-elite
done
for s in 0 1 2; do
  gac online runs/h-$s --quantile .95 --table online
  gac online runs/h-$s --quantile .8 --table online --label "adaptive, quantile .8" --out runs/h-$s/online-lower
  gac online runs/h-$s --strategy improve --quantile .95 --elite start --table online \
    --label "improve, quantile .95, elite fixed" --out runs/h-$s/online-step
  gac online runs/h-$s --strategy improve --delta-y 10 --quantile .8 --table online --label "improve, Table 7"
  gac online runs/h-$s --strategy improve --delta-y 10 --quantile .8 --elite start --table online \
    --label "improve, Table 7, elite fixed" --out runs/h-$s/online-improve-elite
  gac online runs/h-$s --strategy target --target 3600 --quantile .8 --table online --label "target, Table 7"
  gac online runs/h-$s --strategy target --target 3600 --quantile .8 --elite start --table online \
    --label "target, Table 7, elite fixed" --out runs/h-$s/online-target-elite
done
gac online runs/h-0 --strategy improve --paper --set iterations=60 --table online --label "improve, Tables 6 and 7" \
  --out runs/h-0/online-paper
