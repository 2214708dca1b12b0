# Pairs of the ten trainings that recipe-400.sh makes.
exec env BATCHES=400 bash "$(dirname "$0")/team.sh"
