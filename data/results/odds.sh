for s in 0 1; do gac odds --seed $s; done
