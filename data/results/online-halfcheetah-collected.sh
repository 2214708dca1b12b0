# made together with online-halfcheetah.csv
exec bash "$(dirname "$0")/online-halfcheetah.sh"
