# made together with rivals-online.csv
exec bash "$(dirname "$0")/rivals-online.sh"
