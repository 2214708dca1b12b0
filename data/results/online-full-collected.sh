# made together with online-full.csv
exec bash "$(dirname "$0")/online-full.sh"
