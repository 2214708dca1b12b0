# `gac train FILE` as it was before, with one sd of actions for all states. FILES names the folder of whole files.
exec env ONE_SD=1 bash "$(dirname "$0")/recipe-whole.sh"
