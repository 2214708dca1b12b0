# made together with tune-compare.csv
exec bash "$(dirname "$0")/tune-compare.sh"
