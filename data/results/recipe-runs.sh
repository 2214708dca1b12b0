# made together with recipe.csv
exec bash "$(dirname "$0")/recipe.sh"
