# after online.sh; the settings that tune.sh found
for s in 0 1 2; do
  gac online runs/h-$s --quantile .95 --out runs/h-$s/online-found --table tune-refit-online --label "adaptive, refit found" \
    --set iterations=126 --set outer_steps=10 --set outer_lr=.00135512 --set inner_lr=.0787415 --set weight_decay=.000762667
done
