# made together with lpt-ablation.csv
exec bash "$(dirname "$0")/lpt-ablation.sh"
