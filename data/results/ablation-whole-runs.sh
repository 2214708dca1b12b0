# made together with ablation-whole.csv
exec bash "$(dirname "$0")/ablation-whole.sh"
