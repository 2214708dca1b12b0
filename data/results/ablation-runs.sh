# made together with ablation.csv
exec bash "$(dirname "$0")/ablation.sh"
