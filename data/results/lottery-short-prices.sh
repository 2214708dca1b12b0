# made together with lottery-short.csv
exec bash "$(dirname "$0")/lottery-short.sh"
