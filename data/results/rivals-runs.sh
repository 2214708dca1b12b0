# made together with rivals.csv
exec bash "$(dirname "$0")/rivals.sh"
