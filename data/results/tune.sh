gac tune gac/hopper/medium-replay-mini-v0 --phase both --no-prune --trials 30 --workers 2 --out runs/tune --returns 50 --table tune
