# Pairs of the ten trainings of recipe.sh, seeds 0 and 1, 2 and 3, …: made by team.sh.
exec bash "$(dirname "$0")/team.sh"
