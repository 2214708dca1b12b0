# `gac train FILE` as it was before, with one sd of actions for all states. FILES names the folder of whole files. Committed: seeds 0 to 2
# of the Walker2d replay file, 0 and 1 of Hopper's, 0 of the medium files.
exec env ONE_SD=1 bash "$(dirname "$0")/recipe-whole.sh"
