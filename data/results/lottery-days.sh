# made together with lottery.csv
exec bash "$(dirname "$0")/lottery.sh"
