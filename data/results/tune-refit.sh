# after online.sh
gac tune --run runs/h-0/online-adaptive/stage-1 --trials 12 --workers 2 --budget 150 --table tune-refit
