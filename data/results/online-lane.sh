# the study of 90a_book_online, with its switch on: eight minutes
python - <<'PY'
import json, re
from pathlib import Path
cells = json.loads(Path('nbs/90a_book_online.ipynb').read_text())['cells']
code = [''.join(c['source']) for c in cells if c['cell_type']=='code']
wanted = [c for c in code if 'slow' in c or re.search('^(from|import) |^def lane', c, re.M)]
exec('\n'.join(wanted).replace('slow = False', 'slow = True'), {})
PY
