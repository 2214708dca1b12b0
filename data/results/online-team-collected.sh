# made together with online-team.csv
exec bash "$(dirname "$0")/online-team.sh"
