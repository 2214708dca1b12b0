"Every file of rows has the lines that make it beside it, and they are of the present commands."
import ast, json, re, shlex, subprocess, sys
from pathlib import Path
import pandas as pd
import pytest
import typer.main
from gac.cli import app

root = Path(__file__).resolve().parents[1]
results = root/'data'/'results'
scripts = sorted(results.glob('*.sh'))
each = pytest.mark.parametrize('script', scripts, ids=lambda p: p.stem)

def commands(text):
    "The `gac …` lines of a shell script, as words; a comment does not count."
    text = re.sub(r"python - <<'PY'\n.*?\nPY\n", '', text, flags=re.S).replace('\\\n', ' ')
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if 'gac' in words:
            words = words[words.index('gac')+1:]
            yield [w.rstrip(';') for w in words[:next((i+1 for i,w in enumerate(words) if w.endswith(';')), None)]]

def fault(words):
    "What the command line would say to these words, or None; loops leave their $s in them, a number stands for it."
    words = [re.sub(r'\$\{?\w+\}?', '0', w) for w in words]
    command = typer.main.get_command(app).commands.get(words[0])
    if command is None: return f'no command {words[0]!r}'
    if '--help' in words[1:]: return None
    try: command.make_context(words[0], words[1:])
    except Exception as e: return f'{words}: {getattr(e, "message", e)}'

def test_commands_are_read():
    text = "for s in 0 1; do gac a --x $s; done\n# gac b\ngac c \\\n  --y 'two words'\npython - <<'PY'\ngac d\nPY\n"
    assert list(commands(text))==[['a','--x','$s'], ['c','--y','two words']]
    assert 'no command' in fault(['nothing']) and fault(['slim','run','--no-such']) and not fault(['slim','run$s','x'])

def test_every_file_of_rows_has_its_lines():
    rows, lines = ({p.stem for p in results.glob(f'*.{x}')} for x in ('csv','sh'))
    assert rows==lines, f'without lines: {sorted(rows-lines)}; without rows: {sorted(lines-rows)}'

@pytest.mark.parametrize('file', sorted(results.glob('*.csv')), ids=lambda p: p.stem)
def test_every_row_says_its_versions(file):
    made = pd.read_csv(file, low_memory=False).versions
    bad = made[~made.fillna('').str.contains(r'torch \d+\.\d+.*; mujoco \d+\.\d+')]
    assert bad.empty, f'{file.name}: {len(bad)} rows do not, the first at line {bad.index[0]+2}: {bad.iloc[0]!r}'

@each
def test_shell_parses(script): subprocess.run(['bash','-n',script], check=True, capture_output=True)

@each
def test_commands_know_every_option(script):
    bad = [f for f in map(fault, commands(script.read_text(encoding='utf-8'))) if f]
    assert not bad, bad

@each
def test_python_parses_and_finds_what_it_imports(script):
    for block in re.findall(r"python - <<'PY'\n(.*?)\nPY\n", script.read_text(encoding='utf-8'), re.S):
        for node in ast.parse(block).body:
            if isinstance(node, ast.ImportFrom): exec(ast.unparse(node), {})

@each
def test_script_does_something(script):
    text = script.read_text(encoding='utf-8')
    named = re.findall(r'dirname "\$0"\)/([\w-]+\.sh)', text)
    assert all((results/n).exists() for n in named)
    assert named or [*commands(text)] or "python - <<'PY'" in text or re.search(r'^exec make \w+', text, re.M)

def test_make_names_the_files_it_knows():
    told = subprocess.run(['make','-s','rows','X=nothing',f'BIN={Path(sys.executable).parent}','STAMP=settings.ini'],
        cwd=root, capture_output=True, text=True)
    assert told.returncode and 'questions' in told.stdout and 'X=nothing' in told.stdout

def test_a_chapter_makes_rows_by_their_own_lines():
    "A command printed beside a table goes stale when a default moves; `make rows X=…` does not."
    for nb in sorted((root/'nbs').glob('*.ipynb')):
        cells = json.loads(nb.read_text(encoding='utf-8'))['cells']
        prose = [''.join(c['source']) for c in cells if c['cell_type']=='markdown']
        fences = '\n'.join(f for text in prose for f in re.findall(r'```sh\n(.*?)```', text, re.S))
        stale = [l for l in fences.splitlines() if re.search(r'\bgac (compare|critic|lottery|odds|processes)\b', l) or '--table' in l]
        if not nb.name.startswith('13'): assert not stale, f'{nb.name}: {stale}'
        for name in re.findall(r'make rows X=([\w-]+)', fences):
            assert (results/f'{name}.sh').exists(), f'{nb.name}: no lines for {name}'
