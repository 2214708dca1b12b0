# made together with recipe-400.csv
exec bash "$(dirname "$0")/recipe-400.sh"
