# Systems that go on online from their offline training, three stages of 100 episodes; with --out runs/bench after rivals.sh, so
# that offline trainings that are done are taken over.
gac bench data/bench/stages.csv --workers 2 --out runs/bench --table rivals-online
