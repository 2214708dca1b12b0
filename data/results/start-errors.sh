# Made together with whole-settings.csv.
exec bash "$(dirname "$0")/whole-settings.sh"
