# made together with odds.csv
exec bash "$(dirname "$0")/odds.sh"
