# made together with online.csv
exec bash "$(dirname "$0")/online.sh"
