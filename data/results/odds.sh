for s in 0 1; do gac odds --table odds --seed $s; done
