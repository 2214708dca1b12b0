# after online.sh, whose start runs/h-0 it continues with moments of φ at zero
gac online runs/h-0 --quantile .95 --fresh zero --table online-posteriors --label "adaptive, zero" --out runs/h-0/online-posteriors
