# about ten minutes on one thread for each seed; needs gymnasium-robotics: pip install -e '.[mazes]'
python - <<'PY'
from gac.mazes import driver_rows, maze_rows
driver_rows()
for seed in range(3): maze_rows(seed)
PY
