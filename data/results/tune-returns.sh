# made together with tune.csv
exec bash "$(dirname "$0")/tune.sh"
