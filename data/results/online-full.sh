gac train gac/hopper/medium-replay-mini-v0 --out runs/h-full --seed 0 --iterations 1500 --set recipe=none
gac online runs/h-full --quantile .95 --asked 100 --table online-full
gac online runs/h-full --strategy control --quantile .95 --asked 100 --table online-full
gac online runs/h-full --quantile .95 --elite start --asked 100 --table online-full --label "adaptive, elite fixed" \
  --out runs/h-full/online-elite
