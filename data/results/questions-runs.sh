# made together with questions.csv
exec bash "$(dirname "$0")/questions.sh"
