# made together with recipe-whole-one-sd.csv
exec bash "$(dirname "$0")/recipe-whole-one-sd.sh"
