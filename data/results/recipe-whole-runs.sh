# made together with recipe-whole.csv
exec bash "$(dirname "$0")/recipe-whole.sh"
